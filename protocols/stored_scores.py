"""Stored scores: what each metric found on the frames of a unit, and the record of it.

    RUN/scores/<method>/T<k>/<video>.json   frames: sha256, metrics: name -> card, values
    RUN/run.json                            scored: file -> sha256

The record names summary.json, frames.parquet and all that they were made from. A file that is not
the one on record is never used: it is made again from the frames, whose digests stand in the commit
marks. That goes for units to which a stopped `thbench score` had added a metric, too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from thbench.files import sha256_file
from thbench.records.decode import read_record
from thbench.records.encode import write_record
from thbench.runs import Run, Unit, slug


@dataclass(frozen=True)
class MetricScores:
    """The scores of one metric, frame by frame; None where a frame could not be scored.

    card: the sha256 of the metric's definition and settings.
    """

    card: str
    values: list[float | None]


@dataclass(frozen=True)
class UnitScores:
    """The scores of one unit. frames: the sha256 of the names and digests of what was scored."""

    frames: str
    metrics: Mapping[str, MetricScores] = field(default_factory=dict)

    @staticmethod
    def read(file: Path) -> UnitScores:
        """Raises `ThbenchError` naming the file when it is missing or does not hold scores."""
        return read_record(file, UnitScores, "remove it and run `thbench score` again")

    def write(self, file: Path) -> None:
        """Writes the metrics by name: the order in which they were asked for leaves no trace."""
        metrics = {name: self.metrics[name] for name in sorted(self.metrics)}
        write_record(file, replace(self, metrics=metrics))


def scores_file(run: Run, unit: Unit) -> Path:
    """Where the scores of a unit are stored."""
    return run.path / "scores" / slug(unit.method) / f"T{unit.T}" / f"{slug(unit.video)}.json"


def record_scores(run: Run, metrics: Iterable[str], files: Iterable[Path]) -> None:
    """Writes into run.json which metrics the run has, and the sha256 of the files with numbers."""
    names = sorted(file.relative_to(run.path).as_posix() for file in files)
    scored = {name: sha256_file(run.path / name) for name in names}

    run.write(replace(run.record(), metrics=list(metrics), scored=scored))


def altered_scores(run: Run) -> list[str]:
    """Names of stored scores and features that are there and not the ones on record."""
    tables = (run.summary_json.name, run.frames_parquet.name)
    return [name for name in run.altered_numbers() if name not in tables]


def forget_altered_scores(run: Run) -> None:
    """Removes what `altered_scores` finds and says so; scoring makes it again from the frames."""
    for name in altered_scores(run):
        (run.path / name).unlink()
        logging.getLogger(__name__).warning(
            "%s is not the file that was written (edited or damaged): it is made again from the "
            "frames",
            run.path / name,
        )
