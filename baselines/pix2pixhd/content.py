"""Which perceptual network Pix2pixHD's content term looks through."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from baselines.pix2pixhd.losses import VGGLoss
from thbench.errors import ThbenchError
from thbench.perceptual.content import ContentLoss, content_networks
from thbench.perceptual.vgg import VGG19, VGGFeatures, caffe_state, random_vgg
from thbench.weight_files import read_weights
from thbench.weights import weight_path

# vgg19: the authors' (torchvision's VGG-19). random: the same architecture with seeded weights.
# heads: the small network of the bundled 64-pixel models. none: no perceptual term (the authors'
# --no_vgg_loss).
Content = Literal["vgg19", "random", "heads", "none"]

# The authors feed [-1, 1] without mean or scale.
_PLAN = replace(VGG19, name="torchvision's VGG19", mean=(0.0, 0.0, 0.0), bgr=False)


def content_loss(content: Content, device: torch.device) -> nn.Module | None:
    """The perceptual loss of (fake, real), or None for "none".

    Raises `ThbenchError` naming the file and the command that fetches it when the weights of
    "vgg19" are missing.
    """
    known = get_args(Content)
    if content not in known:
        raise ThbenchError(
            f"content = {content!r} is unknown to pix2pixhd; known are {', '.join(known)}"
        )
    if content == "none":
        return None
    if content == "heads":
        return ContentLoss(content_networks("heads", device))
    if content == "random":
        return VGGLoss(_Signed(random_vgg(_PLAN, seed=0, pooling="max"))).to(device)
    vgg = VGGFeatures(_PLAN, pooling="max")
    vgg.layers.load_state_dict(caffe_state(_PLAN, read_weights(weight_path("vgg19-imagenet"))))
    return VGGLoss(_Signed(vgg)).to(device)


class _Signed(nn.Module):
    """Hands images in [-1, 1] unscaled to a network that scales them to 0..255 itself."""

    def __init__(self, network: VGGFeatures) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.network(images / 127.5 - 1)
        return maps
