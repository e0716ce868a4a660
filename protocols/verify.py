"""Verifying a run: are its frames those that were committed, and its numbers those that follow from
its scores?
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from protocols.definition import parse_stored, stored_definition
from protocols.derive import derive
from protocols.pack import is_packed
from protocols.stored_scores import altered_scores, scores_file
from thbench.errors import ThbenchError
from thbench.metrics.base import load_metric
from thbench.records.decode import read_record
from thbench.records.encode import encode
from thbench.records.summary import SummaryRecord
from thbench.records.unit import UnitResult
from thbench.runs import REAL, Run, Unit
from thbench.tables import read_table

RELATIVE = 1e-9  # means and intervals may differ in their last digits between machines
SHOWN = 5  # differences listed of each file

Results = Sequence[tuple[Unit, UnitResult | None]]


def verify_run(run: Run) -> tuple[list[str], list[str]]:
    """(what was checked, what is wrong), one line each.

    Every frame is hashed again and compared with its commit mark, hold-out frames, shots and
    triplets too. Stored scores, features and tables are compared with the record in run.json, and
    frames.parquet and summary.json are made again from them and compared value by value.
    """
    results = _results(run)
    videos = list(dict.fromkeys(unit.video for unit, _ in results))
    wrong = [
        *_definition_faults(run),
        *_unit_faults(run, results),
        *_reference_faults(run, videos),
    ]

    frames = sum(len(result.frames) for _, result in results if result is not None)
    checked = [
        f"a packed run: the {frames} frames of {len(results)} units are not here, only their hashes"
        if is_packed(run)
        else f"{len(results)} units, {frames} frames and the references of {len(videos)} videos "
        "hashed"
    ]
    if run.summary_json.exists() or run.scored():
        done = [unit for unit, result in results if result and result.status == "done"]
        wrong += _check_numbers(run, done)
        checked += _checked_numbers(run)
    return checked, wrong


def _results(run: Run) -> Results:
    """The floor and every planned unit with its result; nothing for a run that measured times."""
    if stored_definition(run.record().protocol).measures == "time":
        return []

    # Where no other frame of a person is known, there is no floor.
    floor = [
        Unit(REAL, 0, video.key)
        for video in run.record().split.videos
        if video.floor or video.driver_of is not None
    ]
    return [(unit, run.read_unit(unit)) for unit in [*floor, *run.planned()]]


def _definition_faults(run: Run) -> Iterator[str]:
    protocol = run.record().protocol
    if parse_stored(protocol.definition).sha256 != protocol.sha256:
        yield "run.json: the definition does not have the sha256 that stands beside it"


def _unit_faults(run: Run, results: Results) -> Iterator[str]:
    """What is missing, failed or altered: first the results, then the frames."""
    for unit, result in results:
        if result is None:
            yield f"{_name(unit)}: no result; `thbench run-protocol --resume {run.path}`"
    for unit, result in results:
        if result is not None and result.status == "failed":
            yield f"{_name(unit)}: failed: {result.error}"
    if is_packed(run):
        return
    for unit, _ in results:
        for name in run.altered_frames(unit):
            yield f"{_name(unit)}: {name} is not the frame that was committed"


def _reference_faults(run: Run, videos: Iterable[str]) -> Iterator[str]:
    for video in videos:
        if not run.references_mark(video).exists():
            yield (
                f"{video}: its hold-out frames and shots are not written; "
                f"`thbench run-protocol --resume {run.path}`"
            )
        for name in [] if is_packed(run) else run.altered_references(video):
            yield (
                f"{video}: {name} is not the file that was written; remove its folder and resume "
                "the run"
            )


def _checked_numbers(run: Run) -> Iterator[str]:
    """What was checked of scores and tables."""
    yield "frames.parquet and summary.json derived again from the stored scores"
    if run.scored():
        yield f"{len(run.scored())} files of scores and tables hashed"
    else:
        yield (
            "no record of scores, which older versions did not keep; "
            f"`thbench score {run.path}` begins one"
        )


def _check_numbers(run: Run, done: list[Unit]) -> list[str]:
    """What is wrong with scores and tables: the scores first, since the tables follow from them."""
    record, again = run.scored(), f"`thbench score {run.path}` makes it again from the frames"
    stored = [
        file.relative_to(run.path).as_posix()
        for unit in done
        if (file := scores_file(run, unit)).exists()
    ]
    unknown = [name for name in stored if record and name not in record]
    altered = altered_scores(run)

    sources = [
        *(f"{name} is not the file that was written; {again}" for name in altered),
        *(f"{name} is not on record; {again}" for name in unknown),
    ]
    missing = [
        f"{table.name} is missing; {again}"
        for table in (run.summary_json, run.frames_parquet)
        if not table.exists()
    ]

    if sources or missing:
        return [*_several("stored scores", iter(sources)), *missing]
    return _table_faults(run) or [
        f"{name} is not the file that was written; {again}" for name in run.altered_numbers()
    ]


def _table_faults(run: Run) -> list[str]:
    """Where the tables differ from those that follow from the stored scores."""
    try:
        stored = read_record(run.summary_json, SummaryRecord, "`thbench score` writes it again")
        loaded = {name: load_metric(name) for name in stored.metrics}
        table, summary = derive(run, loaded, _unavailable(stored))
        kept = read_table(
            run.frames_parquet, f"score the run again with `thbench score {run.path}`"
        ).to_pandas()
    except (ThbenchError, OSError, ValueError, pa.ArrowException) as error:
        return [f"the numbers cannot be derived again: {error}"]
    return [
        *_several("frames.parquet", _table_differences(kept, table)),
        *_several("summary.json", differences(encode(stored), encode(summary))),
    ]


def _unavailable(summary: SummaryRecord) -> dict[str, str]:
    """The metrics that the run could not compute, with the reasons it gave."""
    found = {}
    for name in summary.metrics:
        scores = [row.metrics[name] for row in summary.rows]
        reasons = [score.reason for score in scores if score.n == score.n_failed == 0]
        if reasons and len(reasons) == len(scores) and reasons[0] and all(reasons):
            found[name] = reasons[0]
    return found


def _table_differences(stored: pd.DataFrame, derived: pd.DataFrame) -> Iterator[str]:
    if list(stored.columns) != list(derived.columns) or len(stored) != len(derived):
        yield (
            f"{len(stored)} rows of {', '.join(stored.columns)}; {len(derived)} rows of "
            f"{', '.join(derived.columns)} follow from the scores"
        )
        return
    for column in derived.columns:
        for row, (ours, theirs) in enumerate(zip(stored[column], derived[column], strict=True)):
            if ours != theirs and not (pd.isna(ours) and pd.isna(theirs)):
                at = derived.iloc[row]
                yield (
                    f"{at.method} T={at['T']} {at.person}/{at.video} {at.frame}: {column} is "
                    f"{ours}, {theirs} follows from the scores"
                )


def differences(stored: Any, derived: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, one line per place."""
    if isinstance(stored, dict) and isinstance(derived, dict):
        for key in [*stored, *(key for key in derived if key not in stored)]:
            yield from differences(
                stored.get(key), derived.get(key), f"{path}.{key}" if path else str(key)
            )
    elif isinstance(stored, list) and isinstance(derived, list) and len(stored) == len(derived):
        for index, (ours, theirs) in enumerate(zip(stored, derived, strict=True)):
            yield from differences(ours, theirs, f"{path}[{_label(ours, index)}]")
    elif not _equal(stored, derived):
        yield f"{path} is {stored!r}, {derived!r} follows from the scores"


def _label(value: Any, index: int) -> str:
    if isinstance(value, dict) and "method" in value:
        return f"{value['method']} T={value['T']}"
    return (
        f"{value['metric']} {value['a']} - {value['b']} T={value['T']}"
        if isinstance(value, dict)
        else str(index)
    )


def _equal(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(ours == theirs)


def _several(file: str, found: Iterator[str]) -> list[str]:
    lines = [f"{file}: {line}" for line in found]
    rest = [f"{file}: {len(lines) - SHOWN} more differences"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + rest


def _name(unit: Unit) -> str:
    return f"{unit.method} T={unit.T} {unit.video}"
