"""CLIP ViT-L/14@336 embeddings, with the preprocessing of CMMD."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.formula import FeatureNetwork
from thbench.weights import missing, weight_path, weight_sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS = "clip-vitl14-336"
SIZE_PX = 336
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
_NAME = "CLIP ViT-L/14@336"
_SETTINGS = {
    "layer": "projected class token, 768",
    "resize": f"Pillow bicubic to {SIZE_PX}x{SIZE_PX}, 8 bits",
    "input": "RGB, normalised as CLIP's",
    "batch": 16,
    "dtype": "float32",
}


def clip_features(images: Tensor, device: str) -> NDArray[np.float32]:
    """uint8 [N, 3, H, W] -> float32 [N, 768], not of length 1."""
    return embeddings(_official(weight_path(WEIGHTS), device), images)


def embeddings(network: nn.Module, images: Tensor) -> NDArray[np.float32]:
    """The embeddings of uint8 images [N, 3, H, W] -> float32 [N, E], not of length 1."""
    from thbench.metrics.network_input import batched, normalised, resized

    inputs = normalised(resized(images, SIZE_PX), MEAN, STD)
    return batched(network, list(inputs), len(network.get_parameter("visual_projection.weight")))


def official_network(weights: dict[str, Tensor], file: Path) -> nn.Module:
    """The image encoder with its part of the official file, which holds a text encoder too; raises
    `ThbenchError` where that is another network's.
    """
    from thbench.metrics.clip_net import ClipImageEncoder
    from thbench.metrics.network_input import with_weights

    used = {
        name: value
        for name, value in weights.items()
        if name.startswith(("vision_model.", "visual_projection."))
        and not name.endswith(".position_ids")  # the numbers from 0, in older files
    }
    return with_weights(ClipImageEncoder(), used, file)


def _spec() -> dict[str, Any]:
    return {"network": _NAME, "weights": weight_sha256(WEIGHTS), **_SETTINGS}


@lru_cache(maxsize=1)
def _official(file: Path, device: str) -> nn.Module:
    from thbench.weight_files import read_weights

    return official_network(read_weights(file), file).to(device)


CLIP = FeatureNetwork(_NAME, _SETTINGS, _spec, clip_features, partial(missing, WEIGHTS))
