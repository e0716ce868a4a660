"""Changing fields of a configuration dataclass from text (`--set batch=16`), with types and names
checked.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from thbench.errors import ThbenchError

Config = TypeVar("Config")


def override(config: Config, settings: dict[str, str]) -> Config:
    """A copy of the dataclass with `settings` applied; dots reach into nested ones
    (`net.channels`).

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


def _kind_of(config: Any, path: list[str], name: str) -> Any:
    """The declared type of the field that `path` leads to."""
    fields = {field.name for field in dataclasses.fields(config)}
    if path[0] not in fields:
        near = difflib.get_close_matches(path[0], fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(fields))}"
        raise ThbenchError(f"no setting {name!r}: {hint}")

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
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        if text in (choices := typing.get_args(kind)):
            return text
        raise ThbenchError(
            f"setting {name} = {text!r}: choose one of {', '.join(map(str, choices))}"
        )
    if origin in (types.UnionType, typing.Union):
        if text == "none" and type(None) in typing.get_args(kind):
            return None
        kind = next(option for option in typing.get_args(kind) if option is not type(None))
    if kind is bool:
        if text in ("true", "false"):
            return text == "true"
        raise ThbenchError(f"setting {name} = {text!r}: say true or false")
    try:
        return kind(text)
    except (TypeError, ValueError):
        raise ThbenchError(
            f"setting {name} = {text!r}: {getattr(kind, '__name__', kind)} expected"
        ) from None
