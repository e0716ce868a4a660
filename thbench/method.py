"""The contract between methods and protocols: Frames in, a TalkingHead out, and the registry of
methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.plugins import load_plugin, plugin_names

ENTRY_POINTS = "thbench.methods"


@dataclass(frozen=True)
class Frames:
    """Frames of one person, in order.

    images: uint8 [N, 3, H, W], RGB. landmarks: float32 [N, 68, 2], (x, y) in pixels of that image,
    iBUG-68 order; the centre of the top-left pixel is (0, 0).
    """

    images: Tensor
    landmarks: Tensor

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ThbenchError(
                f"frames must be uint8 [N, 3, H, W], got {self.images.dtype} {list(self.images.shape)}"
            )
        if self.landmarks.dtype != torch.float32 or list(self.landmarks.shape) != [n, 68, 2]:
            raise ThbenchError(
                f"landmarks must be float32 [{n}, 68, 2], got {self.landmarks.dtype} "
                f"{list(self.landmarks.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, frames: slice | list[int]) -> Frames:
        return Frames(self.images[frames], self.landmarks[frames])

    @property
    def size_px(self) -> int:
        """Height of the (square) frames."""
        return int(self.images.shape[-2])

    def without_images(self) -> Frames:
        """The same landmarks over black frames: what a method that drives with landmarks is handed."""
        return Frames(torch.zeros_like(self.images), self.landmarks)


class TalkingHead(Protocol):
    """A head learned from a few shots of one person."""

    def render(self, drive: Frames) -> Tensor:
        """Renders one frame per driving frame: uint8 [N, 3, H, W] RGB. This is what Table 2 calls
        inference.
        """
        ...


class Method(Protocol):
    """A few-shot talking-head method.

    `drives_with` says what `render` may look at: with "landmarks" the driving images are blank,
    with "image" (X2Face) they are the true frames, and every table says so.
    """

    name: str
    drives_with: Literal["landmarks", "image"]

    def adapt(self, shots: Frames) -> TalkingHead:
        """Few-shot learning from T shots: what Table 2 times. Deterministic for the same shots and
        options.
        """
        ...


@dataclass(frozen=True)
class MethodOptions:
    """What a run hands to a method's factory.

    argument is what follows the colon in a spec such as `external:NAME=DIR`; checkpoint is a model
    file or a training folder; seed makes few-shot learning reproducible; size_px is the size of the
    dataset's frames.
    """

    argument: str = ""
    checkpoint: Path | None = None
    device: str = "cpu"
    seed: int = 0
    size_px: int = 256
    settings: Mapping[str, Any] = field(default_factory=dict)


MethodFactory = Callable[[MethodOptions], Method]


def method_names() -> list[str]:
    """Names of all registered methods, bundled and installed, sorted."""
    return plugin_names(ENTRY_POINTS)


def load_method(spec: str, options: MethodOptions) -> Method:
    """Builds the method named by `spec` ("ours-ft", "external:NAME=DIR").

    Raises `ThbenchError` for an unknown name (with the nearest known one) and for whatever the
    factory finds wrong.
    """
    name, _, argument = spec.partition(":")
    factory: MethodFactory = load_plugin(ENTRY_POINTS, name, "method")
    options = MethodOptions(
        argument,
        options.checkpoint,
        options.device,
        options.seed,
        options.size_px,
        options.settings,
    )
    return factory(options)


def provenance(method: Method) -> dict[str, Any]:
    """What a run records of a method: its `provenance` mapping (configuration, checkpoint sha256,
    notes), if any.
    """
    return {"drives_with": method.drives_with, **getattr(method, "provenance", {})}
