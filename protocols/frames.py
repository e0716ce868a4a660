"""Frames in a run folder: PNG in, PNG out, whole folders at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.arrays import read_array
from thbench.errors import ThbenchError
from thbench.files import atomic_folder, sha256_file
from thbench.method import Frames

LANDMARKS = "landmarks.npy"


def write_frames(
    folder: Path,
    images: Tensor,
    names: Sequence[str] | None = None,
    landmarks: Tensor | None = None,
) -> dict[str, str]:
    """Writes uint8 [N, 3, H, W] as PNGs ("00.png", ... unless named), whole or not at all; returns
    name -> sha256.
    """
    names = names or [f"{index:02d}.png" for index in range(len(images))]
    with atomic_folder(folder) as temporary:
        for name, image in zip(names, images.permute(0, 2, 3, 1).numpy(), strict=True):
            encoded = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
            (temporary / name).write_bytes(encoded.tobytes())
        if landmarks is not None:
            np.save(temporary / LANDMARKS, landmarks.numpy())
        return {name: sha256_file(temporary / name) for name in names}


def read_images(folder: Path, names: Sequence[str]) -> Tensor:
    """Reads PNGs as uint8 [N, 3, H, W] RGB; raises `ThbenchError` naming the file that is missing
    or damaged.
    """
    if not names:
        raise ThbenchError(
            f"{folder} should hold no frames at all, says its mark; remove that and resume the run"
        )
    return _decoded(tuple(_Version.of(folder / name) for name in names)).clone()


@dataclass(frozen=True)
class _Version:
    """A file as it is now: another file under its name, or other content, is another version."""

    file: Path
    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int  # nobody can set this one

    @classmethod
    def of(cls, file: Path) -> _Version:
        try:
            now = file.stat()
        except OSError:
            raise _unreadable(file) from None
        return cls(file, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)


# Frame metrics read the frames of a unit, then set metrics do; the true ones belong to many units.
@lru_cache(maxsize=4)
def _decoded(versions: tuple[_Version, ...]) -> Tensor:
    images: list[NDArray[np.uint8]] = []
    for version in versions:
        image = cv2.imread(str(version.file), cv2.IMREAD_COLOR)
        planes = None if image is None else np.stack(cv2.split(image)[::-1])  # BGR to RGB
        if planes is None or (images and planes.shape != images[0].shape):
            raise _unreadable(version.file)
        images.append(np.asarray(planes, np.uint8))
    return torch.from_numpy(np.stack(images))


def _unreadable(file: Path) -> ThbenchError:
    return ThbenchError(
        f"{file} is missing, is not a picture, or has another size than those beside it; remove "
        "its unit's mark and resume the run"
    )


def read_frames(folder: Path, names: Sequence[str]) -> Frames:
    """Reads PNGs with the landmarks beside them."""
    path = folder / LANDMARKS
    landmarks = read_array(path, f"remove {folder} and resume the run")
    if landmarks.dtype != np.float32 or landmarks.shape != (len(names), 68, 2):
        raise ThbenchError(
            f"{path} holds {landmarks.dtype} {list(landmarks.shape)}, not the landmarks of "
            f"{len(names)} frames; remove {folder} and resume the run"
        )
    return Frames(read_images(folder, names), torch.from_numpy(landmarks))
