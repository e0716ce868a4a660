"""Public systems that thbench knows: `system:NAME=DIR`, where DIR is a clone of its repository."""

from __future__ import annotations

import difflib
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from baselines.external.settings import refuse_unknown
from baselines.external.video import SETTINGS as VIDEO_SETTINGS
from baselines.external.video import VideoProgram
from baselines.external.worker import SETTINGS as WORKER_SETTINGS
from baselines.external.worker import Worker
from thbench.errors import ThbenchError
from thbench.method import Frames, Method, MethodOptions
from thbench.records.decode import decode

_ENVIRONMENTS = (".venv/bin/python", "venv/bin/python")


@dataclass(frozen=True)
class Door:
    """How a system is called: a command line and settings of `video`, or a worker's script."""

    kind: Literal["video", "worker"]
    command: str = ""
    script: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """What is known of a system: where it is, what it asks for, and what one should know.

    files, weight_files: paths that a clone must have, weights included.
    """

    title: str
    repository: str
    weights: str
    licence: str
    sees: Literal["image", "landmarks"]
    size_px: int
    files: list[str]
    weight_files: list[str]
    traps: list[str]
    door: Door


def recipe_names() -> list[str]:
    """All systems, sorted."""
    return sorted(file.name.removesuffix(".toml") for file in _files() if file.suffix == ".toml")


def recipe(name: str) -> Recipe:
    """The recipe of a system; raises `ThbenchError` for an unknown one, with the nearest known."""
    if name not in recipe_names():
        near = difflib.get_close_matches(name, recipe_names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(recipe_names())}"
        raise ThbenchError(f"no system {name!r}: {hint}")
    raw = tomllib.loads(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"))
    door = raw["door"]
    own = {key: door.pop(key) for key in ("kind", "command", "script") if key in door}
    refuse_unknown(name, door, VIDEO_SETTINGS if own["kind"] == "video" else WORKER_SETTINGS)
    raw["door"] = {**own, "settings": door}
    return decode(Recipe, raw, f"{name}.toml", "it comes with thbench: install it again")


def system(options: MethodOptions) -> Method:
    """Entry point; raises `ThbenchError` naming the source of a file that the clone lacks."""
    name, equals, folder = options.argument.partition("=")
    if not (name and equals and folder):
        raise ThbenchError(
            f"system:{options.argument} names no clone: write system:NAME=DIR; `thbench systems "
            "list` says which there are"
        )
    known, repository = recipe(name), Path(folder).expanduser().resolve()
    for what in missing(known, repository):
        raise ThbenchError(f"{name}: {what}; `thbench systems check {name} --repo {folder}`")
    return opened(known, name, repository, options)


def opened(known: Recipe, name: str, repository: Path, options: MethodOptions) -> Method:
    """The system as a method; its files are not looked for. Settings of `options` go first."""
    settings = {"cwd": str(repository), **known.door.settings, **options.settings}
    if known.door.kind == "video":
        line = known.door.command.replace("{python}", shlex.quote(python_of(repository)))
        settings["notes"] = [known.title, *settings.get("notes", [])]
        return VideoProgram(replace(options, argument=f"{name}={line}", settings=settings))
    script = _folder() / known.door.script
    line = shlex.join([python_of(repository), str(script), str(repository), name])
    return Worker(replace(options, argument=f"{name}={line}", settings=settings))


def python_of(repository: Path) -> str:
    """The Python of a clone: of an environment inside it, else the one on the path."""
    for place in _ENVIRONMENTS:
        if (repository / place).exists():
            return str(repository / place)
    return "python"


def missing(known: Recipe, repository: Path) -> list[str]:
    """What a clone lacks, one line each, with where it comes from."""
    if not repository.is_dir():
        return [f"{repository} is not a folder; clone {known.repository}"]
    code = [file for file in known.files if not (repository / file).exists()]
    weights = [file for file in known.weight_files if not (repository / file).exists()]
    return [
        *(f"{repository / file} is missing; is it a clone of {known.repository}?" for file in code),
        *(f"{repository / file} is missing: {known.weights}" for file in weights),
    ]


def checks(name: str, repository: Path, trial: Frames) -> Iterator[tuple[str, str]]:
    """(what was checked, what is wrong or ""): files, weights, then one head and two frames.

    trial: at least three frames of one person. Stops where nothing more can work.
    """
    known, repository = recipe(name), repository.expanduser().resolve()
    lacking = missing(known, repository)
    yield (
        f"{len(known.files)} files of the code, {len(known.weight_files)} of weights",
        "; ".join(lacking),
    )
    if lacking:
        return

    yield f"its Python: {python_of(repository)}", ""
    try:
        method = opened(known, name, repository, MethodOptions(size_px=trial.size_px))
        head = method.adapt(trial[:1])
        images = head.render(trial[1:3])
    except ThbenchError as error:
        yield "a trial: one head, two frames", str(error)
        return
    yield f"a trial: one head, two frames of {images.shape[-1]} pixels", ""
    for note in getattr(head, "notes", []):
        yield note, ""


def _folder() -> Path:
    return Path(str(resources.files("baselines.external.recipes")))


def _files() -> list[Path]:
    return sorted(_folder().iterdir())
