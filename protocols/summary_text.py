"""A scored run in a few lines for the terminal: each figure with its frames, failures and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from thbench.errors import ThbenchError
from thbench.metrics.explain import POLICIES
from thbench.records.coverage import FEW_VIDEOS, Coverage, coverage, videos
from thbench.records.summary import MetricRecord, RowRecord, ScoreRecord, SummaryRecord
from thbench.runs import Run

Covered = Mapping[tuple[str, int], Mapping[str, Coverage]]  # (method, T) -> metric


def summary_text(run: Run) -> str:
    """One line per method and T, then what the failures mean and which metrics were not computed.

    n is the number of frames that were scored. A figure that is not over all planned videos stands
    in parentheses. Raises `ThbenchError` when the run is not scored.
    """
    summary, planned = run.summary_record(), len(run.record().split.videos)
    policies = {name: metric.policy for name, metric in summary.metrics.items()}
    covered = coverage(_frames(run), policies, planned)

    width = max((len(row.method) for row in summary.rows), default=0)
    lines = [
        _row_line(row, summary.metrics, covered[row.method, row.T], width) for row in summary.rows
    ]
    listed = run.record().split.listed
    lines += [str(listed)] if listed is not None else []
    return "\n".join([*lines, *_legend(summary, covered), *_not_computed(summary)])


def _frames(run: Run) -> pd.DataFrame:
    try:
        return pd.read_parquet(run.frames_parquet)
    except (OSError, ValueError) as error:
        raise ThbenchError(
            f"{run.frames_parquet} is missing or broken; rebuild it with `thbench score {run.path}`"
        ) from error


def _row_line(
    row: RowRecord,
    metrics: Mapping[str, MetricRecord],
    covered: Mapping[str, Coverage],
    width: int,
) -> str:
    """A row: `ours-ft  T=8  n 64  SSIM 0.641  NME (0.126; n 16, 48 failed, 1 of 2 videos)`."""
    n = max((score.n for score in row.metrics.values()), default=0)
    cells = [
        _cell(metrics[name].label, score, n, covered[name])
        for name, score in row.metrics.items()
        if score.value is not None or score.n_failed
    ]
    return f"{row.method:{width}}  T={row.T:<3} n {n:<4} {'  '.join(cells)}".rstrip()


def _cell(label: str, score: ScoreRecord, usual_n: int, covered: Coverage) -> str:
    """A figure, and where they differ from the row's or are lost: its n, failures, videos."""
    value = "none" if score.value is None else f"{score.value:.4g}"
    own = [f"n {score.n}"] if score.n != usual_n else []
    own += [f"{score.n_failed} failed"] if score.n_failed else []

    if not covered.is_whole:
        return f"{label} ({'; '.join([value, ', '.join([*own, str(covered)])])})"
    return f"{label} {value}" + (f" [{', '.join(own)}]" if own else "")


def _legend(summary: SummaryRecord, covered: Covered) -> Iterator[str]:
    """What n and the marks mean, and what happens to frames that a metric cannot score."""
    yield "n: frames scored. Frames that a metric cannot score, by its policy:"
    computed = {
        name: metric
        for name, metric in summary.metrics.items()
        if any(_is_computed(row.metrics[name]) for row in summary.rows)
    }
    for policy in dict.fromkeys(metric.policy for metric in computed.values()):
        labels = [metric.label for metric in computed.values() if metric.policy == policy]
        yield f"  {POLICIES[policy]}: {', '.join(labels)}"

    found = [cover for cell in covered.values() for name, cover in cell.items() if name in computed]
    if any(not cover.is_whole for cover in found):
        yield "(...): not over all planned videos, so not comparable with the others and not ranked"
    for planned in {cover.n_planned for cover in found if cover.n_planned < FEW_VIDEOS}:
        yield f"{videos(planned)}, fewer than {FEW_VIDEOS}: too few to call any method better"


def _not_computed(summary: SummaryRecord) -> list[str]:
    return sorted(
        {
            f"{summary.metrics[name].label}: not computed ({score.reason})"
            for row in summary.rows
            for name, score in row.metrics.items()
            if score.reason and not _is_computed(score)
        }
    )


def _is_computed(score: ScoreRecord) -> bool:
    """Whether a metric looked at any frame."""
    return score.n > 0 or score.n_failed > 0
