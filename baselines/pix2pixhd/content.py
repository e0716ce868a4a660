"""Which perceptual network Pix2pixHD's content term looks through."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

from baselines.pix2pixhd.losses import VGGLoss
from thbench.errors import ThbenchError
from thbench.perceptual.content import ContentLoss, content_networks
from thbench.perceptual.vgg import VGG19, Unscaled, imagenet_vgg19, random_vgg

# vgg19: the authors' (torchvision's VGG-19), fed [-1, 1] without mean or scale. random: the same
# architecture with seeded weights. heads: the small network of the bundled 64-pixel models.
# none: no perceptual term (the authors' --no_vgg_loss).
Content = Literal["vgg19", "random", "heads", "none"]


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
        return VGGLoss(Unscaled(random_vgg(VGG19, seed=0, pooling="max"))).to(device)
    return VGGLoss(Unscaled(imagenet_vgg19("max"))).to(device)
