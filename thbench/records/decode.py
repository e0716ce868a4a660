"""Plain JSON values into frozen dataclasses: types and keys are checked, and what is wrong is told
in one line.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from thbench.errors import ThbenchError
from thbench.files import read_json
from thbench.nearest import did_you_mean

Record = TypeVar("Record")
REST = {
    "rest": True
}  # metadata of the one field of a class that takes all keys that it does not name
_LARGEST = 2**63  # what a table or an array can hold
_SHOWN = 60  # characters of a wrong value


class _WrongError(Exception):
    """What is wrong, and where in the file: "split.videos[2].shots"."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(what)
        self.what, self.where = what, where

    def inside(self, part: str) -> _WrongError:
        """The same, seen from one level further out."""
        joined = self.where if not self.where or self.where.startswith("[") else f".{self.where}"
        return _WrongError(self.what, part + joined)


def read_record(path: Path, kind: type[Record], remedy: str) -> Record:
    """The JSON file `path` as `kind`, a dataclass or a mapping type.

    Raises `ThbenchError` naming the file, the place in it and `remedy`, what to do, for a file that
    is missing or no JSON, for a key that is missing or unknown, and for a value of the wrong type.
    """
    return decode(kind, read_json(path), path, remedy)


def decode(kind: type[Record], value: Any, path: Path | str, remedy: str) -> Record:
    """`read_record` for a value that was read from `path` already."""
    try:
        decoded: Record = _decoded(kind, value)
    except _WrongError as wrong:
        place = f"{path}: {wrong.where}" if wrong.where else str(path)
        raise ThbenchError(f"{place} {wrong.what}; {remedy}") from None
    return decoded


def _decoded(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value)
    if origin is Literal:
        return _choice(arguments, value)
    if origin in (types.UnionType, typing.Union):
        (known,) = (option for option in arguments if option is not types.NoneType)
        return None if value is None else _decoded(known, value)
    if origin in (list, Sequence):
        return [_item(arguments[0], item, f"[{place}]") for place, item in enumerate(_list(value))]
    if origin is tuple:
        return _tuple(arguments, _list(value))
    if isinstance(kind, type) and issubclass(kind, tuple):  # a NamedTuple: a list with names
        return kind(*_tuple(tuple(_hints(kind).values()), _list(value)))
    if origin in (dict, Mapping):
        return {
            _decoded(str, key): _item(arguments[1], item, key)
            for key, item in _object(value).items()
        }
    return _plain(kind, value)


def _dataclass(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    given = _object(value)
    rest = next(
        (field.name for field in dataclasses.fields(kind) if field.metadata.get("rest")), None
    )
    if rest is not None:
        given = {
            **{key: item for key, item in given.items() if key in hints},
            rest: {key: item for key, item in given.items() if key not in hints},
        }
    for key in given:
        if key not in hints:
            near = did_you_mean(key, hints)
            raise _WrongError(f"has the unknown key {_brief(key)}" + (f" ({near})" if near else ""))
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.name not in given
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise _WrongError(f"lacks {', '.join(missing)}")
    values = {key: _item(hints[key], item, key) for key, item in given.items()}
    try:
        return kind(**values)
    except ValueError as error:  # what the class itself asks of its values
        raise _WrongError(str(error)) from None


def _item(kind: Any, value: Any, place: str) -> Any:
    try:
        return _decoded(kind, value)
    except _WrongError as wrong:
        raise wrong.inside(place) from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"is {_brief(value)}, not an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongError(f"is {_brief(value)}, not a list")
    return value


def _tuple(kinds: tuple[Any, ...], values: list[Any]) -> tuple[Any, ...]:
    if kinds[1:] == (...,):
        kinds = kinds[:1] * len(values)
    if len(kinds) != len(values):
        raise _WrongError(f"is {_brief(values)}, not a list of {len(kinds)}")
    return tuple(
        _item(kind, item, f"[{place}]")
        for place, (kind, item) in enumerate(zip(kinds, values, strict=True))
    )


def _choice(choices: tuple[Any, ...], value: Any) -> Any:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise _WrongError(f"is {_brief(value)}, not one of {', '.join(map(repr, choices))}")
    return value


def _plain(kind: Any, value: Any) -> Any:
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < _LARGEST else math.inf
    if type(value) is not kind:
        raise _WrongError(f"is {_brief(value)}, not {_NAMES[kind]}")
    if kind is float and not math.isfinite(value):
        raise _WrongError(f"is {_brief(value)}, not a finite number")
    if kind is int and not -_LARGEST < value < _LARGEST:
        raise _WrongError(f"is {_brief(value)}, which is too large")
    if kind is str and "\0" in value:
        raise _WrongError(f"is {_brief(value)}, which holds a null character")
    return value


def _brief(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
