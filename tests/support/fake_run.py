"""Run folders for the tests of reports/: the real format and plausible numbers, without any
network.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from thbench.files import sha256_file, sha256_json, write_json
from thbench.records.summary import MetricRecord, ScoreRecord
from thbench.records.timing import TimeRecord
from thbench.records.unit import UserColumn, UserRow
from thbench.records.video_key import video_key
from thbench.runs import FORMAT, REAL, Run, Unit, UnitResult

VOX1 = Path(__file__).parents[2] / ".." / "shared" / "data" / "vox1-sample" / "unzippedFaces"
SPECIAL_NAMES = (
    "a_b & c%",
    "$x^2$ #1 ~{tilde}",
    "back\\slash <script>alert(1)</script>",
    '[quote "q" | pipe]',
    "=HYPERLINK(1)",
    "Ünïcödé λ 方法",
    "*star* `tick` --dash",
)
METRICS = {
    "fid": MetricRecord(
        label="FID",
        higher_is_better=False,
        unit="",
        network="Inception-v3 (pytorch-fid)",
        stand_in=False,
        policy="error",
        description="Frechet distance to the matched hold-out frames",
    ),
    "ssim": MetricRecord(
        label="SSIM",
        higher_is_better=True,
        unit="",
        network=None,
        stand_in=False,
        policy="error",
        description="structural similarity",
    ),
    "csim": MetricRecord(
        label="CSIM",
        higher_is_better=True,
        unit="",
        network="ArcFace (insightface)",
        stand_in=False,
        policy="drop-pairwise",
        description="cosine similarity of face embeddings",
    ),
    "csim-dlib": MetricRecord(
        label="CSIM-dlib",
        higher_is_better=True,
        unit="",
        network="dlib face ResNet",
        stand_in=True,
        policy="drop-pairwise",
        description="cosine similarity, dlib network",
    ),
    "akd": MetricRecord(
        label="AKD",
        higher_is_better=False,
        unit="px",
        network="dlib 68 points",
        stand_in=False,
        policy="drop-pairwise",
        description="mean landmark distance",
    ),
}
PER_FRAME = ("ssim", "csim-dlib", "akd", "csim")
FLOOR = {"fid": 4.5, "ssim": 0.6, "csim": 0.7, "csim-dlib": 0.95, "akd": 0.5}
Scores = Callable[[str, int, str], float | None]


def make_run(
    path: Path,
    *,
    methods: Sequence[str] = ("x2face", "ours-ff", "ours-ft"),
    dataset: str = "VoxCeleb1",
    T: Sequence[int] = (1, 8, 32),
    n_videos: int = 4,
    n_holdout: int = 4,
    size_px: int = 64,
    seed: int = 0,
    protocol: str = "table1",
    kind: str = "self-reenactment",
    specs: Mapping[str, str] | None = None,
    scores: Scores | None = None,
    status: str = "complete",
    scored: bool = True,
    partial: bool = False,
    failed_units: int = 0,
    absent: Mapping[str, str] | None = None,
    timing: bool = False,
    study: bool = False,
    images: bool = True,
    shift: float = 0.0,
) -> Path:
    """Writes a run folder. absent maps metrics to the reason why they were not computed; shift
    moves every score.
    """
    path.mkdir(parents=True, exist_ok=True)
    absent = (
        {"csim": "weights missing: w.onnx (https://example.org/a.zip, sha256 00)"}
        if absent is None
        else absent
    )
    split = [_video(index, n_holdout, max(T)) for index in range(n_videos)]
    definition = {"name": protocol, "kind": kind, "holdout": n_holdout, "metrics": list(METRICS)}
    info = {
        "format": FORMAT,
        "protocol": {
            "name": protocol,
            "kind": kind,
            "sha256": sha256_json(definition),
            "definition": definition,
        },
        "dataset": {
            "name": dataset.lower(),
            "sha256": sha256_json([dataset, n_videos]),
            "size_px": size_px,
            "label": dataset,
            "spec": dataset.lower(),
        },
        "T": list(T),
        "methods": {label: _method((specs or {}).get(label, label)) for label in methods},
        "device": "cpu",
        "metrics": list(METRICS),
        "split": {
            "seed": seed,
            "dataset_sha256": sha256_json([dataset, n_videos]),
            "shots": max(T),
            "holdout": n_holdout,
            "videos": split,
        },
        "status": status,
        "partial": partial,
        "seeds": {"run": seed},
        "versions": {"thbench": "0.1.0", "torch": "2.15.0"},
        "hardware": {"processor": "AMD EPYC", "cores": 2, "gpus": []},
        "git_commit": "0" * 40,
        "created_utc": "2026-11-23T20:00:00Z",
    }
    write_json(path / "run.json", info)
    run = Run.open(path)
    failed = _write_units(run, failed_units, status, images, size_px)
    if scored:
        _write_scores(run, info, failed, absent, scores or _plausible(seed, shift))
    if timing:
        hardware = {"processor": "AMD EPYC", "cores": 2, "gpus": []}
        _write_timing(run, hardware, _plausible_times(methods, T))
    if study:
        _write_study(run, methods, T)
    return path


def paper_run(
    path: Path,
    dataset: str,
    values: Mapping[tuple[str, int], Mapping[str, float]],
    times: Mapping[tuple[str, int | None], float] | None = None,
) -> Path:
    """A run without images whose scores are the given ones: {(method, T): {"fid": ..., "user":
    ...}}.
    """
    methods = list(dict.fromkeys(method for method, _ in values))
    shots = sorted({T for _, T in values})
    make_run(
        path,
        methods=methods,
        dataset=dataset,
        T=shots,
        images=False,
        n_videos=50,
        n_holdout=1,
        absent={"csim-dlib": "", "akd": ""},
        scores=lambda method, T, metric: values.get((method, T), {}).get(metric),
    )
    run = Run.open(path)
    users = [
        UserRow(method, T, row["user"], se=None, ci95=None, n=1600)
        for (method, T), row in values.items()
    ]
    write_json(run.study_json, asdict(UserColumn(rows=users)))

    if times:
        rows = [
            TimeRecord(
                method=method,
                T=T,
                phase="few-shot" if T else "inference",
                median_s=time_s,
                iqr_s=None,
                n=100,
            )
            for (method, T), time_s in times.items()
        ]
        _write_timing(run, {"processor": "Intel Xeon", "gpus": ["NVIDIA P40"]}, rows)
    return path


def _video(index: int, n_holdout: int, n_shots: int) -> dict[str, Any]:
    shots = [3 * i for i in range(n_shots)]
    holdout = [3 * i + 1 for i in range(n_holdout)]
    return {
        "person": f"id{10270 + index // 2}",
        "video": f"vid{index}",
        "shots": shots,
        "holdout": holdout,
        "floor": holdout,
        "shot_names": [f"{p:07d}.jpg" for p in shots],
        "holdout_names": [f"{p:07d}.jpg" for p in holdout],
        "others": None,
    }


def _method(spec: str) -> dict[str, Any]:
    return {
        "spec": spec,
        "drives_with": "image" if spec == "x2face" else "landmarks",
        "config": {"preset": "small"},
        "settings": {},
        "checkpoint": {"path": f"models/{spec}", "sha256": "ab" * 32},
        "notes": ["content loss with random VGG weights"] if spec == "ours-ft" else [],
    }


def _plausible(seed: int, shift: float) -> Scores:
    def score(method: str, T: int, metric: str) -> float:
        skill = zlib.crc32(method.encode()) % 100 / 100 + 0.1 * np.log2(T) + shift
        base = {
            "fid": 60 - 12 * skill,
            "ssim": 0.5 + 0.1 * skill,
            "csim": 0.1 + 0.1 * skill,
            "csim-dlib": 0.8 + 0.05 * skill,
            "akd": 4 - skill,
        }
        return float(base[metric] + 0.001 * seed)

    return score


def _write_units(run: Run, failed_units: int, status: str, images: bool, size_px: int) -> set[Unit]:
    """Commits the units, the first of them as failed; an unfinished run has half of them."""
    split = run.record().split
    pictures = dict(
        zip(
            (video.key for video in split.videos),
            _pictures(len(split.videos), size_px),
            strict=True,
        )
    )
    if images:
        for video in split.videos:
            own = pictures[video.key]
            _save(run.real_folder(video.key), [_moved(own, i) for i in range(split.holdout)])
            _save(run.shots_folder(video.key), [_moved(own, -i) for i in range(split.shots)])

    units = list(run.planned())
    if status != "complete":
        units = units[: len(units) // 2]

    failed = set(units[:failed_units])
    for unit in units:
        if unit in failed:
            error = "ValueError: no face <b>found</b> & lost"
            run.commit_unit(unit, UnitResult("failed", error))
            continue
        folder = run.unit_folder(unit)
        if images:
            blur = 2.5 / (1 + np.log2(unit.T)) + zlib.crc32(unit.method.encode()) % 3
            made = pictures[unit.video].filter(ImageFilter.GaussianBlur(float(blur)))
            _save(folder, [_moved(made, i) for i in range(split.holdout)])
        frames = {file.name: sha256_file(file) for file in sorted(folder.glob("*.png"))}
        run.commit_unit(unit, UnitResult("done", frames=frames, timing={"adapt_s": 1.0}))
    return failed


def _pictures(n: int, size_px: int) -> list[Image.Image]:
    files = sorted(VOX1.rglob("*.jpg"))
    if files:
        return [
            Image.open(files[(index * 37) % len(files)]).convert("RGB").resize((size_px, size_px))
            for index in range(n)
        ]

    ramp = np.linspace(0, 255, size_px)
    both, across = np.add.outer(ramp, ramp) / 2, np.tile(ramp, (size_px, 1))
    planes = [(both, across, np.full_like(both, 255 * index / n)) for index in range(n)]
    return [Image.fromarray(np.stack(three, -1).astype(np.uint8)) for three in planes]


def _moved(picture: Image.Image, step: int) -> Image.Image:
    return picture.rotate(2 * step)


def _save(folder: Path, pictures: Sequence[Image.Image]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        picture.save(folder / f"{index:02d}.png")


def _write_scores(
    run: Run, info: Mapping[str, Any], failed: set[Unit], absent: Mapping[str, str], scores: Scores
) -> None:
    rng = np.random.default_rng(info["split"]["seed"])
    videos, holdout = info["split"]["videos"], info["split"]["holdout"]
    video_effect = rng.normal(0, 0.02, len(videos))
    frames: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []

    for method, T in [(REAL, 0)] + [(m, T) for m in info["methods"] for T in info["T"]]:
        n_kept = 0
        for video, effect in zip(videos, video_effect, strict=True):
            lost = Unit(method, T, video_key(video["person"], video["video"])) in failed
            n_kept += not lost
            for position, name in enumerate(video["holdout_names"]):
                per_frame = {
                    metric: _frame_score(scores, method, T, metric, effect, rng)
                    if metric not in absent and not lost
                    else float("nan")
                    for metric in PER_FRAME
                }
                frames.append(
                    {
                        "method": method,
                        "T": T,
                        "person": video["person"],
                        "video": video["video"],
                        "frame": name,
                        "position": position,
                        "error": "no face" if lost else "",
                        **per_frame,
                    }
                )

        n_frames, n_lost = n_kept * holdout, (len(videos) - n_kept) * holdout
        rows.append(
            {
                "method": method,
                "T": T,
                "n_videos": n_kept,
                "n_frames": n_frames,
                "n_failed_units": len(videos) - n_kept,
                "metrics": {
                    metric: asdict(
                        _score(scores, method, T, metric, n_frames, n_lost, absent.get(metric))
                    )
                    for metric in METRICS
                },
            }
        )

    pd.DataFrame(frames).to_parquet(run.frames_parquet)
    summary = {
        "format": FORMAT,
        "metrics": {name: asdict(metric) for name, metric in METRICS.items()},
        "rows": rows,
        "differences": _differences(info, scores, absent),
    }
    write_json(run.summary_json, summary)


def _frame_score(
    scores: Scores, method: str, T: int, metric: str, effect: float, rng: np.random.Generator
) -> float:
    value = FLOOR[metric] if method == REAL else scores(method, T, metric)
    return float("nan") if value is None else float(value + effect + rng.normal(0, 0.01))


def _score(
    scores: Scores, method: str, T: int, metric: str, n: int, n_lost: int, reason: str | None
) -> ScoreRecord:
    value = FLOOR[metric] if method == REAL else scores(method, T, metric)
    if value is None or reason is not None or n == 0:
        return ScoreRecord(
            value=None, se=None, ci95=None, n=0, n_failed=n, reason=reason or "no frame left"
        )

    se, missed = 0.02 * abs(value), 1 if metric == "akd" else 0
    ends = (value - 2 * se, value + 2 * se)
    return ScoreRecord(value=value, se=se, ci95=ends, n=n - missed, n_failed=n_lost + missed)


def _differences(
    info: Mapping[str, Any], scores: Scores, absent: Mapping[str, str]
) -> list[dict[str, Any]]:
    rows = []
    computed = [metric for metric in METRICS if metric not in absent]
    pairs = list(combinations(info["methods"], 2))

    for metric, T, (a, b) in product(computed, info["T"], pairs):
        first, second = scores(a, T, metric), scores(b, T, metric)
        if first is None or second is None:
            continue
        gap, se = first - second, 0.01 * (abs(first) + 1e-3)
        p = float(np.exp(-abs(gap) / se))
        rows.append(
            {
                "metric": metric,
                "T": T,
                "a": a,
                "b": b,
                "difference": gap,
                "se": se,
                "ci95": [gap - 2 * se, gap + 2 * se],
                "p": p,
                "p_holm": min(1.0, 3 * p),
            }
        )
    return rows


def _write_study(run: Run, methods: Sequence[str], T: Sequence[int]) -> None:
    """Success rates that fall from method to method, and with T."""
    rows = []
    for place, method in enumerate(methods):
        for shots in T:
            value = 0.8 - 0.1 * place - 0.002 * shots
            ends = (value - 0.04, value + 0.04)
            rows.append(UserRow(method, shots, value, 0.02, ends, n=1600, p_one_third=0.001))

    write_json(run.study_json, asdict(UserColumn(rows=rows)))


def _write_timing(run: Run, hardware: Mapping[str, Any], rows: Iterable[TimeRecord]) -> None:
    write_json(run.timing_json, {"hardware": hardware, "rows": [asdict(row) for row in rows]})


def _plausible_times(methods: Sequence[str], T: Sequence[int]) -> list[TimeRecord]:
    rows = []
    for place, method in enumerate(methods):
        tuned_s = 0.0 if method.endswith("ff") else 3.0 * (place + 1)
        rows += [_few_shot_time(method, shots, tuned_s * shots**0.5) for shots in T]
        rows.append(
            TimeRecord(
                method=method,
                T=None,
                phase="inference",
                median_s=0.03 + 0.05 * place,
                iqr_s=0.001,
                n=100,
                parts={"embedding_s": None, "fine_tuning_s": None, "data_s": None},
                memory_peak_mb=400.0,
            )
        )
    return rows


def _few_shot_time(method: str, T: int, fine_tuning_s: float) -> TimeRecord:
    embedding_s = 0.05 + 0.004 * T
    return TimeRecord(
        method=method,
        T=T,
        phase="few-shot",
        median_s=embedding_s + fine_tuning_s,
        iqr_s=0.02,
        n=100,
        parts={"embedding_s": embedding_s, "data_s": 0.01, "fine_tuning_s": fine_tuning_s},
        memory_peak_mb=812.0,
        note="random weights",
    )
