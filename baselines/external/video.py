"""Video in, video out: `video:NAME='prog -s {source} -d {driving} -o {result}'`.

Nearly every open system takes a picture and a driving video and writes a video. Each unit is one
run of the program, without a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, get_args

import cv2
import numpy as np
import torch
from torch import Tensor

from baselines.external.export import write_pngs
from baselines.external.program import workplace
from baselines.external.results import Results, found_frames
from baselines.external.running import run_program
from baselines.external.settings import TIMEOUT_S, Program, read_program
from thbench.data.clip_files import keep_part
from thbench.data.lossless import write_lossless
from thbench.data.video import write_video
from thbench.errors import ThbenchError
from thbench.method import Frames, MethodOptions

Shots = Literal["nearest-landmarks", "first", "all-as-mp4"]

SETTINGS = (
    "cwd",
    "prepend",
    "keep",
    "resize",
    "shots",
    "fps",
    "lossless",
    "timeout_s",
    "result",
    "strip",
    "root_config",
    "linked_weights",
    "notes",
)
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_IN = {"source", "sources", "driving", "driving_frames", "frames_root", "indices", "fps", "config"}
_OUT = {"result", "out", "weights"}


class VideoHead:
    """The shots, kept until there is something to render: the program learns and renders at once.

    notes: which shot was used, and how the result came back.
    """

    def __init__(self, method: VideoProgram, shots: Frames) -> None:
        self.method, self.shots = method, shots
        self.notes: list[str] = []

    def render(self, drive: Frames) -> Tensor:
        """uint8 [N, 3, S, S]: one run of the program.

        Raises `ThbenchError` when it fails, runs too long, or leaves no result of the right shape.
        """
        images, self.notes = self.method.render(self.shots, drive)
        return images


class VideoProgram:
    """A program that is run once per video.

    {source} is a PNG of one shot, or a video of all with shots = "all-as-mp4", which {indices}
    counts; {sources} a folder of all. {driving} is a video, {driving_frames} the same as PNGs,
    {frames_root} both as the folder test/clip/0000.png that FOMM and its heirs read, the shot
    first. The result goes to {result}, or anywhere below {out}, where the pattern `result` finds
    it. {fps} is the rate. {config} and {weights}: see `root_config` and `linked_weights`.
    """

    drives_with: Literal["landmarks", "image"] = "image"

    def __init__(self, options: MethodOptions) -> None:
        """argument: "NAME=COMMAND" or "NAME=FILE.toml"; raises `ThbenchError` for what it cannot
        run.

        settings: cwd; prepend = "shot": the driving video begins with the shot, which makes motion
        relative to the first frame absolute; keep: which part of a frame is the result; resize: the
        size in pixels that the program wants; shots; fps; lossless: FFV1 goes in; timeout_s;
        result: a pattern below {out}; strip: the result is one picture with all frames in a row;
        root_config: a file whose line `root_dir:` is to name {frames_root}, handed over as
        {config}; linked_weights: a file whose link in {out} is {weights}, for programs that write
        beside it; notes: for the run's record.
        """
        self.program = read_program("video", options, SETTINGS)
        self.name = self.program.name
        self.choices = _Choices(self.program)
        _check_placeholders(self.program)
        self.provenance: dict[str, Any] = {
            "config": {"command": " ".join(self.program.words), **self.program.settings},
            "notes": [
                "learns and renders in one run: all its time is rendering",
                *self.choices.notes,
            ],
        }

    def adapt(self, shots: Frames) -> VideoHead:
        return VideoHead(self, shots)

    def render(self, shots: Frames, drive: Frames) -> tuple[Tensor, list[str]]:
        """The frames uint8 [N, 3, S, S], and what is to be noted; see `VideoHead.render`."""
        chosen = _nearest(shots, drive) if self.choices.shots == "nearest-landmarks" else 0
        with workplace() as place:
            out = place.folder / "out"
            out.mkdir()
            values = self._written(place.folder, shots, chosen, drive)
            words = [part for word in self.program.words for part in _filled(word, values)]
            run_program(self.name, place, words, self.choices.timeout_s, self.choices.cwd)

            leading = int(self.choices.leads or self._reads_a_root)
            wanted = Results(
                self.choices.pattern,
                len(drive) + leading,
                drive.size_px,
                self.choices.keep,
                bool(self.choices.resize_px),
                self.choices.strip,
            )
            images, came_back = found_frames(self.name, out, wanted)
        used = f"shot {chosen} of {len(shots)}" if self.choices.is_one_shot else "all shots"
        return images[leading:], [used, f"result: {came_back}"]

    @property
    def _reads_a_root(self) -> bool:
        return bool(_used(self.program.words) & {"frames_root", "config"})

    def _written(
        self, folder: Path, shots: Frames, chosen: int, drive: Frames
    ) -> Mapping[str, Sequence[str]]:
        """Writes what the program reads; the words that stand for each placeholder."""
        used, choices = _used(self.program.words), self.choices
        source = self._sized(shots.images[[chosen]])
        moving = self._sized(drive.images)
        if choices.leads:
            moving = torch.cat([source, moving])
        values = {
            "indices": [str(index) for index in range(len(shots))],
            "fps": [f"{choices.fps:g}"],
            "out": [str(folder / "out")],
            "result": [str(folder / "out" / f"result{choices.suffix}")],
        }

        if "source" in used and choices.is_one_shot:
            write_pngs(folder / "source", source)
            values["source"] = [str(folder / "source" / "00.png")]
        elif "source" in used:
            values["source"] = [str(self._video(folder / "shots", self._sized(shots.images)))]
        if "sources" in used:
            write_pngs(folder / "sources", self._sized(shots.images))
            values["sources"] = [str(folder / "sources")]
        if "driving" in used:
            values["driving"] = [str(self._video(folder / "driving", moving))]
        if "driving_frames" in used:
            write_pngs(folder / "driving_frames", moving, digits=6)
            values["driving_frames"] = [str(folder / "driving_frames")]
        if self._reads_a_root:
            root = folder / "root"
            (root / "train").mkdir(parents=True)
            write_pngs(
                root / "test" / "clip", torch.cat([source, self._sized(drive.images)]), digits=4
            )
            values["frames_root"] = [str(root)]
        if "config" in used:
            values["config"] = [str(_config(choices, folder))]
        if "weights" in used:
            values["weights"] = [str(_link(choices, folder / "out"))]
        return values

    def _sized(self, images: Tensor) -> Tensor:
        size_px = self.choices.resize_px
        if not size_px or size_px == images.shape[-1]:
            return images
        method = cv2.INTER_AREA if size_px < images.shape[-1] else cv2.INTER_CUBIC
        resized = [
            cv2.resize(image.permute(1, 2, 0).numpy(), (size_px, size_px), interpolation=method)
            for image in images
        ]
        return torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).contiguous()

    def _video(self, stem: Path, images: Tensor) -> Path:
        path = stem.with_suffix(self.choices.suffix)
        if self.choices.lossless:
            write_lossless(path, images, self.choices.fps)
        else:
            write_video(path, images, self.choices.fps)
        return path


class _Choices:
    """The settings of a program, checked."""

    def __init__(self, program: Program) -> None:
        shots = program.text("shots", "nearest-landmarks")
        prepend = program.text("prepend", "")
        if shots not in get_args(Shots):
            raise ThbenchError(
                f"{program.name}: shots = {shots!r}, choose one of {', '.join(get_args(Shots))}"
            )
        if prepend not in ("", "shot"):
            raise ThbenchError(f'{program.name}: prepend = {prepend!r}, "shot" or nothing expected')
        self.shots, self.leads = shots, prepend == "shot"
        self.is_one_shot = shots != "all-as-mp4"
        self.keep = keep_part(program.text("keep", "all"))
        self.resize_px = int(program.number("resize", 1)) if "resize" in program.settings else 0
        self.fps = program.number("fps", 25)
        self.lossless = bool(program.settings.get("lossless", False))
        self.strip = bool(program.settings.get("strip", False))
        self.timeout_s = program.number("timeout_s", TIMEOUT_S)
        self.cwd = program.folder("cwd")
        self.suffix = ".mkv" if self.lossless else ".mp4"
        self.pattern = _pattern(program)
        self.config = _file(program, "root_config", self.cwd)
        self.weights = _file(program, "linked_weights", self.cwd)
        notes = program.settings.get("notes", [])
        if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
            raise ThbenchError(f"{program.name}: notes = {notes!r} must be a list of texts")
        self.notes: list[str] = notes


def video(options: MethodOptions) -> VideoProgram:
    """Entry point."""
    return VideoProgram(options)


def _pattern(program: Program) -> str:
    """The setting `result`: a pattern that stays below {out}."""
    text = program.text("result", "result.*")
    parts = PurePath(text).parts
    malformed = any("**" in part and part != "**" for part in parts)
    if not parts or PurePath(text).is_absolute() or ".." in parts or malformed:
        raise ThbenchError(
            f"{program.name}: result = {text!r} is not a pattern of files below {{out}}, such as "
            '"*.mp4" or "made/*.png"'
        )
    return text


def _file(program: Program, key: str, cwd: Path | None) -> Path | None:
    value = program.text(key, "")
    if not value:
        return None
    path = (cwd or Path.cwd()) / value
    if not path.is_file():
        raise ThbenchError(f"{program.name}: {key}: {path} is missing")
    return path


def _check_placeholders(program: Program) -> None:
    used = _used(program.words)
    if used - _IN - _OUT:
        raise ThbenchError(
            f"video:{program.name} has the unknown placeholder {{{min(used - _IN - _OUT)}}}; known "
            f"are {', '.join(f'{{{name}}}' for name in sorted(_IN | _OUT))}"
        )
    moved = used & {"driving", "driving_frames", "frames_root", "config"}
    if not moved or not used & _OUT:
        raise ThbenchError(
            f"video:{program.name} must name what drives, such as {{driving}}, and where the "
            "result goes, {result} or {out}"
        )
    for placeholder, key in (("config", "root_config"), ("weights", "linked_weights")):
        if placeholder in used and key not in program.settings:
            raise ThbenchError(f"video:{program.name}: {{{placeholder}}} needs the setting {key}")


def _used(words: Sequence[str]) -> set[str]:
    return set(_PLACEHOLDER.findall(" ".join(words)))


def _filled(word: str, values: Mapping[str, Sequence[str]]) -> list[str]:
    """A word with its placeholders filled; {indices} alone becomes several words."""
    if word == "{indices}":
        return list(values["indices"])
    return [_PLACEHOLDER.sub(lambda found: " ".join(values[found[1]]), word)]


def _nearest(shots: Frames, drive: Frames) -> int:
    """The shot whose landmarks lie nearest to those of the driving frames, on average."""
    distances = (shots.landmarks[:, None] - drive.landmarks[None]).norm(dim=-1).mean(dim=(1, 2))
    return int(distances.argmin())


def _config(choices: _Choices, folder: Path) -> Path:
    assert choices.config is not None
    text, count = re.subn(
        r"(?m)^(\s*root_dir:).*$",
        lambda found: f"{found[1]} {folder / 'root'}",
        choices.config.read_text(encoding="utf-8"),
    )
    if count != 1:
        raise ThbenchError(f"{choices.config} has {count} lines root_dir:, one is expected")
    path = folder / choices.config.name
    path.write_text(text, encoding="utf-8")
    return path


def _link(choices: _Choices, out: Path) -> Path:
    assert choices.weights is not None
    path = out / choices.weights.name
    path.symlink_to(choices.weights.resolve())
    return path
