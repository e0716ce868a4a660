"""Identity and realism on synthetic heads, through a network trained on them: CSIM-heads and
FD-heads.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from thbench.files import sha256_file
from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FeatureNetwork, IdentityFormula, Scores, SetFormula
from thbench.metrics.frame_cache import FrameCache
from thbench.metrics.frechet import FORMULA, SETTINGS, frechet_estimate

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

_NETWORK = "heads-net (synthetic heads)"
_SETTINGS = {
    "input": "the whole frame at 64x64, no detection, no alignment",
    "batch": 64,
    "dtype": "float32",
}
_SOURCE = (
    "tools/train_heads_net.py: 400 synthetic training persons, ArcFace margin; no method is "
    "trained with it"
)


def csim_heads(device: str = "cpu") -> IdentityFormula:
    """Entry point: cosine similarity of heads-net's identity vectors.

    It means something on the synthetic heads that the network was trained for, and is never printed
    as CSIM. It cannot fail on a frame: nothing is detected.
    """

    def identity(frames: Frames) -> NDArray[np.float64]:
        return _seen(frames.images, device).identity.astype(np.float64)

    def to_true(generated: Frames, true: Frames) -> Scores:
        return np.asarray((identity(generated) * identity(true)).sum(1))

    def to_shots(generated: Frames, shots: Frames) -> Scores:
        return np.asarray(identity(generated) @ identity(shots).mean(0))

    return IdentityFormula(_CSIM_CARD, to_true, to_shots)


def fd_heads(device: str = "cpu") -> SetFormula:
    """Entry point: Frechet distance between heads-net's features, the place of FID on synthetic
    heads.

    160 dimensions, so that 256 frames already give covariances of full rank. It is never printed as
    FID.
    """
    return SetFormula(_FD_CARD, HEADS, frechet_estimate, device)


def _feature_spec() -> dict[str, Any]:
    from thbench.metrics.heads_net import ASSET

    return {
        "network": _NETWORK,
        "weights": sha256_file(ASSET),
        "layer": "mean of the last maps, 160",
        **_SETTINGS,
    }


def _textures(images: Tensor, device: str) -> NDArray[np.float32]:
    """uint8 [N, 3, H, W] -> float32 [N, 160]."""
    return _seen(images, device).texture


class _Seen(NamedTuple):
    """What heads-net sees in N frames: identity [N, 128] and texture [N, 160]."""

    identity: NDArray[np.float32]
    texture: NDArray[np.float32]


def _seen(images: Tensor, device: str) -> _Seen:
    """Of frames uint8 [N, 3, H, W], each looked at once: both metrics ask for it, and for a true
    one with every method.
    """
    from thbench.metrics.heads_net import EMBEDDING, measure

    def compute(frames: list[int]) -> NDArray[np.float32]:
        measured = measure(images[frames], device)
        return np.concatenate([measured.identity.numpy(), measured.texture.numpy()], axis=1)

    rows = _cache(device).rows((images.numpy(),), compute)
    return _Seen(rows[:, :EMBEDDING], rows[:, EMBEDDING:])


@lru_cache(maxsize=4)
def _cache(device: str) -> FrameCache:
    return FrameCache()


HEADS = FeatureNetwork(
    _NETWORK,
    _SETTINGS,
    _feature_spec,
    _textures,
    valid_on="synthetic heads",
)
_CSIM_CARD = MetricCard(
    name="csim-heads",
    label="CSIM (heads)",
    higher_is_better=True,
    unit="",
    value_range="-1 to 1, 1 for equal frames",
    settings=_SETTINGS,
    source=_SOURCE,
    formula="cos(f(x), f(y)) with f = the identity vector of heads-net, 128-d",
    policy="error",
    network=_NETWORK,
    stand_in=True,
    compares="identity",
    valid_on="synthetic heads",
)
_FD_CARD = MetricCard(
    name="fd-heads",
    label="FD (heads)",
    higher_is_better=False,
    unit="",
    value_range="0 upwards, 0 for equal frames",
    formula=f"{FORMULA} of heads-net's mean last maps, 160-d",
    settings={**_SETTINGS, **SETTINGS},
    source=_SOURCE,
    policy="drop-pairwise",
    network=_NETWORK,
    stand_in=True,
    valid_on="synthetic heads",
)
