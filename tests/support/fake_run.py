"""Run folders for the tests of reports/: the real format and plausible numbers, without any
network.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from thbench.files import sha256_file, sha256_json, write_json
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
METRICS: dict[str, dict[str, Any]] = {
    "fid": {
        "label": "FID",
        "higher_is_better": False,
        "unit": "",
        "network": "Inception-v3 (pytorch-fid)",
        "stand_in": False,
        "policy": "error",
        "description": "Frechet distance to the matched hold-out frames",
    },
    "ssim": {
        "label": "SSIM",
        "higher_is_better": True,
        "unit": "",
        "network": None,
        "stand_in": False,
        "policy": "error",
        "description": "structural similarity",
    },
    "csim": {
        "label": "CSIM",
        "higher_is_better": True,
        "unit": "",
        "network": "ArcFace (insightface)",
        "stand_in": False,
        "policy": "drop-pairwise",
        "description": "cosine similarity of face embeddings",
    },
    "csim-dlib": {
        "label": "CSIM-dlib",
        "higher_is_better": True,
        "unit": "",
        "network": "dlib face ResNet",
        "stand_in": True,
        "policy": "drop-pairwise",
        "description": "cosine similarity, dlib network",
    },
    "akd": {
        "label": "AKD",
        "higher_is_better": False,
        "unit": "px",
        "network": "dlib 68 points",
        "stand_in": False,
        "policy": "drop-pairwise",
        "description": "mean landmark distance",
    },
}
PER_FRAME = ("ssim", "csim-dlib", "akd", "csim")
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
        write_json(run.timing_json, _timing(list(methods), T))
    if study:
        write_json(
            run.study_json,
            {
                "rows": [
                    {
                        "method": method,
                        "T": shots,
                        "value": 0.8 - 0.1 * k - 0.002 * shots,
                        "se": 0.02,
                        "ci95": [0.76 - 0.1 * k - 0.002 * shots, 0.84 - 0.1 * k - 0.002 * shots],
                        "n": 1600,
                        "p_one_third": 0.001,
                    }
                    for k, method in enumerate(methods)
                    for shots in T
                ]
            },
        )
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
    write_json(
        path / "study.json",
        {
            "rows": [
                {
                    "method": method,
                    "T": T,
                    "value": row["user"],
                    "se": None,
                    "ci95": None,
                    "n": 1600,
                    "p_one_third": None,
                }
                for (method, T), row in values.items()
            ]
        },
    )
    if times:
        write_json(
            path / "timing.json",
            {
                "hardware": {"processor": "Intel Xeon", "gpus": ["NVIDIA P40"]},
                "rows": [
                    {
                        "method": method,
                        "T": T,
                        "phase": "few-shot" if T else "inference",
                        "median_s": time_s,
                        "iqr_s": None,
                        "n": 100,
                        "parts": {},
                        "memory_peak_mb": None,
                        "note": "",
                    }
                    for (method, T), time_s in times.items()
                ],
            },
        )
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
    info = run.info()
    pictures = _pictures(len(info["split"]["videos"]), size_px)
    if images:
        for index, video in enumerate(info["split"]["videos"]):
            key = f"{video['person']}/{video['video']}"
            _save(
                run.real_folder(key),
                [_moved(pictures[index], i) for i in range(len(video["holdout"]))],
            )
            _save(
                run.shots_folder(key),
                [_moved(pictures[index], -i) for i in range(len(video["shots"]))],
            )
    units = list(run.planned())
    if status != "complete":
        units = units[: len(units) // 2]
    failed = set(units[:failed_units])
    videos = [f"{v['person']}/{v['video']}" for v in info["split"]["videos"]]
    for unit in units:
        if unit in failed:
            run.commit_unit(unit, UnitResult("failed", "ValueError: no face <b>found</b> & lost"))
            continue
        folder, blur = (
            run.unit_folder(unit),
            2.5 / (1 + np.log2(unit.T)) + zlib.crc32(unit.method.encode()) % 3,
        )
        if images:
            source = pictures[videos.index(unit.video)].filter(
                ImageFilter.GaussianBlur(float(blur))
            )
            _save(folder, [_moved(source, i) for i in range(info["split"]["holdout"])])
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
    return [
        Image.fromarray(
            np.stack(
                [
                    np.add.outer(ramp, ramp) / 2,
                    np.tile(ramp, (size_px, 1)),
                    np.full((size_px, size_px), 255 * index / n),
                ],
                -1,
            ).astype(np.uint8)
        )
        for index in range(n)
    ]


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
    video_effect = rng.normal(0, 0.02, len(info["split"]["videos"]))
    frames: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for method, T in [(REAL, 0)] + [(m, T) for m in info["methods"] for T in info["T"]]:
        kept = []
        for index, video in enumerate(info["split"]["videos"]):
            lost = Unit(method, T, f"{video['person']}/{video['video']}") in failed
            for position, name in enumerate(video["holdout_names"]):
                per_frame = {
                    metric: _frame_score(scores, method, T, metric, video_effect[index], rng)
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
            if not lost:
                kept.append(index)
        n_frames = len(kept) * info["split"]["holdout"]
        n_lost = (len(info["split"]["videos"]) - len(kept)) * info["split"]["holdout"]
        rows.append(
            {
                "method": method,
                "T": T,
                "n_videos": len(kept),
                "n_frames": n_frames,
                "n_failed_units": len(info["split"]["videos"]) - len(kept),
                "metrics": {
                    metric: _score(scores, method, T, metric, n_frames, n_lost, absent.get(metric))
                    for metric in METRICS
                },
            }
        )
    pd.DataFrame(frames).to_parquet(run.frames_parquet)
    write_json(
        run.summary_json,
        {
            "format": FORMAT,
            "metrics": METRICS,
            "rows": rows,
            "differences": _differences(info, scores, absent),
        },
    )


def _frame_score(
    scores: Scores, method: str, T: int, metric: str, effect: float, rng: np.random.Generator
) -> float:
    value = _floor(metric) if method == REAL else scores(method, T, metric)
    return float("nan") if value is None else float(value + effect + rng.normal(0, 0.01))


def _floor(metric: str) -> float:
    return {"fid": 4.5, "ssim": 0.6, "csim": 0.7, "csim-dlib": 0.95, "akd": 0.5}[metric]


def _score(
    scores: Scores, method: str, T: int, metric: str, n: int, n_lost: int, reason: str | None
) -> dict[str, Any]:
    value = (
        None
        if reason is not None or n == 0
        else _floor(metric)
        if method == REAL
        else scores(method, T, metric)
    )
    if value is None:
        return {
            "value": None,
            "se": None,
            "ci95": None,
            "n": 0,
            "n_failed": n,
            "reason": reason or "no frame left",
        }
    se, missed = 0.02 * abs(value), 1 if metric == "akd" else 0
    return {
        "value": value,
        "se": se,
        "ci95": [value - 2 * se, value + 2 * se],
        "n": n - missed,
        "n_failed": n_lost + missed,
        "reason": None,
    }


def _differences(
    info: Mapping[str, Any], scores: Scores, absent: Mapping[str, str]
) -> list[dict[str, Any]]:
    labels, rows = list(info["methods"]), []
    for metric in METRICS:
        for T in info["T"]:
            for i, a in enumerate(labels):
                for b in labels[i + 1 :]:
                    first, second = scores(a, T, metric), scores(b, T, metric)
                    if metric in absent or first is None or second is None:
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


def _timing(methods: Sequence[str], T: Sequence[int]) -> dict[str, Any]:
    rows = []
    for k, method in enumerate(methods):
        tuned = 0.0 if method.endswith("ff") else 3.0 * (k + 1)
        for shots in T:
            embedding = 0.05 + 0.004 * shots
            rows.append(
                {
                    "method": method,
                    "T": shots,
                    "phase": "few-shot",
                    "median_s": embedding + tuned * shots**0.5,
                    "iqr_s": 0.02,
                    "n": 100,
                    "parts": {
                        "embedding_s": embedding,
                        "data_s": 0.01,
                        "fine_tuning_s": tuned * shots**0.5,
                    },
                    "memory_peak_mb": 812.0,
                    "note": "random weights",
                }
            )
        rows.append(
            {
                "method": method,
                "T": None,
                "phase": "inference",
                "median_s": 0.03 + 0.05 * k,
                "iqr_s": 0.001,
                "n": 100,
                "parts": {"embedding_s": None, "fine_tuning_s": None, "data_s": None},
                "memory_peak_mb": 400.0,
                "note": "",
            }
        )
    return {"hardware": {"processor": "AMD EPYC", "cores": 2, "gpus": []}, "rows": rows}
