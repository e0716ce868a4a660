"""heads-VGG: the perceptual network of the bundled 64-pixel models, a thin VGG trained on synthetic
heads.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from thbench.errors import ThbenchError

STAGES = ((16, 16), (32, 32), (64, 64), (128, 128), (128,))
ASSET = Path(__file__).parents[1] / "assets" / "heads_vgg.safetensors"


class HeadsVGG(nn.Module):
    """Five stages of 3x3 convolutions with ReLU, average pooling between them; frozen.

    Trained by `tools/train_heads_net.py` to name what the renderer drew and to find landmarks. It
    takes part in training losses only; the metric network `heads-net` is another one. `scale`
    divides each feature map by its mean over synthetic heads, so that every map weighs the same in
    an L1 content loss.
    """

    def __init__(self) -> None:
        super().__init__()
        channels = [3, *(width for stage in STAGES for width in stage)]
        convolutions = [nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(channels)]
        self.stages = nn.ModuleList()
        for stage in STAGES:
            self.stages.append(nn.ModuleList(convolutions[: len(stage)]))
            del convolutions[: len(stage)]
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(len(STAGES)))
        self.requires_grad_(False)
        self.eval()

    def forward(self, x: Tensor) -> list[Tensor]:
        """float [N, 3, H, W] RGB in [-1, 1], H and W at least 16 -> five feature maps >= 0, each of
        mean 1 on heads: [N, 16, H, W], [N, 32, H/2, W/2], [N, 64, H/4, W/4], [N, 128, H/8, W/8],
        [N, 128, H/16, W/16].
        """
        features = []
        for number, stage in enumerate(self.stages):
            if number:
                x = F.avg_pool2d(x, 2)
            assert isinstance(stage, nn.ModuleList)
            for convolution in stage:
                x = F.relu(convolution(x))
            features.append(x * self.scale[number])
        return features


def load_heads_vgg(path: Path = ASSET) -> HeadsVGG:
    """The bundled network, float32 on the CPU; raises `ThbenchError` when the file is missing or
    another network's.
    """
    network = HeadsVGG()
    try:
        network.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    except (OSError, RuntimeError, ValueError) as error:
        raise ThbenchError(
            f"{path} is not the heads-VGG network: {str(error).splitlines()[0]}; "
            "install thbench again"
        ) from error
    return network
