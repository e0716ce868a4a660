"""The smallest run.json that is one: for tests of what reads a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def run_info(method: str, videos: Sequence[str], holdout: int) -> dict[str, Any]:
    """A finished self-reenactment at T = 1 of one person's videos, `holdout` frames of each."""
    frames = list(range(holdout))
    drawn = [
        {
            "person": "p",
            "video": video,
            "shots": [holdout],
            "holdout": frames,
            "floor": frames,
            "shot_names": ["shot"],
            "holdout_names": [str(frame) for frame in frames],
            "others": None,
        }
        for video in videos
    ]
    return {
        "format": 1,
        "status": "complete",
        "git_commit": None,
        "device": "cpu",
        "partial": False,
        "metrics": [],
        "versions": {},
        "hardware": {},
        "created_utc": "2026-11-24T20:00:00Z",
        "T": [1],
        "protocol": {
            "name": "mine",
            "kind": "self-reenactment",
            "sha256": "0" * 64,
            "definition": {},
        },
        "dataset": {"name": "mine", "sha256": "1" * 64, "size_px": 64, "label": "mine", "spec": ""},
        "methods": {
            method: {
                "spec": method,
                "drives_with": "landmarks",
                "config": {},
                "settings": {},
                "checkpoint": None,
                "notes": [],
            }
        },
        "split": {
            "seed": 0,
            "dataset_sha256": "1" * 64,
            "shots": 1,
            "holdout": holdout,
            "videos": drawn,
        },
    }
