"""heads-net: the network of `csim-heads` and `fd-heads`, trained on synthetic heads and meaningful
on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from thbench.errors import ThbenchError

SIZE_PX, BATCH = 64, 64
EMBEDDING = 128
EXPRESSION = ("gaze_x", "gaze_y", "blink", "brows", "jaw", "smile", "pucker")
ASSET = Path(__file__).parents[1] / "assets" / "heads_net.safetensors"
_WIDTHS = (3, 24, 48, 96, 160)


class HeadsNet(nn.Module):
    """A small residual network: who it is (a unit vector), where the head points, what the face
    does.

    Trained by `tools/train_heads_net.py` on the training persons: identity with an ArcFace margin,
    pose and expression by regression. It takes part in no training loss of any method; the content
    loss has its own network (heads-VGG). Of the expression only the jaw is measured well at 64
    pixels; the numbers are in the JSON beside the weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_convolution(a, b, 2) for a, b in pairwise(_WIDTHS))
        self.keep = nn.ModuleList(_convolution(width, width, 1) for width in _WIDTHS[1:])
        cells = _WIDTHS[-1] * (SIZE_PX // 16) ** 2
        self.identity = nn.Linear(cells, EMBEDDING)
        self.state = nn.Linear(cells, 3 + len(EXPRESSION))

    def trunk(self, x: Tensor) -> Tensor:
        """float [N, 3, 64, 64] in [-1, 1] -> [N, 2560] >= 0."""
        for down, keep in zip(self.down, self.keep, strict=True):
            x = F.relu(down(x))
            x = x + F.relu(keep(x))
        return x.flatten(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float [N, 3, 64, 64] in [-1, 1] -> identity [N, 128] of length 1, pose [N, 3] (yaw,
        pitch, roll in degrees), expression [N, 7] in the order of `EXPRESSION`, 0..1 (gaze and
        brows -1..1).
        """
        return self.heads(self.trunk(x))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The trunk's features [N, 2560] -> what `forward` returns."""
        state = self.state(features)
        return F.normalize(self.identity(features)), state[:, :3] * 15, state[:, 3:]


def load_heads_net(path: Path = ASSET) -> HeadsNet:
    """The bundled network, float32 on the CPU; raises `ThbenchError` when the file is missing or
    another network's.
    """
    network = HeadsNet()
    try:
        unused = {
            name: value
            for name, value in network.state_dict().items()
            if not value.is_floating_point()
        }
        network.load_state_dict(
            {name: value.float() for name, value in load_file(path).items()} | unused
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ThbenchError(
            f"{path} is not the heads-net network: {str(error).splitlines()[0]}; "
            "install thbench again"
        ) from error
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Measured:
    """What heads-net sees in N frames, float32 on the CPU: identity [N, 128] of length 1, pose [N,
    3] (yaw, pitch, roll in degrees), expression [N, 7] in the order of `EXPRESSION`, texture [N,
    160], the mean of its last maps.
    """

    identity: Tensor
    pose: Tensor
    expression: Tensor
    texture: Tensor


def measure(images: Tensor, device: str = "cpu") -> Measured:
    """uint8 [N, 3, H, W] of any size; frames of another size than 64 are resized by area average.

    Batches are of one size, so that a frame's numbers do not depend on how many are measured with
    it.
    """
    network, parts = _network(device), []
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
        for batch in torch.split(images, BATCH):
            x = batch.to(device).float() / 127.5 - 1
            if x.shape[-2:] != (SIZE_PX, SIZE_PX):
                x = F.interpolate(x, (SIZE_PX, SIZE_PX), mode="area")
            filled = torch.cat([x, x.new_zeros(BATCH - len(x), *x.shape[1:])])
            features = network.trunk(filled)
            outputs = (*network.heads(features), features.reshape(BATCH, _WIDTHS[-1], -1).mean(-1))
            parts.append([output[: len(batch)].cpu() for output in outputs])
    return Measured(*(torch.cat(column) for column in zip(*parts, strict=True)))


@lru_cache(maxsize=4)
def _network(device: str) -> HeadsNet:
    return load_heads_net().to(device)


def _convolution(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
    )
