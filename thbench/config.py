"""Changing fields of a configuration dataclass from text (`--set batch=16`), with types and names checked."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from typing import Any, TypeVar

from thbench.errors import ThbenchError

Config = TypeVar("Config")


def override(config: Config, settings: dict[str, str]) -> Config:
    """A copy of the dataclass with `settings` applied; dots reach into nested ones (`net.channels`).

    Raises `ThbenchError` for an unknown name (with the nearest known one) or a value of the wrong type.
    """
    for name, text in settings.items():
        config = _set(config, name.split("."), text, name)
    return config


def _set(config: Any, path: list[str], text: str, name: str) -> Any:
    fields = {field.name for field in dataclasses.fields(config)}
    if path[0] not in fields:
        near = difflib.get_close_matches(path[0], fields, n=1)
        raise ThbenchError(f"no setting {name!r}: " + (f"did you mean {near[0]!r}?" if near
                                                       else f"known are {', '.join(sorted(fields))}"))
    if len(path) > 1:
        value = _set(getattr(config, path[0]), path[1:], text, name)
    else:
        value = _parse(text, typing.get_type_hints(type(config))[path[0]], name)
    return dataclasses.replace(config, **{path[0]: value})


def _parse(text: str, kind: Any, name: str) -> Any:
    origin = typing.get_origin(kind)
    if origin is typing.Literal:
        if text in (choices := typing.get_args(kind)):
            return text
        raise ThbenchError(f"setting {name} = {text!r}: choose one of {', '.join(map(str, choices))}")
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
        raise ThbenchError(f"setting {name} = {text!r}: {getattr(kind, '__name__', kind)} expected") from None
