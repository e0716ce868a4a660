"""The Inception network of FID and KID: pytorch-fid's graph with the official weight file, which it
does not fetch.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from thbench.metrics.formula import FeatureNetwork
from thbench.weights import missing, weight_path, weight_sha256

WEIGHTS = "fid-inception"
INCEPTION_NAME = "Inception-v3 (2015-12-05)"
BATCH = {"cpu": 16, "cuda": 256}
SETTINGS = {
    "layer": "pool3, 2048",
    "resize": "bilinear to 299x299, half-pixel grid, no antialiasing",
    "input": "RGB, [0, 1] to [-1, 1]",
    "batch": BATCH,
    "dtype": "float32",
}


def feature_spec() -> dict[str, Any]:
    """What decides the features besides the frames."""
    return {"network": "pytorch-fid inception", "weights": weight_sha256(WEIGHTS), **SETTINGS}


def inception_features(images: Tensor, device: str) -> NDArray[np.float32]:
    """uint8 [N, 3, H, W] -> float32 [N, 2048]; channels_last, which is 1.5 to 2 times as fast on a
    CPU.
    """
    return pool3_features(_official(weight_path(WEIGHTS), device), images)


def pool3_features(network: nn.Module, images: Tensor) -> NDArray[np.float32]:
    """The network's pool3 features of uint8 images, in batches of one size whatever N is."""
    device = next(network.parameters()).device
    batches = []
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        for batch in torch.split(images, BATCH[device.type]):
            x = batch.to(device).float().div(255).contiguous(memory_format=torch.channels_last)
            batches.append(network(x)[0].flatten(1).float().cpu().numpy())
    return np.concatenate(batches) if batches else np.empty((0, 2048), np.float32)


def fid_inception(state: dict[str, Tensor]) -> nn.Module:
    """pytorch-fid's InceptionV3 up to pool3 with the given weights, in evaluation mode."""
    from pytorch_fid import inception

    # Its constructor downloads; the one name it downloads through is exchanged while it runs.
    download = inception.load_state_dict_from_url
    inception.load_state_dict_from_url = lambda *_, **__: state
    try:
        network: nn.Module = inception.InceptionV3((3,))
    finally:
        inception.load_state_dict_from_url = download
    return network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@lru_cache(maxsize=1)
def _official(path: Path, device: str) -> nn.Module:
    return fid_inception(torch.load(path, map_location="cpu", weights_only=True)).to(device)


INCEPTION = FeatureNetwork(
    INCEPTION_NAME, SETTINGS, feature_spec, inception_features, partial(missing, WEIGHTS)
)
