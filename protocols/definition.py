"""Protocols as data: one TOML file per experiment, checked on load, hashed into every run."""

from __future__ import annotations

import difflib
import json
import tomllib
import typing
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from thbench.errors import ThbenchError
from thbench.files import read_text, sha256_json
from thbench.records.decode import decode

Kind = Literal["self-reenactment", "cross-reenactment", "timing"]
DrivenBy = Literal["", "same-person", "other-persons"]
HoldoutRule = Literal["part", "interleaved", "clip"]  # clip: of videos that are scored as they lie
Identity = Literal["frame", "shots"]
Cluster = Literal["person", "video"]

# What a definition meant before it had these fields: runs of then are read with them.
BEFORE_VERSION_2 = {"holdout_rule": "interleaved", "cluster": "video"}


@dataclass(frozen=True)
class MethodEntry:
    """A method of a protocol: its row's label, what to load (`ours-ft`), and settings of its
    few-shot learning.

    own_checkpoint: its model differs from that of other methods of the same spec, so only
    `--checkpoint LABEL=PATH` names it.
    """

    label: str
    spec: str
    settings: dict[str, Any] = field(default_factory=dict)
    own_checkpoint: bool = False


@dataclass(frozen=True)
class Definition:
    """What an experiment measures. See protocols/definitions/ for the paper's."""

    name: str
    kind: Kind
    version: int
    source: str  # where the experiment is described
    methods: tuple[MethodEntry, ...]
    T: tuple[int, ...]
    metrics: tuple[str, ...] = ()
    dataset: str = ""  # used when no --dataset is given
    videos: int = 50
    holdout: int = 32
    holdout_rule: HoldoutRule = "part"  # self-reenactment: see `split.draw_split`
    cluster: Cluster = "person"  # what standard errors leave out as one
    seed: int = 0
    driven_by: DrivenBy = ""  # cross-reenactment: whose videos drive a head ...
    drivers: int = 1  # ... how many of them, `holdout` frames of each ...
    rank_by: str = ""  # ... and the metric that ranks them
    identity: Identity = "frame"  # what a face is compared with: the true frame, or the shots
    iterations: int = 100  # timing: measured repetitions ...
    warmup: int = 10  # ... after these

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ThbenchError(f"protocol {self.name!r}: {problem}")

    @property
    def sha256(self) -> str:
        """The identity of the measurement: runs that share it may share a table.

        Not in it: name and description, dataset, methods, metrics, how drivers are ranked, how
        errors are clustered, and the single values of T. The largest T counts, because it decides
        which frames are shots.
        """
        without = {"name", "source", "dataset", "methods", "metrics", "rank_by", "T", "cluster"}
        if self.kind != "cross-reenactment":
            without |= {"driven_by", "drivers"}
        if self.kind != "self-reenactment" or self.holdout_rule == "interleaved":
            without.add("holdout_rule")  # an interleaved protocol keeps the identity it always had
        if self.identity == "frame":
            without.add("identity")
        measured = {key: value for key, value in asdict(self).items() if key not in without}
        return sha256_json({**measured, "shots": max(self.T)})

    def described(self) -> dict[str, Any]:
        """The definition as plain JSON values."""
        return {
            **asdict(self),
            "methods": [asdict(method) for method in self.methods],
            "T": list(self.T),
            "metrics": list(self.metrics),
        }

    def with_values(self, **changes: Any) -> Definition:
        """A copy with the given fields changed, those that are None left alone."""
        return replace(
            self, **{name: value for name, value in changes.items() if value is not None}
        )


def load_definition(name_or_path: str) -> Definition:
    """A bundled protocol by name, or the user's own by path (`my.toml`).

    Raises `ThbenchError` for an unknown name or key (naming the nearest known one), or a value of
    the wrong type.
    """
    return parse_definition(_read(name_or_path), name_or_path)


def definition_text(name_or_path: str) -> str:
    """The TOML of a protocol with its comments; raises `ThbenchError` as `load_definition` does."""
    load_definition(name_or_path)
    return _read(name_or_path)


def definition_names() -> list[str]:
    """Names of the bundled protocols, sorted."""
    return sorted(
        file.name.removesuffix(".toml")
        for file in _folder().iterdir()
        if file.name.endswith(".toml")
    )


def parse_definition(text: str, where: str) -> Definition:
    """Reads and checks TOML text; `where` names it in errors."""
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raise ThbenchError(f"{where} is not TOML: nested too deep") from None
    except ValueError as error:  # of the syntax, or a number that is none
        raise ThbenchError(f"{where} is not TOML: {error}") from None
    _known_keys(raw, Definition, where)
    for name, value in raw.items():
        _check_type(name, value, where)
    methods = raw.get("methods", [])
    raw["methods"] = tuple(_method(entry, where) for entry in methods)
    for name in ("T", "metrics"):
        raw[name] = tuple(raw.get(name, ()))
    missing = [
        f.name
        for f in fields(Definition)
        if f.name in ("name", "kind", "version", "source") and f.name not in raw
    ]
    if missing:
        raise ThbenchError(f"{where} lacks {', '.join(missing)}")
    plain = {
        **raw,
        "methods": [asdict(method) for method in raw["methods"]],
        "T": list(raw["T"]),
        "metrics": list(raw["metrics"]),
    }
    return decode(
        Definition,
        plain,
        where,
        "see `thbench protocols show self-reenactment` for one that is right",
    )


def parse_stored(described: dict[str, Any]) -> Definition:
    """The definition that `described` came from, as a run.json keeps it.

    Raises `ThbenchError` for one that this thbench does not write.
    """
    return decode(
        Definition,
        BEFORE_VERSION_2 | described,
        "run.json: protocol.definition",
        "it was edited, or written by another version of thbench",
    )


def method_entry(spec: str) -> MethodEntry:
    """The entry of a method named on the command line; `external:NAME=DIR` is labelled NAME."""
    argument = spec.partition(":")[2]
    return MethodEntry(argument.partition("=")[0] if argument else spec, spec)


def _read(name_or_path: str) -> str:
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.exists():
            raise ThbenchError(
                f"no protocol file {path}; `thbench protocols list` names the bundled ones"
            )
        return read_text(path)
    names = definition_names()
    if name_or_path not in names:
        near = difflib.get_close_matches(name_or_path, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"bundled are {', '.join(names)}"
        raise ThbenchError(
            f"no protocol {name_or_path!r}: {hint} (a file of your own ends in .toml)"
        )
    text: str = _folder().joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")
    return text


def _method(entry: Any, where: str) -> MethodEntry:
    if isinstance(entry, str):
        return method_entry(entry)
    if not isinstance(entry, dict):
        raise ThbenchError(f"{where}, methods: {entry!r} is neither a name nor a table")
    _known_keys(entry, MethodEntry, f"{where}, methods")
    if "spec" not in entry:
        raise ThbenchError(f'{where}: a method needs spec = "...", got {entry!r}')
    try:
        json.dumps(entry, allow_nan=False)  # as run.json will hold it
    except (TypeError, ValueError) as error:
        raise ThbenchError(
            f"{where}, methods: {entry['spec']!r} has a setting that cannot be kept ({error})"
        ) from None
    return decode(
        MethodEntry, {"label": entry["spec"], **entry}, f"{where}, methods", "mend it there"
    )


def _known_keys(raw: dict[str, Any], kind: Any, where: str) -> None:
    known = [f.name for f in fields(kind)]
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise ThbenchError(
                f"{where}: unknown key {key!r}: "
                + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")
            )


def _check_type(name: str, value: Any, where: str) -> None:
    kind = typing.get_type_hints(Definition)[name]
    if typing.get_origin(kind) is Literal:
        if value not in typing.get_args(kind):
            choices = ", ".join(filter(None, typing.get_args(kind)))
            raise ThbenchError(f"{where}: {name} = {value!r}, choose one of {choices}")
        return
    expected = list if typing.get_origin(kind) is tuple else kind
    inner = typing.get_args(kind)[0] if expected is list and name != "methods" else None
    wrong = (
        not isinstance(value, expected)
        or isinstance(value, bool)
        or (
            inner is not None
            and not all(isinstance(item, inner) and not isinstance(item, bool) for item in value)
        )
    )
    if wrong:
        raise ThbenchError(
            f"{where}: {name} = {value!r}, {expected.__name__}"
            f"{f' of {inner.__name__}' if inner else ''} expected"
        )


def _problem(definition: Definition) -> str:
    """What is wrong with the values, or an empty string."""
    labels = [method.label for method in definition.methods]
    if not definition.T or min(definition.T) < 1 or len(set(definition.T)) < len(definition.T):
        return f"T = {list(definition.T)} must be different numbers from 1"
    if min(definition.videos, definition.holdout, definition.iterations, definition.drivers) < 1:
        return "videos, holdout, drivers and iterations must be at least 1"
    if definition.warmup < 0 or definition.seed < 0:
        return "warmup and seed must be at least 0"
    if (definition.kind == "cross-reenactment") != bool(definition.driven_by):
        return 'driven_by = "same-person" or "other-persons" belongs to kind = "cross-reenactment", and to no other'
    if definition.kind != "cross-reenactment" and (definition.drivers > 1 or definition.rank_by):
        return 'drivers and rank_by belong to kind = "cross-reenactment"'
    if len(set(labels)) < len(labels):
        return f"two methods have the same label in {labels}"
    if "real" in labels or "" in labels:
        return "no method may be labelled 'real' or ''"
    return ""


def _folder() -> Any:
    return resources.files("protocols") / "definitions"
