"""KID with the features of any network, for frames that come in clusters: pairs of frames of one
video are left out of all three kernel sums.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from thbench.metrics.base import MetricCard
from thbench.metrics.clip_features import CLIP
from thbench.metrics.dinov2_features import DINOV2
from thbench.metrics.formula import FeatureNetwork, SetFormula
from thbench.metrics.heads import HEADS
from thbench.metrics.inception import INCEPTION
from thbench.metrics.mmd import polynomial, unbiased_mmd
from thbench.metrics.statistics import Estimate

SCALE = 1000  # KID is printed times 1000


def kid(device: str = "cpu") -> SetFormula:
    """Entry point: kernel Inception distance with same-video pairs excluded, times 1000.

    The usual estimator is unbiased for independent frames only: for several frames per video it is
    far from 0 even between two sets of real frames. It can be negative, as any unbiased estimator
    of a squared distance.
    """
    return _kid("kid", "KID", INCEPTION, device)


def kid_dinov2(device: str = "cpu") -> SetFormula:
    """Entry point: `kid` with the features of DINOv2."""
    return _kid("kid-dinov2", "KID (DINOv2)", DINOV2, device)


def kid_clip(device: str = "cpu") -> SetFormula:
    """Entry point: `kid` with the embeddings of CLIP, as long as the network makes them."""
    return _kid("kid-clip", "KID (CLIP)", CLIP, device)


def kid_heads(device: str = "cpu") -> SetFormula:
    """Entry point: `kid` with the features of heads-net, which means something on synthetic heads
    only.
    """
    return _kid("kid-heads", "KID (heads)", HEADS, device)


def kid_jackknife(
    generated: NDArray[Any],
    real: NDArray[Any],
    videos: NDArray[Any],
    clusters: NDArray[Any] | None = None,
) -> Estimate:
    """1000 KID of matched sets [N, D] with its jackknife: see `unbiased_mmd`."""
    return unbiased_mmd(generated, real, videos, clusters, polynomial, SCALE)


def _kid(name: str, label: str, network: FeatureNetwork, device: str) -> SetFormula:
    card = MetricCard(
        name=name,
        label=label,
        higher_is_better=False,
        unit="10^-3",
        value_range="0 upwards on average, single values can be negative",
        formula=(
            "1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)) over all pairs from different "
            "videos, k(a, b) = (a.b / D + 1)^3"
        ),
        settings={
            **network.settings,
            "pairs": "all, same-video pairs excluded",
            "subsets": "none",
            "uncertainty": "delete-one-video jackknife",
        },
        source="Binkowski et al., ICLR 2018; pairs as the clusters demand",
        policy="drop-pairwise",
        network=network.name,
        valid_on=network.valid_on,
    )
    return SetFormula(card, network, kid_jackknife, device)
