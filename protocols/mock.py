"""A new method tried on one synthetic video: does it keep the contract of thbench.method?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from protocols.generate import first_line
from thbench.data.dataset import Dataset, videos_of
from thbench.errors import ThbenchError
from thbench.method import (
    Frames,
    Method,
    MethodOptions,
    check_rendered,
    load_method,
    provenance,
)

T = (1, 2)
DRIVING_FRAMES = 3
Check = tuple[str, str]  # (what was checked, what is wrong or "")


def mock_run(spec: str, dataset: Dataset, checkpoint: Path | None, device: str) -> Iterator[Check]:
    """Checks a method step by step on one video, T = 1 and 2, three driving frames; stops where
    nothing more can work.

    Raises `ThbenchError` when the method cannot be loaded at all.
    """
    options = MethodOptions(checkpoint=checkpoint, device=device, size_px=dataset.size_px)
    method, video = load_method(spec, options), videos_of(dataset, "test")[0]
    yield f"{spec} loads as {method.name!r}", ""

    drives_with: Any = getattr(method, "drives_with", None)
    yield (
        "drives_with is landmarks or image",
        "" if drives_with in ("landmarks", "image") else f"got {drives_with!r}",
    )
    yield (
        "what a run records of it is JSON",
        _problem(lambda: json.dumps(provenance(method), allow_nan=False)),
    )

    drive = dataset.read(video, range(max(T), max(T) + DRIVING_FRAMES))
    drive = drive if drives_with == "image" else drive.without_images()
    for shots in T:
        frames = dataset.read(video, range(shots))
        yield from _check_T(method, frames, drive)


def _check_T(method: Method, shots: Frames, drive: Frames) -> Iterator[Check]:
    T, before = len(shots), [tensor.clone() for tensor in _tensors(shots, drive)]
    try:
        images = method.adapt(shots).render(drive)
        check_rendered(images, drive, method.name)
    except Exception as error:
        yield f"T = {T}: learns and renders uint8 {list(drive.images.shape)}", first_line(error)
        return

    yield f"T = {T}: learns and renders uint8 {list(images.shape)}", ""
    yield (
        f"T = {T}: frames are on the CPU",
        "" if images.device.type == "cpu" else f"they are on {images.device}",
    )

    same = all(
        torch.equal(old, new) for old, new in zip(before, _tensors(shots, drive), strict=True)
    )
    yield (
        f"T = {T}: leaves the frames it is handed as they are",
        "" if same else "it changed them in place",
    )

    yield (
        f"T = {T}: the same shots give the same frames",
        _problem(lambda: _repeat(method, shots, drive, images)),
    )
    yield (
        f"T = {T}: renders one frame alone",
        _problem(
            lambda: check_rendered(method.adapt(shots).render(drive[:1]), drive[:1], method.name)
        ),
    )


def _repeat(method: Method, shots: Frames, drive: Frames, images: Tensor) -> None:
    again = method.adapt(shots).render(drive)
    if not torch.equal(again, images):
        apart = int((again.int() - images.int()).abs().max())
        raise ThbenchError(
            f"they differ by up to {apart} grey levels; seed whatever is random with options.seed"
        )


def _problem(action: Callable[[], Any]) -> str:
    try:
        action()
    except Exception as error:
        return first_line(error)
    return ""


def _tensors(*frames: Frames) -> list[Tensor]:
    return [tensor for part in frames for tensor in (part.images, part.landmarks)]
