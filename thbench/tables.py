"""Parquet in: one way to read a table that may be damaged, or hold other columns than it should."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from thbench.errors import ThbenchError


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or (pa.types.is_dictionary(kind) and is_text(kind.value_type))
    )


def read_table(
    path: Path,
    remedy: str,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
    read_dictionary: Sequence[str] = (),
    data: bytes | None = None,
) -> Any:
    """The table (of `columns`, all unless given) of a Parquet file.

    schema: names and types that its columns must have; what is in `schema` may hold no null. data:
    the file's bytes, where they have been read already. Raises `ThbenchError` that names the file
    and `remedy`, what to do, when it is missing, damaged, or other than that.
    """
    try:
        source = path if data is None else pa.BufferReader(data)
        texts = list(read_dictionary)
        with pq.ParquetFile(source, read_dictionary=texts, pre_buffer=False) as file:
            # A thread of Arrow's that has just begun when a command ends aborts it now and then.
            table = file.read(columns=columns, use_threads=False)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise ThbenchError(f"{path} is missing or damaged ({reason}): {remedy}") from error

    for field in schema or ():
        if columns is not None and field.name not in columns:
            continue
        if field.name not in table.column_names:
            raise ThbenchError(f"{path} has no column {field.name}: {remedy}")

        found, nulls = table.schema.field(field.name).type, table[field.name].null_count
        if pa.types.is_dictionary(found):
            found = found.value_type
        if found != field.type or nulls:
            raise ThbenchError(
                f"{path} has a column {field.name} of {found} with {nulls} nulls, "
                f"not of {field.type}: {remedy}"
            )
    return table
