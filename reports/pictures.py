"""The pictures of a run, found by video and by index in its hold-out."""

from __future__ import annotations

import zlib
from pathlib import Path

from PIL import Image

from reports.results import Results
from thbench.errors import ThbenchError
from thbench.runs import Unit

UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    zlib.error,
    Image.DecompressionBombError,
)  # what Pillow raises for bytes that are not a picture


def files_of(results: Results, folder: Path) -> dict[int, Path]:
    """Index -> PNG file of one of the run's image folders, ascending; empty when the folder is not
    there.

    Links are not followed: what stands in a report may be shown to anyone, and a run from elsewhere
    could link to a private file. Raises `ThbenchError` for a picture that is a link, or lies
    outside of the run through one.
    """
    files = {int(file.stem): file for file in folder.glob("*.png") if file.stem.isdecimal()}

    linked = [file for file in files.values() if file.is_symlink()]
    if files and not folder.resolve().is_relative_to(results.path.resolve()):
        linked = [folder]

    if linked:
        raise ThbenchError(
            f"{linked[0]} is reached through a link, and reports follow no links in a run; put the "
            "file itself there"
        )

    return dict(sorted(files.items()))


def source(results: Results, video: str) -> Image.Image:
    """The first shot, which belongs to the T shots for every T."""
    files = files_of(results, results.run.shots_folder(video))
    return _loaded(results, files, 0, f"shots of {video}")


def real(results: Results, video: str, index: int) -> Image.Image:
    """A hold-out frame."""
    files = files_of(results, results.run.real_folder(video))
    return _loaded(results, files, index, f"hold-out frames of {video}")


def generated(results: Results, unit: Unit, index: int) -> Image.Image | str:
    """A generated frame, or why there is none ("failed", "not done")."""
    files = files_of(results, results.run.unit_folder(unit))
    if index in files:
        return load(files[index])

    result = results.run.read_unit(unit)
    if result is None:
        return "not done"
    if result.status == "failed":
        return "failed"

    what = f"frames of {unit.method}, T = {unit.T}, {unit.video}"
    return _loaded(results, files, index, what)


def load(file: Path) -> Image.Image:
    """An RGB picture; raises `ThbenchError` naming the file when it cannot be decoded."""
    try:
        return Image.open(file).convert("RGB")
    except UNREADABLE as error:
        raise ThbenchError(
            f"{file} is not a readable picture; check the run with `thbench runs verify`"
        ) from error


def _loaded(results: Results, files: dict[int, Path], index: int, what: str) -> Image.Image:
    if index not in files:
        raise ThbenchError(
            f"{results.path} lacks picture {index} of the {what}; the run was made without "
            "pictures or they were removed: run it again with `thbench run-protocol --resume`"
        )

    return load(files[index])
