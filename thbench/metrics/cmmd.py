"""CMMD: the maximum mean discrepancy of CLIP embeddings (Jayasumana et al., CVPR 2024)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.base import MetricCard
from thbench.metrics.clip_features import CLIP
from thbench.metrics.formula import SetFormula
from thbench.metrics.mmd import Matrix, biased_mmd, gaussian
from thbench.metrics.statistics import Estimate

SIGMA = 10
SCALE = 1000  # CMMD is printed times 1000


def cmmd(device: str = "cpu") -> SetFormula:
    """Entry point: CMMD of the generated frames and the matched true ones.

    The estimator is the paper's and its authors' code's: the biased one, over all pairs. So it is 0
    for equal frames and never negative, and more than 0 between two sets of real frames; the
    real-vs-real row is its floor. Without that bias: `kid-clip`.
    """
    return SetFormula(_CARD, CLIP, cmmd_jackknife, device)


def cmmd_jackknife(
    generated: NDArray[Any],
    real: NDArray[Any],
    videos: NDArray[Any],
    clusters: NDArray[Any] | None = None,
) -> Estimate:
    """1000 MMD^2 of matched embeddings [N, D], each made of length 1, with its jackknife: see
    `biased_mmd`.
    """
    kernel = partial(gaussian, sigma=SIGMA)
    return biased_mmd(_unit(generated), _unit(real), videos, clusters, kernel, SCALE)


def _unit(embeddings: NDArray[Any]) -> Matrix:
    embeddings = np.asarray(embeddings, np.float64)
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.float64)


_CARD = MetricCard(
    name="cmmd",
    label="CMMD",
    higher_is_better=False,
    unit="10^-3",
    value_range="0 upwards, 0 for equal frames",
    formula=(
        "1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)) over all pairs, k(a, b) = "
        "exp(-|a - b|^2 / (2 sigma^2)), of CLIP embeddings of length 1"
    ),
    settings={
        **CLIP.settings,
        "sigma": SIGMA,
        "pairs": "all, each frame with itself among them (biased)",
        "uncertainty": "delete-one-video jackknife",
    },
    source="Jayasumana et al., CVPR 2024",
    policy="drop-pairwise",
    network=CLIP.name,
)
