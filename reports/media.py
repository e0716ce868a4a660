"""What stands beside the HTML report: frames to compare and short clips."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from reports.picks import Frame, Rule, pick_frames
from reports.pictures import files_of, generated, load
from reports.results import Results
from reports.sections import in_paper_order, method_name
from thbench.errors import ThbenchError
from thbench.runs import Unit

FRAME_MS = 160  # hold-out frames are spread over the video, so a clip shows poses, not motion
WEBP_QUALITY = 85


@dataclass(frozen=True)
class Shown:
    """One generated picture in the page: a path relative to it, or why there is none."""

    method: str
    T: int
    file: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Comparison:
    """One hold-out frame with every method's picture of it, T by T."""

    person: str
    video: str
    source: str
    real: str
    shown: Sequence[Shown]


@dataclass(frozen=True)
class Clip:
    """The true frames (or the driver's) beside one method's frames: a still picture and the
    animated one.
    """

    method: str
    T: int
    video: str
    still: str
    animation: str
    n_frames: int


@dataclass(frozen=True)
class Copier:
    """Copies pictures into one folder of the page, byte for byte."""

    page: Path
    folder: str

    def __call__(self, file: Path | None, name: str) -> str:
        """The copy's path in the page, "" for no file."""
        if file is None:
            return ""

        (self.page / self.folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, self.page / self.folder / name)
        return f"{self.folder}/{name}"


def comparisons(results: Results, page: Path, folder: str, rule: Rule) -> list[Comparison]:
    """Copies the frames that the rule picks into `page`/`folder`; paths are relative to `page`."""
    judge = rule.judge or in_paper_order(results)[-1]
    frames = pick_frames(results, rule, judge, results.shots[-1])

    made = (
        _comparison(results, frame, Copier(page, f"{folder}/{number}"))
        for number, frame in enumerate(frames)
    )
    return [one for one in made if one.source and one.real]  # an unfinished run may lack them


def clips(results: Results, page: Path, folder: str, video: str) -> list[Clip]:
    """One animated WebP per method at its largest T: true frames (or the driver's) left, the method
    right.
    """
    real = files_of(results, results.run.real_folder(video))
    if results.is_cross:  # its drivers follow each other: the first one's frames
        drivers = results.drivers(video)
        real = {index: file for index, file in real.items() if drivers[index] == drivers[0]}

    made = []
    for number, label in enumerate(in_paper_order(results)):
        unit = Unit(label, results.shots[-1], video)
        pairs = _pairs(results, unit, real)
        if pairs:
            made.append(_clip(results, unit, pairs, page, f"{folder}/m{number}"))
    return made


def failures(results: Results) -> list[tuple[Unit, str]]:
    """Every failed unit with its error."""
    units = ((unit, results.run.read_unit(unit)) for unit in results.run.planned())
    return [
        (unit, result.error)
        for unit, result in units
        if result is not None and result.status == "failed"
    ]


def has_pictures(results: Results) -> bool:
    """Whether the run holds the pictures of its first video (a run can be made without, or be
    unfinished).
    """
    first = results.videos[0]
    folders = (results.run.real_folder(first), results.run.shots_folder(first))
    return all(files_of(results, folder) for folder in folders)


def copy_generated(results: Results, unit: Unit, index: int, copy: Copier, name: str) -> Shown:
    """Copies the picture that a unit made of a hold-out frame, where there is one."""
    label = method_name(results, unit.method)
    picture = generated(results, unit, index)
    if isinstance(picture, str):
        return Shown(label, unit.T, missing=picture)

    file = files_of(results, results.run.unit_folder(unit))[index]
    return Shown(label, unit.T, copy(file, name))


def _comparison(results: Results, frame: Frame, copy: Copier) -> Comparison:
    shown = [
        copy_generated(
            results, Unit(label, T, frame.video), frame.index, copy, f"m{number}-T{T}.png"
        )
        for T in results.shots
        for number, label in enumerate(in_paper_order(results))
    ]
    shots = files_of(results, results.run.shots_folder(frame.video))
    held_out = files_of(results, results.run.real_folder(frame.video))
    person, _, video = frame.video.partition("/")

    return Comparison(
        person,
        video,
        source=copy(shots.get(0), "source.png"),
        real=copy(held_out.get(frame.index), "real.png"),
        shown=shown,
    )


def _pairs(results: Results, unit: Unit, real: dict[int, Path]) -> list[Image.Image]:
    """True and generated frame side by side, for every frame that the unit made."""
    made = files_of(results, results.run.unit_folder(unit))
    pairs = [_side_by_side(load(real[i]), load(made[i])) for i in real if i in made]

    if len({pair.size for pair in pairs}) > 1:
        raise ThbenchError(
            f"the frames of {unit.method}, T = {unit.T}, {unit.video} in {results.path} have "
            "different sizes; check the run with `thbench runs verify`"
        )
    return pairs


def _clip(
    results: Results, unit: Unit, pairs: Sequence[Image.Image], page: Path, stem: str
) -> Clip:
    still, animation = f"{stem}.png", f"{stem}.webp"
    (page / still).parent.mkdir(parents=True, exist_ok=True)

    pairs[0].save(page / still)
    pairs[0].save(
        page / animation,
        format="WEBP",
        save_all=True,
        append_images=pairs[1:],
        duration=FRAME_MS,
        loop=0,
        quality=WEBP_QUALITY,
    )
    name = method_name(results, unit.method)
    return Clip(name, unit.T, unit.video, still, animation, len(pairs))


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both
