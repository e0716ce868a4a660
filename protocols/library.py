"""Running and scoring for Python programs: what `import thbench` offers of this folder.

The command line calls the same functions, and prints besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from protocols.request import Measured, Request, how_to_run, measure, rescore

__all__ = ["Measured", "Request", "run_protocol", "score"]

_NOTHING_ELSE = Request()


def run_protocol(
    protocol: str,
    out: Path | str,
    request: Request = _NOTHING_ELSE,
    *,
    device: str = "auto",
    workers: int = 1,
) -> Measured:
    """Measures methods by a protocol: a bundled name or the path of a TOML file.

    A run that is in the folder `out` already is extended: what is done stays. request says what
    differs from the protocol. workers: processes; with several, the program that calls this guards
    its start by `if __name__ == "__main__":`, as Python's `multiprocessing` asks.

    Returns the run folder and the units that failed. Raises `ThbenchError` before any work for what
    cannot be run.
    """
    return measure(protocol, request, Path(out), how_to_run(device, workers), quiet=True)


def score(
    run: Path | str,
    metrics: Sequence[str] = (),
    *,
    only: bool = False,
    device: str = "auto",
    workers: int = 1,
) -> None:
    """Computes a run's metrics from its stored frames: its own and those named, or only the latter.

    Raises `ThbenchError` for an unknown metric and for frames that were altered.
    """
    rescore(Path(run), metrics, only, how_to_run(device, workers), quiet=True)
