"""Protocols as data: one TOML file per experiment, checked on load, hashed into every run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from protocols.definition_files import definition_names, read_definition
from protocols.kinds import KINDS
from protocols.kinds.base import OF_ONE_KIND, Definition, MethodEntry, of_another_kind
from thbench.errors import ThbenchError
from thbench.records.decode import decode
from thbench.records.run import ProtocolRecord

__all__ = [
    "Definition",
    "MethodEntry",
    "definition_names",
    "definition_text",
    "load_definition",
    "method_entry",
    "parse_definition",
    "parse_stored",
    "stored_definition",
]

# What a definition meant before it had these values: runs of then are read with them.
BEFORE_VERSION_2 = {"holdout_rule": "interleaved", "cluster": "video"}

_MEND = "see `thbench protocols show self-reenactment` for one that is right"
_EDITED = "it was edited, or written by another version of thbench"


def load_definition(name_or_path: str) -> Definition:
    """A bundled protocol by name, or the user's own by path (`my.toml`).

    Raises `ThbenchError` for an unknown name or key (naming the nearest known one), or a value of
    the wrong type.
    """
    return parse_definition(read_definition(name_or_path), name_or_path)


def definition_text(name_or_path: str) -> str:
    """The TOML of a protocol with its comments; raises `ThbenchError` as `load_definition` does."""
    load_definition(name_or_path)
    return read_definition(name_or_path)


def parse_definition(text: str, where: str) -> Definition:
    """Reads and checks TOML text; `where` names it in errors."""
    try:
        raw = tomllib.loads(text)
    except RecursionError:
        raise ThbenchError(f"{where} is not TOML: nested too deep") from None
    except ValueError as error:  # of the syntax, or a number that is none
        raise ThbenchError(f"{where} is not TOML: {error}") from None

    methods = raw.get("methods", [])
    if isinstance(methods, list):
        raw["methods"] = [_plain_entry(entry, where) for entry in methods]
    return _from_values(raw, where, _MEND)


def parse_stored(described: Mapping[str, Any]) -> Definition:
    """The definition that `described` came from, as a run.json keeps it.

    Raises `ThbenchError` for one that this thbench does not write.
    """
    values = BEFORE_VERSION_2 | dict(described)
    return _from_values(values, "run.json: protocol.definition", _EDITED)


def stored_definition(protocol: ProtocolRecord) -> Definition:
    """The definition of a run; raises `ThbenchError` as `parse_stored` does."""
    return parse_stored(protocol.definition)


def method_entry(spec: str) -> MethodEntry:
    """The entry of a method named on the command line; `external:NAME=DIR` is labelled NAME."""
    argument = spec.partition(":")[2]
    return MethodEntry(argument.partition("=")[0] if argument else spec, spec)


def _from_values(values: Mapping[str, Any], where: str, remedy: str) -> Definition:
    """A definition of the kind that the values name."""
    if "kind" not in values:
        raise ThbenchError(f"{where} lacks kind; {remedy}")
    kind = values["kind"]
    if not isinstance(kind, str) or kind not in KINDS:
        raise ThbenchError(f"{where}: kind = {kind!r}, choose one of {', '.join(KINDS)}")

    own = {
        key: value
        for key, value in values.items()
        if key != "kind" and not _says_nothing(kind, key, value)
    }
    if problem := of_another_kind(kind, own):
        raise ThbenchError(f'{where}: {problem}; this is of kind = "{kind}"')
    return decode(KINDS[kind], own, where, remedy)


def _says_nothing(kind: str, key: str, value: Any) -> bool:
    """Whether a value belongs to another kind and is what stands there for lack of it."""
    for other, values in OF_ONE_KIND.items():
        if other != kind and key in values:
            return value in (values[key], BEFORE_VERSION_2.get(key))
    return False


def _plain_entry(entry: Any, where: str) -> Any:
    """A method as TOML has it, a name or a table, as a table with a label."""
    if isinstance(entry, str):
        named = method_entry(entry)
        return {"label": named.label, "spec": named.spec}
    if not isinstance(entry, dict):
        raise ThbenchError(f"{where}, methods: {entry!r} is neither a name nor a table")
    spec = entry.get("spec")
    if spec is None:
        raise ThbenchError(f'{where}: a method needs spec = "...", got {entry!r}')

    try:
        json.dumps(entry, allow_nan=False)  # as run.json will hold it
    except (TypeError, ValueError) as error:
        raise ThbenchError(
            f"{where}, methods: {spec!r} has a setting that cannot be kept ({error})"
        ) from None
    return {"label": spec, **entry}
