"""FVD: the Frechet distance of I3D's features of clips (Unterthiner et al. 2018)."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FeatureNetwork, SetFormula
from thbench.metrics.frechet import FORMULA, SETTINGS, frechet_estimate
from thbench.weights import missing, weight_path, weight_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "i3d-kinetics400"
CLIP_FRAMES = 16
_BATCH = 4  # clips
_NAME = "I3D (Kinetics-400)"
_SETTINGS = {
    "layer": "logits, 400, averaged over time",
    "clip": f"{CLIP_FRAMES} frames that follow each other; what fills no clip is left out",
    "resize": "bilinear to 224x224, no antialiasing",
    "input": "RGB, [-1, 1]",
    "batch": _BATCH,
    "dtype": "float32",
}


def fvd_16(device: str = "cpu") -> SetFormula:
    """Entry point: Frechet distance between I3D's features of generated and true clips of 16
    frames.

    FVD changes with the length of the clips and with their number, so the column's heading has
    both: FVD-16x100 is over 100 clips. It ranks methods on the same clips; the real-vs-real row,
    other clips of the same videos, is its floor.
    """
    return SetFormula(_CARD, I3D_CLIPS, frechet_estimate, device)


def clip_features(images: Tensor, device: str) -> NDArray[np.float32]:
    """The frames of one video in time order, uint8 [N, 3, H, W] -> float32 [N // 16, 400]."""
    return logits(_official(weight_path(WEIGHTS), device), images)


def logits(network: nn.Module, images: Tensor) -> NDArray[np.float32]:
    """The network's logits of each 16 of the frames, uint8 [N, 3, H, W] -> float32 [N // 16,
    400].
    """
    from thbench.metrics.i3d_net import CLASSES
    from thbench.metrics.network_input import batched

    starts = range(0, len(images) - CLIP_FRAMES + 1, CLIP_FRAMES)
    clips = [_input(images[start : start + CLIP_FRAMES]) for start in starts]
    return batched(network, clips, CLASSES, _BATCH)


def official_network(weights: dict[str, Tensor], file: Path) -> nn.Module:
    """The network with the content of the file; raises `ThbenchError` where that is another
    network's.
    """
    from thbench.metrics.i3d_net import I3D
    from thbench.metrics.network_input import with_weights

    return with_weights(I3D(), weights, file)


def _input(clip: Tensor) -> Tensor:
    """uint8 [T, 3, H, W] -> float32 [3, T, 224, 224] in [-1, 1]."""
    from torch.nn.functional import interpolate

    from thbench.metrics.i3d_net import SIZE_PX

    frames = interpolate(clip.float(), (SIZE_PX, SIZE_PX), mode="bilinear", align_corners=False)
    return frames.transpose(0, 1) * 2 / 255 - 1


def _spec() -> dict[str, Any]:
    return {"network": _NAME, "weights": weight_sha256(WEIGHTS), **_SETTINGS}


@lru_cache(maxsize=1)
def _official(file: Path, device: str) -> nn.Module:
    from thbench.weight_files import read_weights

    return official_network(read_weights(file), file).to(device)


I3D_CLIPS = FeatureNetwork(_NAME, _SETTINGS, _spec, clip_features, partial(missing, WEIGHTS))

_CARD = MetricCard(
    name="fvd-16",
    label="FVD-16",
    higher_is_better=False,
    unit="",
    value_range="0 upwards, 0 for equal clips",
    formula=f"{FORMULA} of the I3D features of generated and true clips",
    settings={**_SETTINGS, **SETTINGS},
    source="Unterthiner et al. 2018; network and preprocessing of cd-fvd",
    policy="drop-pairwise",
    network=_NAME,
    clip_frames=CLIP_FRAMES,
)
