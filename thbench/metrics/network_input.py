"""From stored frames to what pretrained networks look at, and their official files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from thbench.errors import ThbenchError

BATCH = 16


def batched(
    network: nn.Module, inputs: Sequence[Tensor], outputs: int, size: int = BATCH
) -> NDArray[np.float32]:
    """The network's outputs [N, D], float32, of N inputs in batches of `size`."""
    device = next(network.parameters()).device
    rows = [np.empty((0, outputs), np.float32)]
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        for start in range(0, len(inputs), size):
            batch = torch.stack(list(inputs[start : start + size])).to(device)
            rows.append(network(batch).float().cpu().numpy())
    return np.concatenate(rows)


def resized(images: Tensor, size_px: int) -> Tensor:
    """uint8 [N, 3, H, W] -> float32 [N, 3, S, S] in [0, 1] by Pillow's bicubic filter, which
    smooths where it makes smaller, rounded to 8 bits.
    """
    smaller = [
        np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BICUBIC))
        for image in images.permute(0, 2, 3, 1).numpy()
    ]
    if not smaller:
        return torch.empty(0, 3, size_px, size_px)
    return torch.from_numpy(np.stack(smaller)).permute(0, 3, 1, 2).float() / 255


def normalised(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """[N, 3, H, W], channel by channel (x - mean) / std."""
    return (images - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def with_weights(network: nn.Module, weights: Mapping[str, Tensor], file: Path) -> nn.Module:
    """The network with the weights of its official file, in evaluation mode.

    Raises `ThbenchError` naming the file where names or shapes are not those of the network.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ThbenchError(
            f"{file} does not hold the weights of this network ({reason[:200]}): delete it and "
            "fetch it again"
        ) from error
    return network.eval().requires_grad_(False)
