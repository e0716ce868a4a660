"""Frozen dataclasses into plain JSON values, in the order of their fields; `decode` reads them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thbench.files import write_json

# Metadata of a field that is not written while it has its default.
WHERE_SAID = {"where_said": True}


def write_record(path: Path, record: Any) -> None:
    """Writes a record as strict JSON, atomically; see `thbench.files.write_json`."""
    write_json(path, encode(record))


def encode(value: Any) -> Any:
    """A record, or a list or mapping of records, as JSON values.

    The keys that a record takes from others (`decode.REST`) stand behind its own.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


def _object(record: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)

        if field.metadata.get("rest"):
            plain |= encode(value)
        elif not field.metadata.get("where_said") or value != _default(field):
            plain[field.name] = encode(value)
    return plain


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default
