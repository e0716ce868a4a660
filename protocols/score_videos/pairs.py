"""Which result belongs to which true clip, and whose face it shows: by name, or by a CSV."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from thbench.data.clip_files import clips_below
from thbench.errors import ThbenchError
from thbench.files import inside, read_csv

_COLUMNS = {"real", "fake", "person"}
_SHOWN = 5


@dataclass(frozen=True)
class Pair:
    """A true clip and each method's result for it; a method without one is absent."""

    person: str
    video: str
    real: Path
    fakes: Mapping[str, Path]

    @property
    def key(self) -> str:
        return f"{self.person}/{self.video}"


@dataclass(frozen=True)
class Pairs:
    """All pairs, and the names of what has no partner: true clips that no method answered, and
    results by method that answer nothing.
    """

    pairs: Sequence[Pair]
    unanswered: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)


def pairs_by_name(real: Path, methods: Mapping[str, Path]) -> Pairs:
    """Pairs clips of the same name below each folder, whatever their formats.

    The person of `id1/a/b.mp4` is "id1", that of `id1#a#b.mp4` too (flat VoxCeleb lists); any other
    clip is a person of its own. Raises `ThbenchError` when a method has no result for any clip.
    """
    true = clips_below(real)
    if not true:
        raise ThbenchError(f"{real} holds no video and no folder with pictures")
    found = {label: clips_below(folder) for label, folder in methods.items()}
    for label, clips in found.items():
        if not clips.keys() & true.keys():
            raise ThbenchError(_no_match(label, methods[label], clips, real, true))

    answered = [name for name in true if any(name in clips for clips in found.values())]
    pairs = [
        Pair(
            *person_and_video(name if name != "." else real.resolve().name),
            true[name],
            {label: clips[name] for label, clips in found.items() if name in clips},
        )
        for name in answered
    ]
    return Pairs(
        _distinct(pairs, str(real)),
        [name for name in true if name not in answered],
        {
            label: left
            for label, clips in found.items()
            if (left := [name for name in clips if name not in true])
        },
    )


def pairs_from_csv(file: Path, real: Path, methods: Mapping[str, Path]) -> Pairs:
    """Pairs from a CSV with the columns `real` and `fake`, paths below REAL and below each FAKE,
    and perhaps `person`; or one column per method, headed by its name, in place of `fake`.

    An empty cell is a result that a method lacks. Raises `ThbenchError` for another heading, a path
    that leaves its folder and a clip that does not exist.
    """
    heading, rows = read_csv(file)
    columns = set(heading)
    own = methods.keys() & columns
    if "real" not in columns or not (own or "fake" in columns) or columns - _COLUMNS - own:
        raise ThbenchError(
            f"{file} has the columns {', '.join(heading or ['none'])}: real and fake are "
            "expected, or real and the methods' names, and perhaps person"
        )

    pairs = []
    for number, row in rows:
        where = f"{file}, line {number}"
        path = row["real"] or ""
        clip = _existing(real, path, where)
        named = {label: row.get(label if label in own else "fake") for label in methods}
        fakes = {
            label: _existing(methods[label], name, where) for label, name in named.items() if name
        }
        name = PurePosixPath(path)
        person, video = person_and_video(
            (name if clip.is_dir() else name.with_suffix("")).as_posix()
        )
        pairs.append(Pair(row.get("person") or person, video, clip, fakes))
    if not pairs:
        raise ThbenchError(f"{file} names no pair")
    return Pairs(_distinct(pairs, str(file)))


def person_and_video(name: str) -> tuple[str, str]:
    """("id1", "a/b") of "id1/a/b"; ("id1", "a#b") of "id1#a#b"; ("clip", "clip") of "clip"."""
    for separator in "/#":
        person, found, video = name.partition(separator)
        if found and person and video:
            return person, video
    return name, name


def _existing(folder: Path, name: str, where: str) -> Path:
    path = inside(folder, name) if name else folder / ""
    if not name or not path.exists():
        raise ThbenchError(f"{where}: {folder} holds no {name or 'clip without a name'}")
    return path


def _distinct(pairs: Sequence[Pair], where: str) -> Sequence[Pair]:
    keys = [pair.key for pair in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ThbenchError(f"{where} names {key} twice")
    return pairs


def _no_match(
    label: str, folder: Path, clips: Mapping[str, Path], real: Path, true: Mapping[str, Path]
) -> str:
    if not clips:
        return f"{label}: {folder} holds no video and no folder with pictures"
    name = next(iter(clips))
    near = difflib.get_close_matches(name, true, n=1, cutoff=0.3) or list(true)[:1]
    return (
        f"{label}: no clip in {folder} has the name of one in {real} ({name!r} here, {near[0]!r} "
        "there); rename them, or say with --pairs FILE.csv which belong together"
    )


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more."""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
