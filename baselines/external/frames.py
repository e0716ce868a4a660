"""Frames made elsewhere, behind the contract: `external:NAME=DIR` scores the answers to `thbench
export-protocol`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baselines.external.export import landmarks_sha256, shots_sha256
from baselines.external.manifest import MANIFEST, AskedEpisode, Manifest
from thbench.errors import ThbenchError
from thbench.files import inside, sha256_file
from thbench.method import Frames, MethodOptions
from thbench.records.decode import read_record
from thbench.runs import REAL

_SHOWN = 3  # names in a message before it only counts


@dataclass(frozen=True)
class Asked:
    """An episode of the manifest, ready to be looked up. frames maps the sha256 of a driving
    frame's landmarks to the frame's name.
    """

    folder: Path
    T: int
    size_px: int
    shots_sha256: str
    names: Sequence[str]
    frames: Mapping[str, str]


class ExternalHead:
    """The frames that a system made from one set of shots."""

    def __init__(self, label: str, episodes: Sequence[Asked]) -> None:
        """episodes: all that were exported with these shots (one, unless several drivers move the
        same person).
        """
        self.label, self.episodes = label, episodes

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S], read from the answers. Driving frames with equal landmarks get the
        same answer.
        """
        return torch.stack(
            [self._frame(sha256, index) for index, sha256 in enumerate(landmarks_sha256(drive))]
        )

    def _frame(self, sha256: str, index: int) -> Tensor:
        for episode in self.episodes:
            if sha256 in episode.frames:
                return read_frame(episode.folder / episode.frames[sha256], episode.size_px)
        raise ThbenchError(
            f"{self.label}: driving frame {index} is not one of those exported to "
            f"{self.episodes[0].folder}; export the protocol again for this dataset and split"
        )


class ExternalFrames:
    """A system known by its frames only. All of them are checked before the first is used."""

    def __init__(self, options: MethodOptions) -> None:
        """argument: "NAME=DIR"; DIR holds manifest.json and <episode>/<frame>.png.

        A number of shots T may be left out as a whole; where one episode of a T is answered, all
        must be. Raises `ThbenchError` naming the frames that are missing, extra, of another size or
        unreadable.
        """
        self.name, self.folder = _name_and_folder(options.argument)
        manifest = _read_manifest(self.folder)
        self.drives_with = manifest.drives_with
        self.episodes = [_asked(self.folder, episode) for episode in manifest.episodes]
        answered = {episode.T for episode in self.episodes if episode.folder.is_dir()}
        expected = {
            episode.folder / name: episode.size_px
            for episode in self.episodes
            if episode.T in answered or not answered
            for name in episode.names
        }
        check_frames(self.name, self.folder, expected, str(self.folder))
        self.provenance: dict[str, Any] = {
            "config": {"exported": manifest.about},
            "checkpoint": {
                "path": str(self.folder),
                "sha256": _sha256_of_all(self.folder, expected),
            },
            "notes": ["frames made elsewhere"],
        }

    def adapt(self, shots: Frames) -> ExternalHead:
        """Finds what was exported for these shots; the learning itself happened elsewhere and is
        not timed.
        """
        sha256 = shots_sha256(shots)
        found = [episode for episode in self.episodes if episode.shots_sha256 == sha256]
        if not found:
            raise ThbenchError(
                f"{self.name}: {self.folder / MANIFEST} knows no episode with these {len(shots)} "
                "shots; export the protocol again for this dataset and split"
            )
        answered = [episode for episode in found if episode.folder.is_dir()]
        if not answered:
            raise ThbenchError(
                f"{self.name}: no frames in {found[0].folder}; T = {len(shots)} was left out"
            )
        return ExternalHead(self.name, answered)


def external(options: MethodOptions) -> ExternalFrames:
    """Entry point."""
    return ExternalFrames(options)


def check_frames(label: str, folder: Path, expected: Mapping[Path, int], where: str) -> None:
    """Raises one `ThbenchError` that tells all that is wrong with the frames under `folder`, called
    `where` in it.

    expected maps each frame's path to its size in pixels; hidden files and the manifest do not
    count as extra.
    """
    found = {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}
    found -= {folder / MANIFEST}
    if not found:
        raise ThbenchError(
            f"{label}: {where} holds no frames; {len(expected)} frames are expected there"
        )
    faults = {
        path: fault
        for path in sorted(found & expected.keys())
        if (fault := _fault(path, expected[path]))
    }
    kinds = {
        "missing": [_short(path, folder) for path in sorted(expected.keys() - found)],
        "extra": [_short(path, folder) for path in sorted(found - expected.keys())],
        "unusable": [f"{_short(path, folder)} {fault}" for path, fault in faults.items()],
    }
    told = [f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds.items() if names]
    if told:
        raise ThbenchError(
            f"{label}: of the {len(expected)} frames expected in {where}: {'; '.join(told)}"
        )


def read_frame(path: Path, size_px: int) -> Tensor:
    """A PNG as uint8 [3, size, size] RGB; raises `ThbenchError` when it is missing, unreadable or
    of another size.
    """
    fault = _fault(path, size_px)
    if fault:
        raise ThbenchError(f"{path} {fault}")
    with Image.open(path, formats=["PNG"]) as image:
        return (
            torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1).contiguous()
        )


def _fault(path: Path, size_px: int) -> str | None:
    if not path.is_file():  # opening a pipe would wait for ever
        return "is not a readable PNG"
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if image.size != (size_px, size_px):
                return f"is {image.size[0]}x{image.size[1]}, not {size_px}x{size_px}"
            if image.mode not in ("RGB", "RGBA", "L", "P"):
                return f"has pixels of mode {image.mode}, not 8-bit RGB"
            image.load()
    except (OSError, SyntaxError, ValueError, EOFError, zlib.error, Image.DecompressionBombError):
        return "is not a readable PNG"
    return None


def _name_and_folder(argument: str) -> tuple[str, Path]:
    name, equals, folder = argument.partition("=")
    if not (name and equals and folder):
        raise ThbenchError(
            f"external:{argument} names no system: write external:NAME=FOLDER, the folder with the "
            "answers to `thbench export-protocol`"
        )
    if name == REAL:
        raise ThbenchError(
            f"external:{argument}: the name {REAL!r} is the real frames'; choose another one"
        )
    return name, Path(folder)


def _read_manifest(folder: Path) -> Manifest:
    file = folder / MANIFEST
    if not file.exists():
        raise ThbenchError(
            f"{file} is missing; it lies in the folder `answers` that `thbench export-protocol` "
            "wrote"
        )
    return read_record(
        file, Manifest, "it is not the manifest of an export: copy it again from there"
    )


def _asked(folder: Path, episode: AskedEpisode) -> Asked:
    names = [frame.name for frame in episode.frames]
    for name in names:
        inside(folder, f"{episode.folder}/{name}")

    return Asked(
        folder / episode.folder,
        episode.T,
        episode.size_px,
        episode.shots_sha256,
        names,
        # Reversed, so that of frames with equal landmarks the first one counts.
        {frame.landmarks_sha256: frame.name for frame in reversed(episode.frames)},
    )


def _sha256_of_all(folder: Path, frames: Mapping[Path, int]) -> str:
    lines = [f"{_short(path, folder)} {sha256_file(path)}\n" for path in sorted(frames)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _short(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
