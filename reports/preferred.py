"""Which metrics stand for a run where not all of them are shown, and how reports print them.

A run describes its metrics itself, stand-ins too; here is only what a card does not say: which
columns the paper has, and which metric of single frames tells most about a head.
"""

from __future__ import annotations

from collections.abc import Mapping

from thbench.records.scores import Metric

TABLE1 = ("fid", "ssim", "csim")  # the columns of the paper's Table 1, but for USER
IDENTITY = "csim"  # its stand-ins are named after it: csim-dlib, csim-heads
DEFAULT_PICK = "ssim"  # picks the rows of a figure where the protocol names no metric
NEEDS_A_FACE = (
    "csim-dlib",
    "akd",
    "nme",
    "head-pose",
    "ear",
    "mar",
    "jaw",
)  # they have no value where they find no face
DECIMALS: Mapping[str, int] = {
    "fid": 1,
    "fd-dinov2": 1,
    "fvd-16": 1,
    "cmmd": 3,
    "psnr": 1,
    "l1": 3,
    "lpips": 3,
    "nme": 3,
    "flicker": 3,
    "black-border": 3,
    "identity-error": 3,
    "head-pose": 1,
    "yaw-error": 1,
    "pitch-error": 1,
    "roll-error": 1,
    "ear": 3,
    "mar": 3,
    "jaw": 3,
    "aed-mediapipe": 3,
    "apd-mediapipe": 1,
}


def headline(metrics: Mapping[str, Metric]) -> list[str]:
    """The metrics of Table 1 that a run holds, then their stand-ins."""
    paper = [name for name in TABLE1 if name in metrics]
    return [*paper, *stand_ins(metrics)]


def stand_ins(metrics: Mapping[str, Metric]) -> list[str]:
    """The metrics that take the place of one whose official network is missing."""
    return [name for name, metric in metrics.items() if metric.stand_in]


def judges(metrics: Mapping[str, Metric]) -> list[str]:
    """Metrics of single frames, the most telling first: identity, then similarity to the truth."""
    found = headline(metrics)
    identity = [name for name in found if name.partition("-")[0] == IDENTITY]
    return [*identity, *(name for name in found if name == DEFAULT_PICK)]


def decimals(metric: str) -> int:
    """Digits after the point in tables."""
    return DECIMALS.get(metric, 2)
