"""Published lists of clips, read as they are distributed.

fomm    vox-metadata.csv of the first order motion model's preprocessing: the clips of its test part
dagan   vox_cross_id_evaluation.csv and its like: pairs of frames, `source,driving[,frame]`
names   a text file with the name of a clip in each line (HDTF, VFHQ, TalkingHead-1KH)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from thbench.data.prepare.clip_names import parsed
from thbench.errors import ThbenchError
from thbench.files import read_csv, read_text, sha256_file
from thbench.records.name_list import NamedPair, NameList
from thbench.records.video_key import video_key

_SUFFIXES = (".mp4", ".png", ".txt")


def read_list(form: str, file: Path, layout: str = "vox-flat") -> NameList:
    """Reads the original file of a list.

    form: how the file is built, one of `FORMS`. layout: how its clips are named, see `clip_names`.
    Raises `ThbenchError`, with the line's number, for a line that is not of this form and layout.
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


# The keys of the clips, and the pairs of frames.
Found = tuple[list[str], list[NamedPair]]


def _fomm(file: Path, layout: str) -> Found:
    """The test clips; each is named <person>#<video>#<start, 6 digits>#<end, 6 digits>."""
    clips = []
    for number, row in _rows(file, {"person_id", "video_id", "start", "end", "partition"}):
        if row["partition"] != "test":
            continue

        try:
            start, end = int(row["start"]), int(row["end"])
        except ValueError:
            raise _broken(file, number, "start and end are numbers of frames") from None

        name = f"{row['person_id']}#{row['video_id']}#{start:06d}#{end:06d}"
        clips.append(_key(file, number, name, layout))
    return clips, []


def _dagan(file: Path, layout: str) -> Found:
    """The pairs of frames and their clips; paths of frames end in <clip>.mp4/<frame>.png."""
    clips, pairs = [], []
    for number, row in _rows(file, {"source", "driving"}):
        source, source_frame = _frame_of(file, number, row["source"], layout)
        driving, driving_frame = _frame_of(file, number, row["driving"], layout)

        clips += [source, driving]
        pairs.append(NamedPair(source, source_frame, driving, driving_frame))
    return clips, pairs


def _names(file: Path, layout: str) -> Found:
    """The clips, one in each line; empty lines are passed over."""
    clips = []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        name = line.strip()
        if name:
            clips.append(_key(file, number, name, layout))
    return clips, []


FORMS: Mapping[str, Callable[[Path, str], Found]] = {
    "fomm": _fomm,
    "dagan": _dagan,
    "names": _names,
}


def _rows(file: Path, columns: set[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers."""
    heading, read = read_csv(file)
    missing = columns - set(heading)
    if missing:
        raise ThbenchError(f"{file} has no column {', '.join(sorted(missing))}")

    rows = []
    for number, row in read:
        cells = {column: value for column, value in row.items() if value is not None}
        if not columns <= cells.keys():
            raise _broken(file, number, "it has too few columns")
        rows.append((number, cells))
    return rows


def _frame_of(file: Path, number: int, path: str, layout: str) -> tuple[str, int]:
    """The clip's key and the frame's number: .../<clip>.mp4/0000075.png is frame 75."""
    parts = PurePosixPath(path)
    if not re.fullmatch("[0-9]{1,9}", parts.stem):
        raise _broken(file, number, f"{path} does not end in <clip>.mp4/<frame>.png")
    return _key(file, number, parts.parent.name, layout), int(parts.stem)


def _key(file: Path, number: int, name: str, layout: str) -> str:
    """The key of the clip that line `number` names, with or without folders and suffix."""
    stem = PurePosixPath(name).name
    for suffix in _SUFFIXES:
        stem = stem.removesuffix(suffix)

    found = parsed(layout, stem)
    if found is None:
        raise _broken(file, number, f"{name!r} is not how clips of layout {layout} are named")
    return video_key(*found)


def _broken(file: Path, number: int, why: str) -> ThbenchError:
    return ThbenchError(f"{file}, line {number}: {why}")
