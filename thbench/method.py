"""The contract between methods and protocols: Frames in, a TalkingHead out; and the registry.

What not every method or head can do is a protocol of its own, which `isinstance` asks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from thbench.errors import ThbenchError
from thbench.plugins import load_plugin, plugin_names

ENTRY_POINTS = "thbench.methods"

DrivesWith = Literal["landmarks", "image"]


@dataclass(frozen=True)
class Frames:
    """Frames of one person, in order.

    images: uint8 [N, 3, H, W], RGB. landmarks: float32 [N, 68, 2], (x, y) in pixels of that image,
    iBUG-68 order; the centre of the top-left pixel is (0, 0). pupils: float32 [N, 2, 2], centres of
    the irises in the eyes of landmarks 36-41 and 42-47, NaN where lids hide one; None where nobody
    knows them, as the detectors of landmarks find none.
    """

    images: Tensor
    landmarks: Tensor
    pupils: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ThbenchError(
                f"frames must be uint8 [N, 3, H, W], got {self.images.dtype} "
                f"{list(self.images.shape)}"
            )
        if self.landmarks.dtype != torch.float32 or list(self.landmarks.shape) != [n, 68, 2]:
            raise ThbenchError(
                f"landmarks must be float32 [{n}, 68, 2], got {self.landmarks.dtype} "
                f"{list(self.landmarks.shape)}"
            )
        pupils = self.pupils
        if pupils is not None and (pupils.dtype, list(pupils.shape)) != (torch.float32, [n, 2, 2]):
            raise ThbenchError(
                f"pupils must be float32 [{n}, 2, 2], got {pupils.dtype} {list(pupils.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, frames: slice | list[int]) -> Frames:
        pupils = None if self.pupils is None else self.pupils[frames]
        return Frames(self.images[frames], self.landmarks[frames], pupils)

    @property
    def size_px(self) -> int:
        """Height of the (square) frames."""
        return int(self.images.shape[-2])

    def without_images(self) -> Frames:
        """The same landmarks over black frames: what a method that drives with landmarks gets."""
        return replace(self, images=torch.zeros_like(self.images))


def joined(parts: Sequence[Frames]) -> Frames:
    """Frames of equal size one after the other; without pupils where a part has none."""
    pupils = [part.pupils for part in parts if part.pupils is not None]
    return Frames(
        torch.cat([part.images for part in parts]),
        torch.cat([part.landmarks for part in parts]),
        torch.cat(pupils) if len(pupils) == len(parts) else None,
    )


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
    drives_with: DrivesWith

    def adapt(self, shots: Frames) -> TalkingHead:
        """Few-shot learning from T shots: what Table 2 times. Deterministic for the same shots and
        options.
        """
        ...


@runtime_checkable
class TimedHead(Protocol):
    """A head that tells how long each part of its few-shot learning took, in seconds."""

    parts_s: Mapping[str, float]


@runtime_checkable
class NotingHead(Protocol):
    """A head that says how its frames were made, once they are."""

    notes: list[str]


@runtime_checkable
class KeepableHead(TalkingHead, Protocol):
    """A head that can be kept in a file, which the loader of its kind reads again."""

    @property
    def size_px(self) -> int:
        """Height and width of the frames that it takes and renders."""
        ...

    def save(self, path: Path) -> None:
        """Writes the head as a model file with a "kind" (see `training.checkpoints`)."""
        ...


@runtime_checkable
class ShapedHead(TalkingHead, Protocol):
    """A head that knows the landmarks of the shots it was learned from: float32 [T, 68, 2] in
    pixels of its frames, None in files of before they were kept.
    """

    shots: Tensor | None


@runtime_checkable
class ExportableHead(Protocol):
    """A head that runs without this project."""

    def export(self, path: Path) -> None:
        """Writes the head as an ONNX file: landmark images to frames."""
        ...


@runtime_checkable
class DescribedMethod(Protocol):
    """A method that says what a run records of it: "config", "checkpoint" and "notes"."""

    provenance: Mapping[str, Any]


@runtime_checkable
class TrainedMethod(Protocol):
    """A method, registered as a class, that needs a model of a trainer."""

    trainer: ClassVar[str]
    """The trainer's name in the entry-point group `thbench.trainers`."""


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
    _, _, argument = spec.partition(":")
    return _factory(spec)(replace(options, argument=argument))


def bundled_model(method: str) -> Path | None:
    """The model trained on synthetic heads that comes with thbench; None where there is none."""
    path = Path(str(resources.files("thbench") / "assets" / "models" / f"{method}.safetensors"))
    return path if path.exists() else None


def adapt(method: Method, shots: Frames) -> TalkingHead:
    """Learns a head from T shots, as a run does. Raises `ThbenchError` where there are none."""
    if not len(shots):
        raise ThbenchError(f"{method.name} learns from one shot or more, and there is none")
    return method.adapt(shots)


def render(method: Method, head: TalkingHead, drive: Frames) -> Tensor:
    """Renders one frame for each driving frame, as a run does: uint8 [N, 3, H, W] RGB.

    Raises `ThbenchError` where the head returns something else.
    """
    seen = seen_by(method, drive)
    images = head.render(seen)
    check_rendered(images, seen, method.name)
    return images


def seen_by(method: Method, drive: Frames) -> Frames:
    """What a method is handed to drive a head: with landmarks alone, the images are black."""
    return drive.without_images() if method.drives_with == "landmarks" else drive


def check_rendered(images: object, drive: Frames, method: str) -> None:
    """Raises `ThbenchError` unless `images` is what `TalkingHead.render` promises."""
    expected = list(drive.images.shape)
    if not isinstance(images, Tensor):
        raise ThbenchError(f"{method} rendered {type(images).__name__}, uint8 {expected} expected")
    if images.dtype != torch.uint8 or list(images.shape) != expected:
        raise ThbenchError(
            f"{method} rendered {images.dtype} {list(images.shape)}, uint8 {expected} expected"
        )


def trainer_of(spec: str) -> str | None:
    """The trainer whose models a method loads ("ours" for ours-ff and ours-ft); None for a method
    that loads none.

    Raises `ThbenchError` for an unknown name.
    """
    factory = _factory(spec)
    return factory.trainer if isinstance(factory, TrainedMethod) else None


def provenance(method: Method) -> dict[str, Any]:
    """What a run records of a method: what drives it, and what it says of itself, if anything."""
    told = method.provenance if isinstance(method, DescribedMethod) else {}
    return {"drives_with": method.drives_with, **told}


def parts_s(result: object) -> dict[str, float]:
    """How long each part took, in seconds, where `result` is a head that tells it; else nothing."""
    return dict(result.parts_s) if isinstance(result, TimedHead) else {}


def notes_of(head: object) -> list[str]:
    """What a head says of how its frames were made; nothing where it says nothing."""
    return list(head.notes) if isinstance(head, NotingHead) else []


def seed_for(seed: int, shots: Frames) -> int:
    """A seed that depends on the run's seed and on the shots, not on the order in which units are
    computed.
    """
    digest = hashlib.sha256(str(seed).encode() + shots.images.numpy().tobytes()).digest()
    return int.from_bytes(digest[:7], "big")


def _factory(spec: str) -> MethodFactory:
    return cast(MethodFactory, load_plugin(ENTRY_POINTS, spec.partition(":")[0], "method"))
