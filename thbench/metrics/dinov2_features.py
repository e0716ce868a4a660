"""DINOv2 ViT-L/14 features, with the preprocessing of dgm-eval."""

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

WEIGHTS = "dinov2-vitl14"
SIZE_PX = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NAME = "DINOv2 ViT-L/14"
_SETTINGS = {
    "layer": "normalised class token, 1024",
    "resize": f"Pillow bicubic to {SIZE_PX}x{SIZE_PX}, 8 bits",
    "input": "RGB, normalised as on ImageNet",
    "batch": 16,
    "dtype": "float32",
}


def dinov2_features(images: Tensor, device: str) -> NDArray[np.float32]:
    """uint8 [N, 3, H, W] -> float32 [N, 1024]."""
    return class_tokens(_official(weight_path(WEIGHTS), device), images)


def class_tokens(network: nn.Module, images: Tensor) -> NDArray[np.float32]:
    """The class tokens of uint8 images [N, 3, H, W] -> float32 [N, D]."""
    from thbench.metrics.network_input import batched, normalised, resized

    inputs = normalised(resized(images, SIZE_PX), MEAN, STD)
    return batched(network, list(inputs), network.get_parameter("norm.weight").numel())


def official_network(weights: dict[str, Tensor], file: Path) -> nn.Module:
    """The network with the content of the official file; raises `ThbenchError` where that is
    another network's.
    """
    from thbench.metrics.dinov2_net import Dinov2
    from thbench.metrics.network_input import with_weights

    used = {name: value for name, value in weights.items() if name != "mask_token"}
    return with_weights(Dinov2(), used, file)


def _spec() -> dict[str, Any]:
    return {"network": _NAME, "weights": weight_sha256(WEIGHTS), **_SETTINGS}


@lru_cache(maxsize=1)
def _official(file: Path, device: str) -> nn.Module:
    from thbench.weight_files import read_weights

    return official_network(read_weights(file), file).to(device)


DINOV2 = FeatureNetwork(_NAME, _SETTINGS, _spec, dinov2_features, partial(missing, WEIGHTS))
