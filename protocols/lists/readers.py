"""Published lists of clips, read as they are distributed.

fomm    vox-metadata.csv of the first order motion model's preprocessing: the clips of its test part
dagan   vox_cross_id_evaluation.csv and its like: pairs of frames, `source,driving[,frame]`
names   a text file with the name of a clip in each line (HDTF, VFHQ, TalkingHead-1KH)
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from thbench.data.prepare.clip_names import parsed
from thbench.errors import ThbenchError
from thbench.files import read_text, sha256_file
from thbench.records.name_list import NamedPair, NameList
from thbench.records.video_key import video_key

_SUFFIXES = (".mp4", ".png", ".txt")


def read_list(form: str, file: Path, layout: str = "vox-flat") -> NameList:
    """Reads the original file of a list; layout says how its names are read (`clip_names`).

    Raises `ThbenchError` naming the line that has another form.
    """
    clips, pairs = FORMS[form](file, layout)
    if not clips:
        raise ThbenchError(f"{file} names no clip in the form of {form}")
    return NameList(
        name=file.stem,
        file=file.name,
        sha256=sha256_file(file),
        layout=layout,
        clips=sorted(set(clips)),
        pairs=pairs,
    )


Found = tuple[list[str], list[NamedPair]]


def _fomm(file: Path, layout: str) -> Found:
    """The flat clips are named id10280#<video>#<start, 6 digits>#<end, 6 digits>."""
    clips = []
    for number, row in _rows(file, {"person_id", "video_id", "start", "end", "partition"}):
        if row["partition"] == "test":
            try:
                start, end = int(row["start"]), int(row["end"])
            except ValueError:
                raise _broken(file, number, "start and end are numbers of frames") from None
            name = f"{row['person_id']}#{row['video_id']}#{start:06d}#{end:06d}"
            clips.append(_key(file, number, name, layout))
    return clips, []


def _dagan(file: Path, layout: str) -> Found:
    """Paths end in <clip>.mp4/<frame>.png."""
    pairs = []
    for number, row in _rows(file, {"source", "driving"}):
        source, driving = (
            _frame_of(file, number, row[side], layout) for side in ("source", "driving")
        )
        pairs.append(NamedPair(*source, *driving))
    return [clip for pair in pairs for clip in (pair.source, pair.driving)], pairs


def _names(file: Path, layout: str) -> Found:
    lines = enumerate(read_text(file).splitlines(), 1)
    named = [(number, line.strip()) for number, line in lines]
    return [_key(file, number, name, layout) for number, name in named if name], []


FORMS: Mapping[str, Callable[[Path, str], Found]] = {
    "fomm": _fomm,
    "dagan": _dagan,
    "names": _names,
}


def _rows(file: Path, columns: set[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers."""
    reader = csv.DictReader(read_text(file).splitlines())
    missing = columns - set(reader.fieldnames or [])
    if missing:
        raise ThbenchError(f"{file} has no column {', '.join(sorted(missing))}")

    rows = []
    for row in reader:
        if any(row[column] is None for column in columns):
            raise _broken(file, reader.line_num, "it has too few columns")
        rows.append((reader.line_num, row))
    return rows


def _frame_of(file: Path, number: int, path: str, layout: str) -> tuple[str, int]:
    """.../<clip>.mp4/0000075.png -> the clip's key and 75."""
    parts = PurePosixPath(path)
    if not parts.stem.isdecimal():
        raise _broken(file, number, f"{path} does not end in <clip>.mp4/<frame>.png")
    return _key(file, number, parts.parent.name, layout), int(parts.stem)


def _key(file: Path, number: int, name: str, layout: str) -> str:
    stem = PurePosixPath(name).name
    for suffix in _SUFFIXES:
        stem = stem.removesuffix(suffix)
    found = parsed(layout, stem)
    if found is None:
        raise _broken(file, number, f"{name!r} is no name of layout {layout}")
    return video_key(*found)


def _broken(file: Path, number: int, why: str) -> ThbenchError:
    return ThbenchError(f"{file}, line {number}: {why}")
