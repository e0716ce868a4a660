"""The pictures of the HTML report: frames to compare and short clips."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from reports.figures import Rule, pick_frames
from reports.pictures import files_of, generated, load
from reports.published import display_name
from reports.results import Results
from reports.sections import in_paper_order
from thbench.errors import ThbenchError
from thbench.runs import Unit

FRAME_MS = 160  # hold-out frames are spread over the video, so a clip shows poses, not motion


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


def comparisons(results: Results, page: Path, folder: str, rule: Rule) -> list[Comparison]:
    """Copies the frames that the rule picks into `page`/`folder`; paths are relative to `page`."""
    found = []
    for number, frame in enumerate(
        pick_frames(results, rule, rule.judge or in_paper_order(results)[-1], results.shots[-1])
    ):
        copy = Copier(page, f"{folder}/{number}")
        shown = [
            copy_generated(
                results, Unit(label, T, frame.video), frame.index, copy, f"m{index}-T{T}.png"
            )
            for T in results.shots
            for index, label in enumerate(in_paper_order(results))
        ]
        person, _, video = frame.video.partition("/")
        source = copy(files_of(results, results.run.shots_folder(frame.video)).get(0), "source.png")
        real = copy(
            files_of(results, results.run.real_folder(frame.video)).get(frame.index), "real.png"
        )
        if source and real:  # an unfinished run may lack them
            found.append(Comparison(person, video, source, real, shown))
    return found


def clips(results: Results, page: Path, folder: str, video: str) -> list[Clip]:
    """One animated WebP per method at its largest T: true frames (or the driver's) left, the method
    right.
    """
    made = []
    T = results.shots[-1]
    real = files_of(results, results.run.real_folder(video))
    if results.is_cross:  # its drivers follow each other: the first one's frames
        drivers = results.drivers(video)
        real = {i: file for i, file in real.items() if drivers[i] == drivers[0]}
    for index, label in enumerate(in_paper_order(results)):
        ours = files_of(results, results.run.unit_folder(Unit(label, T, video)))
        pairs = [_side_by_side(load(real[i]), load(ours[i])) for i in real if i in ours]
        if not pairs:
            continue
        if len({pair.size for pair in pairs}) > 1:
            raise ThbenchError(
                f"the frames of {label}, T = {T}, {video} in {results.path} have different sizes; check "
                "the run with `thbench runs verify`"
            )
        still, animation = f"{folder}/m{index}.png", f"{folder}/m{index}.webp"
        (page / folder).mkdir(parents=True, exist_ok=True)
        pairs[0].save(page / still)
        pairs[0].save(
            page / animation,
            format="WEBP",
            save_all=True,
            append_images=pairs[1:],
            duration=FRAME_MS,
            loop=0,
            quality=85,
        )
        made.append(Clip(method_name(results, label), T, video, still, animation, len(pairs)))
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
    return bool(results.videos) and all(
        files_of(results, folder)
        for folder in (
            results.run.real_folder(results.videos[0]),
            results.run.shots_folder(results.videos[0]),
        )
    )


@dataclass(frozen=True)
class Copier:
    """Copies pictures into one folder of the page, byte for byte."""

    page: Path
    folder: str

    def __call__(self, file: Path | None, name: str) -> str:
        if file is None:
            return ""
        (self.page / self.folder).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, self.page / self.folder / name)
        return f"{self.folder}/{name}"


def copy_generated(results: Results, unit: Unit, index: int, copy: Copier, name: str) -> Shown:
    """Copies the picture that a unit made of a hold-out frame, where there is one."""
    label = method_name(results, unit.method)
    picture = generated(results, unit, index)
    if isinstance(picture, str):
        return Shown(label, unit.T, missing=picture)
    return Shown(label, unit.T, copy(files_of(results, results.run.unit_folder(unit))[index], name))


def method_name(results: Results, label: str) -> str:
    """The name that the page prints for a method label."""
    return display_name(label, results.methods[label]["spec"])


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both
