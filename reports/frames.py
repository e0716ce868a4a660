"""frames.parquet of a run: one row per method, T, video and hold-out frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

import pandas as pd
import pyarrow as pa

from thbench.errors import ThbenchError
from thbench.runs import Run
from thbench.tables import is_text, read_table

COLUMNS: Mapping[str, Callable[[pa.DataType], bool]] = {
    "method": is_text,
    "T": pa.types.is_integer,
    "person": is_text,
    "video": is_text,
    "frame": is_text,
    "position": pa.types.is_integer,
    "error": is_text,
}


def read_frames(run: Run, metrics: Set[str]) -> pd.DataFrame:
    """The table, with a column of numbers for each of `metrics` that is measured frame by frame.

    Raises `ThbenchError` when the file is missing, altered or broken.
    """
    file = run.checked_frames_parquet()
    remedy = f"rebuild it with `thbench score {run.path}`"
    table = read_table(file, remedy)

    for name, holds in COLUMNS.items():
        is_whole = name in table.column_names and not table[name].null_count
        if not is_whole or not holds(table.schema.field(name).type):
            raise ThbenchError(f"{file} has no whole column {name}: {remedy}")

    for name in metrics & set(table.column_names):
        if not pa.types.is_floating(table.schema.field(name).type):
            raise ThbenchError(f"{file} has no numbers in {name}: {remedy}")

    frames: pd.DataFrame = table.to_pandas()
    return frames
