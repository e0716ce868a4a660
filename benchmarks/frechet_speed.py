"""Speed and accuracy of the Frechet distance at the paper's size: 1600 frames in 2048 dimensions.

OMP_NUM_THREADS=1 python benchmarks/frechet_speed.py [--rounds 3] [--out
benchmarks/results/frechet_speed.json]

Ours against the matrix square root (pytorch-fid, clean-fid) and the eigenvalues of the product
(torch-fidelity), in turns within one process, on Gaussian features whose spectrum decays as that of
Inception features does. Speed-ups are in CPU seconds of the one thread, which neighbours on the
machine disturb least.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.metrics.frechet import frechet_distance, frechet_jackknife

FRAMES, DIMENSIONS, VIDEOS = 1600, 2048, 50
Matrix = NDArray[np.float64]
# How fast the eigenvalues of the covariance decay: as 1/i, and as i^-1.5.
SPECTRA = {"1/i": 1.0, "i^-1.5": 1.5}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [
        row
        for name, decay in SPECTRA.items()
        for row in compare(name, *features(decay), options.rounds)
    ]
    result = {
        "frames": FRAMES,
        "dimensions": DIMENSIONS,
        "rows": rows,
        "hardware": hardware(),
        "versions": versions(),
    }
    for row in rows:
        print(
            f"{row['spectrum']:7} {row['form']:28} "
            f"wall {row['wall_s']:7.2f} s  CPU {row['cpu_s']:7.2f} s  {row['speed_up']:6.1f}x  "
            f"FID {row['value']:.6f}  off by {row['error']:.1e}"
        )
    if options.out:
        write_json(options.out, result)


def compare(spectrum: str, a: Matrix, b: Matrix, rounds: int) -> list[dict[str, float | str]]:
    """Median wall and CPU seconds of every form, in turns; the jackknife once. Errors are against
    singular values.
    """
    forms: dict[str, Callable[[Matrix, Matrix], float]] = {
        "matrix square root": square_root_form,
        "eigenvalues of the product": eigenvalue_form,
        "ours": frechet_distance,
    }
    runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            runs[name].append(timed(form, a, b))
    runs[f"ours, with jackknife of {VIDEOS}"] = [timed(jackknife_form, a, b)]
    medians = {name: np.median(measured, axis=0).tolist() for name, measured in runs.items()}
    true, slowest = exact(a, b), medians["matrix square root"][1]
    return [
        {
            "spectrum": spectrum,
            "form": name,
            "wall_s": wall,
            "cpu_s": cpu,
            "speed_up": slowest / cpu,
            "value": value,
            "error": abs(value - true),
        }
        for name, (wall, cpu, value) in medians.items()
    ]


def timed(
    form: Callable[[Matrix, Matrix], float], a: Matrix, b: Matrix
) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and the value."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = form(a, b)
    return time.perf_counter() - wall, time.process_time() - cpu, value


def features(decay: float) -> tuple[Matrix, Matrix]:
    """Two matched sets [1600, 2048] of total variance 100, the second a noisy copy of the first."""
    generator = np.random.default_rng(0)
    scale = np.arange(1, DIMENSIONS + 1) ** (-decay / 2)
    scale *= np.sqrt(100 / np.sum(scale**2))
    real = generator.normal(size=(FRAMES, DIMENSIONS)) * scale
    return real + 0.3 * generator.normal(size=real.shape) * scale, real


def square_root_form(a: Matrix, b: Matrix) -> float:
    """The trace term as pytorch-fid has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return distance(a, b, lambda S1, S2: np.trace(np.real(scipy.linalg.sqrtm(S1 @ S2))))


def eigenvalue_form(a: Matrix, b: Matrix) -> float:
    """The trace term as torch-fidelity has it."""
    return distance(
        a, b, lambda S1, S2: np.sqrt(np.linalg.eigvals(S1 @ S2).astype(complex)).real.sum()
    )


def jackknife_form(a: Matrix, b: Matrix) -> float:
    return frechet_jackknife(a, b, np.arange(FRAMES) // (FRAMES // VIDEOS)).value


def exact(a: Matrix, b: Matrix) -> float:
    A, B = a - a.mean(0), b - b.mean(0)
    shared = np.linalg.svd(A @ B.T, compute_uv=False).sum()
    return float(
        np.sum((a.mean(0) - b.mean(0)) ** 2)
        + (np.sum(A * A) + np.sum(B * B) - 2 * shared) / (FRAMES - 1)
    )


def distance(a: Matrix, b: Matrix, trace_of_root: Callable[[Matrix, Matrix], float]) -> float:
    S1, S2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    shift = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return float(shift + np.trace(S1) + np.trace(S2) - 2 * trace_of_root(S1, S2))


if __name__ == "__main__":
    main()
