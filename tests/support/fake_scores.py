"""Made-up scores of a run: plausible numbers for every frame, method and T, and their summary."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from thbench.files import write_json
from thbench.records.run import RunRecord
from thbench.records.summary import MetricRecord, ScoreRecord
from thbench.runs import FORMAT, REAL, Run, Unit

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


def plausible(seed: int, shift: float) -> Scores:
    """Scores that tell methods apart and get better with T."""

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


def write_scores(run: Run, failed: set[Unit], absent: Mapping[str, str], scores: Scores) -> None:
    """Writes frames.parquet and summary.json; see `make_run` for `absent`."""
    record = run.record()
    rng = np.random.default_rng(record.split.seed)
    videos, holdout = record.split.videos, record.split.holdout
    video_effect = rng.normal(0, 0.02, len(videos))
    frames: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []

    for method, T in [(REAL, 0)] + [(m, T) for m in record.methods for T in record.T]:
        n_kept = 0
        for video, effect in zip(videos, video_effect, strict=True):
            lost = Unit(method, T, video.key) in failed
            n_kept += not lost
            for position, name in enumerate(video.holdout_names):
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
                        "person": video.person,
                        "video": video.video,
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
        "differences": _differences(record, scores, absent),
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
    record: RunRecord, scores: Scores, absent: Mapping[str, str]
) -> list[dict[str, Any]]:
    rows = []
    computed = [metric for metric in METRICS if metric not in absent]
    pairs = list(combinations(record.methods, 2))

    for metric, T, (a, b) in product(computed, record.T, pairs):
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
