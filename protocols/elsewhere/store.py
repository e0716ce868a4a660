"""Reading a result file of another program into a run: videos found by name, unknown ones
refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from protocols.elsewhere.readers import Columns, read_theval, read_vbench
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.nearest import hint
from thbench.records.elsewhere import PROGRAMS, ColumnRecord, ElsewhereRecord, Program
from thbench.runs import Run, slug

_READERS: Mapping[Program, Callable[[Path, str], Columns]] = {
    "vbench": read_vbench,
    "theval": read_theval,
}


def import_scores(
    run: Run, program: Program, file: Path, method: str | None, T: int | None, metric: str
) -> ElsewhereRecord:
    """Reads the columns of `file` into the run, beside those of the program that are there; a
    column of the same name is replaced.

    method, T: whose videos were measured; needed where the run has several. Raises `ThbenchError`
    for a file of another form, a method or T that the run does not have, a video that it does not
    have or that two files have the name of, and a file without values.
    """
    record = run.record()
    method = _one_of(method, list(record.methods), "method", run)
    T = int(_one_of(str(T) if T else None, [str(each) for each in record.T], "T", run))

    columns = {
        name: _by_video(run, file, values)
        for name, values in _READERS[program](file, metric).items()
        if values
    }
    if not columns:
        raise ThbenchError(f"{file} holds no value of any video")

    sha256 = sha256_file(file)
    new = {name: ColumnRecord(file.name, sha256, values) for name, values in columns.items()}
    place = _place(run, program, method, T)
    kept = ElsewhereRecord.read(place).columns if place.exists() else {}
    found = ElsewhereRecord(program, method, T, {**kept, **new})
    found.write(place)
    return ElsewhereRecord(program, method, T, new)


def told(run: Run, found: ElsewhereRecord) -> str:
    """One line per column that was read."""
    planned = len(run.record().split.videos)
    return "\n".join(
        f"{PROGRAMS[found.program]} {name}: {len(column.values)} of {planned} videos of "
        f"{found.method}, T = {found.T}, from {column.file} (sha256 {column.sha256[:12]}...)"
        for name, column in found.columns.items()
    )


def _place(run: Run, program: Program, method: str, T: int) -> Path:
    return run.path / "elsewhere" / program / slug(method) / f"T{T}.json"


def _one_of(asked: str | None, known: list[str], what: str, run: Run) -> str:
    if asked is None and len(known) == 1:
        return known[0]
    if asked is None:
        raise ThbenchError(
            f"{run.path} has more than one {what}: say with --{what} whose videos were measured, "
            f"{' or '.join(known)}"
        )
    if asked not in known:
        near = hint(asked, known, "it has")
        raise ThbenchError(f"{run.path} has no {what} {asked}: {near}")
    return asked


def _by_video(run: Run, file: Path, values: Mapping[str, float]) -> dict[str, float]:
    """The values by the run's videos, in the order of the run."""
    names = _names(run)
    videos = {path: _video_of(path, names) for path in values}
    unknown = sorted(path for path, video in videos.items() if video is None)
    if unknown:
        raise ThbenchError(
            f"{file} has {len(unknown)} videos that {run.path} does not have, such as "
            f"{unknown[0]}; files are named after the run's videos, such as "
            f"{next(iter(names))}.mp4"
        )
    twice = [video for video, count in Counter(videos.values()).items() if count > 1]
    if twice:
        raise ThbenchError(f"{file} has two files of the video {twice[0]}")

    found = {video: values[path] for path, video in videos.items() if video is not None}
    return {
        video.key: found[video.key] for video in run.record().split.videos if video.key in found
    }


def _names(run: Run) -> dict[str, str]:
    """What a video's file may be called, without its ending -> the key of the video: as the run's
    folders are, "person/video", or the video's own name where only one has it.
    """
    videos = run.record().split.videos
    own = Counter(video.video for video in videos)
    return {
        **{slug(video.key): video.key for video in videos},
        **{video.key: video.key for video in videos},
        **{video.video: video.key for video in videos if own[video.video] == 1},
    }


def _video_of(path: str, names: Mapping[str, str]) -> str | None:
    """The longest end of the path that is the name of a video."""
    whole = PurePath(path.replace("\\", "/"))
    file = whole.with_suffix("") if whole.name else whole
    for parts in (file.parts, whole.parts):  # of a file, or of a folder of frames
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        for end in ends:
            if end in names:
                return names[end]
    return None
