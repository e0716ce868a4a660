"""Changing fields of a configuration dataclass from text (`--set batch=16`), with types checked."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from thbench.errors import ThbenchError
from thbench.nearest import hint
from thbench.records.decode import decode
from thbench.records.encode import encode

Config = TypeVar("Config")


def override(config: Config, settings: dict[str, str]) -> Config:
    """A copy of the dataclass with `settings` applied; dots reach nested ones (`net.channels`).

    All are applied at once, so that settings which only fit together may be changed together.
    Raises `ThbenchError` for an unknown name (with the nearest known one), a value of the wrong
    type, or values that the dataclass itself refuses.
    """
    changes: dict[str, Any] = {}
    for name, text in settings.items():
        path = name.split(".")
        value = _parse(text, _kind_of(config, path, name), name)
        _put(changes, path, value)
    changed: Config = _replaced(config, changes)
    return changed


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """`["batch=16", "net.width=8"]` -> `{"batch": "16", "net.width": "8"}`, for `override`."""
    settings = {}

    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ThbenchError(f"--set {text!r}: write NAME=VALUE, for example --set batch=16")
        settings[name] = value

    return settings


def with_values(config: Config, values: Mapping[str, Any], where: str) -> Config:
    """A copy of the dataclass with values as a file has them; `where` names it in errors.

    Raises `ThbenchError` for an unknown name (with the nearest known one) and a value of the wrong
    type.
    """
    names = ", ".join(field.name for field in dataclasses.fields(config))  # type: ignore[arg-type]
    return decode(type(config), {**encode(config), **values}, where, f"known are {names}")


def plain_value(text: str, name: str) -> Any:
    """What text stands for where no type is declared: a number, true or false, none, or text.

    Raises `ThbenchError` for a number that no file can hold.
    """
    value = _plain(text, bool | int | float | None)
    if isinstance(value, float) and not math.isfinite(value):
        raise ThbenchError(f"setting {name} is {text}, not a finite number")
    return value


def _kind_of(config: Any, path: list[str], name: str) -> Any:
    """The declared type of the field that `path` leads to."""
    fields = {field.name for field in dataclasses.fields(config)}
    if path[0] not in fields:
        raise ThbenchError(f"no setting {name!r}: {hint(path[0], sorted(fields))}")

    value = getattr(config, path[0])
    if len(path) > 1 and not dataclasses.is_dataclass(value):
        raise ThbenchError(f"no setting {name!r}: {path[0]} is one value")
    if len(path) == 1 and dataclasses.is_dataclass(value):
        inner = ", ".join(f"{path[0]}.{field.name}" for field in dataclasses.fields(value))
        raise ThbenchError(f"no setting {name!r} by itself: choose among {inner}")
    if len(path) > 1:
        return _kind_of(value, path[1:], name)
    return typing.get_type_hints(type(config))[path[0]]


def _put(changes: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        changes = changes.setdefault(step, {})
    changes[path[-1]] = value


def _replaced(config: Any, changes: dict[str, Any]) -> Any:
    """A copy with nested changes, inner dataclasses first, each checked once with all of them."""
    new = {
        name: _replaced(getattr(config, name), change) if isinstance(change, dict) else change
        for name, change in changes.items()
    }
    return dataclasses.replace(config, **new)


def _parse(text: str, kind: Any, name: str) -> Any:
    """The value that the text of a setting stands for; raises `ThbenchError` where it is none of
    the declared type.
    """
    return decode(kind, _plain(text, kind), f"setting {name}", "give it another value")


def _plain(text: str, kind: Any) -> Any:
    """What the text would be in a file: a number, true or false, nothing, or text as it is."""
    options = typing.get_args(kind)
    kinds = options if type(None) in options else (kind,)
    if text == "none" and type(None) in kinds:
        return None
    if text in ("true", "false") and bool in kinds:
        return text == "true"

    for number in (int, float):
        if number in kinds:
            with suppress(ValueError):
                return number(text)
    return text
