"""A finished run as tables of pandas, for Python programs: what `import thbench` offers of this
folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from reports.results import Results
from thbench.records.run import RunRecord

_SCORES = ("method", "T", "metric", "value", "se", "low", "high", "n", "n_failed", "reason")
_DIFFERENCES = ("metric", "T", "a", "b", "difference", "se", "low", "high", "p", "p_holm")
_TIMES = ("method", "phase", "T", "median_s", "iqr_s", "n", "note")


@dataclass(frozen=True)
class RunTables:
    """A run as pandas reads it; each table is read when it is first asked for.

    Raises `ThbenchError` where the run holds no such table, or not the one that was written.
    """

    results: Results

    @property
    def record(self) -> RunRecord:
        """run.json: what was measured, on what, with which models, settings and versions."""
        return self.results.record

    @cached_property
    def frames(self) -> pd.DataFrame:
        """A row for each method, T, video and hold-out frame; a column for each frame metric."""
        return self.results.frames

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row for each method, T and metric: method, T, metric, value, se (by person or video),
        low and high (95 %), n, n_failed, and reason, which says why a value is missing.
        """
        return _table(
            _SCORES,
            [
                {
                    "method": row.method,
                    "T": row.T,
                    "metric": metric,
                    **asdict(score),
                    **_interval(score.ci95),
                }
                for row in self.results.summary.rows
                for metric, score in row.metrics.items()
            ],
        )

    @cached_property
    def differences(self) -> pd.DataFrame:
        """score(a) - score(b), paired by video: metric, T, a, b, difference, se, low and high
        (95 %), p, and p_holm, corrected over all differences of the metric.
        """
        found = self.results.summary.differences
        return _table(_DIFFERENCES, [{**asdict(each), **_interval(each.ci95)} for each in found])

    @cached_property
    def times(self) -> pd.DataFrame:
        """What was timed: method, phase, T (missing for inference), median_s, iqr_s, n, note."""
        return _table(_TIMES, [asdict(each) for each in self.results.run.timing_record().rows])


def read_run(run: Path | str) -> RunTables:
    """Opens a run folder. Raises `ThbenchError` where there is none."""
    return RunTables(Results.open(Path(run)))


def _table(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=pd.Index(columns))


def _interval(ci95: tuple[float | None, float | None] | None) -> dict[str, float | None]:
    low, high = ci95 or (None, None)
    return {"low": low, "high": high}
