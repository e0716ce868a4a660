"""The units of a run that have a result, and the frames that they are scored by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from thbench.files import sha256_file
from thbench.runs import REAL, Run, Unit

FrameSet = tuple[Path, Mapping[str, str]]  # a folder and the sha256 of its frames by name


def finished(run: Run) -> list[Unit]:
    """The real-vs-real floor and every planned unit that has a result."""
    planned = list(run.planned())
    floor = [Unit(REAL, 0, video) for video in dict.fromkeys(unit.video for unit in planned)]
    return [unit for unit in [*floor, *planned] if run.read_unit(unit) is not None]


def with_frames(run: Run, units: Sequence[Unit]) -> Iterator[Unit]:
    """The units that did not fail."""
    for unit in units:
        result = run.read_unit(unit)
        if result is not None and result.status == "done":
            yield unit


def frame_sets(run: Run, unit: Unit) -> tuple[FrameSet, FrameSet]:
    """The generated frames of a unit and the true ones."""
    result, held = run.read_unit(unit), run.real_folder(unit.video)
    assert result is not None

    names = [f"{index:02d}.png" for index in range(len(result.frames))]
    # A packed run has the hashes of its frames, and not the frames.
    kept = run.reference_digests(unit.video).get(held.relative_to(run.path).as_posix(), {})
    true = {
        name: sha256_file(held / name) if (held / name).exists() or name not in kept else kept[name]
        for name in names
    }
    return (run.unit_folder(unit), result.frames), (held, true)
