"""The fixed networks of the content loss (section 3.3): VGG19 and VGGFace, five post-ReLU feature
maps of each.

Both were trained in Caffe: pixels 0..255, mean subtracted, no division; VGG19 in BGR. The paper's
weights of the two terms (0.15 and 0.025) only make sense with this scale.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from thbench.errors import ThbenchError
from thbench.weights import first_weight_path, weight_path

Pooling = Literal["avg", "max"]


@dataclass(frozen=True)
class VGGPlan:
    """An architecture: channels of the convolutions between poolings, which layers are features,
    and the input.

    feature_layers are indices of ReLUs in torchvision's `features`. mean is subtracted from pixels
    in 0..255, in the channel order that `bgr` says.
    """

    name: str
    stages: tuple[tuple[int, ...], ...]
    feature_layers: tuple[int, ...]
    mean: tuple[float, float, float]
    bgr: bool


# relu1_1, relu2_1, relu3_1, relu4_1, relu5_1 of both.
VGG19 = VGGPlan(
    "VGG19",
    ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4),
    (1, 6, 11, 20, 29),
    (103.939, 116.779, 123.680),
    bgr=True,
)
VGGFACE16 = VGGPlan(
    "VGGFace",
    ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3),
    (1, 6, 11, 18, 25),
    (129.186279, 104.762383, 93.593964),
    bgr=False,
)


class VGGFeatures(nn.Module):
    """The convolutional part of a VGG up to its last feature layer; frozen, but gradients flow to
    the image.
    """

    def __init__(self, plan: VGGPlan, pooling: Pooling = "avg") -> None:
        """pooling: "avg" as the authors' code has it, or "max" as the networks were trained."""
        super().__init__()
        self.plan = plan
        self.layers = nn.Sequential(*_layers(plan, pooling)[: plan.feature_layers[-1] + 1])
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(plan.mean).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """float [N, 3, H, W] RGB in [-1, 1] -> five feature maps, the largest first. H, W >= 16."""
        pixels = (images + 1) * 127.5
        return self.features((pixels.flip(1) if self.plan.bgr else pixels) - self.mean)

    def features(self, x: Tensor) -> list[Tensor]:
        """The five feature maps of an input on the scale that the network takes."""
        features = []
        for position, layer in enumerate(self.layers):
            x = layer(x)
            if position in self.plan.feature_layers:
                features.append(x)
        return features

    def train(self, mode: bool = True) -> VGGFeatures:
        """Stays in evaluation mode: a loss does not learn."""
        return super().train(False)


class Unscaled(nn.Module):
    """A VGG that is fed images as they are, without mean, scale or change of channels."""

    def __init__(self, network: VGGFeatures) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """float [N, 3, H, W] -> five feature maps, the largest first."""
        return self.network.features(images)


def caffe_vgg19(pooling: Pooling = "avg", path: Path | None = None) -> VGGFeatures:
    """VGG19 with its Caffe ImageNet weights, from `path` or else from one of the registry's two
    files of it.

    Reads torchvision's key layout (`features.N.weight`); classifier weights are not used. Raises
    `ThbenchError` when the file is missing or holds another network.
    """
    return _loaded(VGG19, pooling, path or first_weight_path("vgg19-caffe", "vgg19-caffe-pystiche"))


def imagenet_vgg19(pooling: Pooling = "max", path: Path | None = None) -> VGGFeatures:
    """VGG19 with torchvision's weights, from `path` or else the registry's `vgg19-imagenet`; for
    those who feed it unscaled images. Raises as `caffe_vgg19`.
    """
    plan = replace(VGG19, name="torchvision's VGG19")
    return _loaded(plan, pooling, path or weight_path("vgg19-imagenet"))


def vggface16(pooling: Pooling = "avg", path: Path | None = None) -> VGGFeatures:
    """VGGFace (VGG16 on faces), from `path` or else the registry's file `vggface16`.

    Reads the layouts in use: `conv1_1.weight`, torchvision's `features.N.weight`, or bare
    `N.weight`. Raises as `caffe_vgg19`.
    """
    return _loaded(VGGFACE16, pooling, path or weight_path("vggface16"))


def random_vgg19(seed: int = 0, pooling: Pooling = "avg") -> VGGFeatures:
    """VGG19's architecture with seeded random weights (content = "random"): a stand-in that needs
    no file.
    """
    return random_vgg(VGG19, seed, pooling)


def random_vgg16(seed: int = 1, pooling: Pooling = "avg") -> VGGFeatures:
    """VGGFace's architecture with seeded random weights."""
    return random_vgg(VGGFACE16, seed, pooling)


def random_vgg(plan: VGGPlan, seed: int, pooling: Pooling = "avg") -> VGGFeatures:
    """Any plan with He-initialised weights, so that features keep about the magnitude of the input,
    layer after layer.

    The global random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = VGGFeatures(plan, pooling)
        for layer in network.layers:
            if isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
    return network


def caffe_state(plan: VGGPlan, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A VGG's state_dict in any of the three layouts -> the keys of torchvision's `features`,
    convolutions only.

    Biases stored as [1, C] or [C, 1, 1, 1] are flattened. Raises `ThbenchError` when a convolution
    is absent.
    """
    converted = {}
    for index, caffe_name in _convolutions(plan):
        for part in ("weight", "bias"):
            names = (f"features.{index}.{part}", f"{caffe_name}.{part}", f"{index}.{part}")
            name = next((name for name in names if name in state), None)
            if name is None:
                raise ThbenchError(
                    f"these weights are not {plan.name}: no {' or '.join(names)} among its "
                    f"{len(state)} keys"
                )
            converted[f"{index}.{part}"] = state[name].flatten() if part == "bias" else state[name]
    return converted


def _loaded(plan: VGGPlan, pooling: Pooling, path: Path) -> VGGFeatures:
    network = VGGFeatures(plan, pooling)
    try:
        state = caffe_state(
            plan, torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        )
        network.layers.load_state_dict(state)
    except (RuntimeError, pickle.UnpicklingError, OSError, AttributeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ThbenchError(f"{path} cannot be loaded as {plan.name}: {reason}") from error
    return network


def _layers(plan: VGGPlan, pooling: Pooling) -> list[nn.Module]:
    layers: list[nn.Module] = []
    channels = 3
    for stage in plan.stages:
        for out in stage:
            layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU()]
            channels = out
        layers.append(nn.AvgPool2d(2) if pooling == "avg" else nn.MaxPool2d(2))
    return layers


def _convolutions(plan: VGGPlan) -> Sequence[tuple[int, str]]:
    """(index in torchvision's `features`, Caffe's name) of the convolutions that are kept."""
    found, index = [], 0
    for stage, widths in enumerate(plan.stages, 1):
        for position in range(1, len(widths) + 1):
            if index < plan.feature_layers[-1]:
                found.append((index, f"conv{stage}_{position}"))
            index += 2
        index += 1
    return found
