"""LPIPS with AlexNet: torchmetrics' network and bundled linear weights, the backbone from the
weight registry.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from thbench import weights
from thbench.metrics.base import MetricCard
from thbench.metrics.formula import FrameFormula, Scores

if TYPE_CHECKING:
    from thbench.method import Frames

BACKBONE = "alexnet-imagenet"
BATCH = {"cpu": 16, "cuda": 128}


def lpips(device: str = "cpu") -> FrameFormula:
    """Entry point: learned perceptual distance between a generated frame and the true one."""

    def distances(generated: Tensor, real: Frames) -> Scores:
        network = _network(weights.weight_path(BACKBONE), device)
        return lpips_distances(network, generated, real.images)

    return FrameFormula(_CARD, distances, partial(weights.missing, BACKBONE))


def lpips_distances(network: nn.Module, a: Tensor, b: Tensor) -> NDArray[np.float64]:
    """The network's distance between matched uint8 [N, 3, H, W] -> float64 [N]."""
    device = next(network.parameters()).device
    distances = []
    batch = BATCH[device.type]
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        for x, y in zip(torch.split(a, batch), torch.split(b, batch), strict=True):
            distance = network(x.to(device).float() / 127.5 - 1, y.to(device).float() / 127.5 - 1)
            distances.append(distance.flatten().double().cpu().numpy())
    return np.concatenate(distances) if distances else np.empty(0)


def lpips_alex(alexnet: dict[str, Tensor]) -> nn.Module:
    """LPIPS 0.1 on an AlexNet given as torchvision's state_dict (`features.N.weight`, classifier
    not used).
    """
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    network: nn.Module = _NoTrainLpips(
        net="alex", pnet_rand=True
    )  # else it would download the backbone
    slices = network.net
    assert isinstance(slices, nn.Module)
    # slice2.3.weight <- features.3.weight
    slices.load_state_dict(
        {key: alexnet[f"features.{key.split('.', 1)[1]}"] for key in slices.state_dict()}
    )
    return network


@lru_cache(maxsize=1)
def _network(path: Path, device: str) -> nn.Module:
    return lpips_alex(torch.load(path, map_location="cpu", weights_only=True)).to(device)


_CARD = MetricCard(
    name="lpips",
    label="LPIPS",
    higher_is_better=False,
    unit="",
    value_range="0 upwards, 0 for equal frames",
    formula=(
        "sum over 5 layers of the spatial mean of w . (f(x) - f(y))^2 with channel-normalised "
        "features f"
    ),
    settings={
        "backbone": "AlexNet (ImageNet, torchvision)",
        "version": "0.1",
        "input": "RGB, [-1, 1]",
        "batch": BATCH,
        "dtype": "float32",
    },
    source="Zhang et al., CVPR 2018",
    policy="error",
    network="AlexNet",
)
