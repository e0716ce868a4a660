"""A scored run in a few lines for the terminal: each figure with its frames, failures and marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from thbench.errors import ThbenchError
from thbench.metrics.coverage import FEW_VIDEOS, Coverage, coverage, videos
from thbench.metrics.explain import POLICIES
from thbench.runs import Run


def summary_text(run: Run) -> str:
    """One line per method and T, then what the failures mean and which metrics were not computed.

    n is the number of frames that were scored. A figure that is not over all planned videos stands
    in parentheses. Raises `ThbenchError` when the run is not scored.
    """
    summary, planned = run.summary(), len(run.info()["split"]["videos"])
    policies = {name: metric["policy"] for name, metric in summary["metrics"].items()}
    covered = coverage(_frames(run), policies, planned)

    width = max(len(row["method"]) for row in summary["rows"]) if summary["rows"] else 0
    lines = [
        _row_line(row, summary["metrics"], covered[row["method"], row["T"]], width)
        for row in summary["rows"]
    ]
    return "\n".join([*lines, *_legend(summary, covered), *_not_computed(summary)])


def _frames(run: Run) -> pd.DataFrame:
    try:
        return pd.read_parquet(run.frames_parquet)
    except (OSError, ValueError) as error:
        raise ThbenchError(
            f"{run.frames_parquet} is missing or broken; rebuild it with `thbench score {run.path}`"
        ) from error


def _row_line(
    row: Mapping[str, Any], metrics: Mapping[str, Any], covered: Mapping[str, Coverage], width: int
) -> str:
    """A row: `ours-ft  T=8  n 64  SSIM 0.641  NME (0.126; n 16, 48 failed, 1 of 2 videos)`."""
    n = max((entry["n"] for entry in row["metrics"].values()), default=0)
    cells = [
        _cell(metrics[name]["label"], entry, n, covered[name])
        for name, entry in row["metrics"].items()
        if entry["value"] is not None or entry["n_failed"]
    ]
    return f"{row['method']:{width}}  T={row['T']:<3} n {n:<4} {'  '.join(cells)}".rstrip()


def _cell(label: str, entry: Mapping[str, Any], usual_n: int, covered: Coverage) -> str:
    """A figure, and where they differ from the row's or are lost: its n, failures, videos."""
    value = "none" if entry["value"] is None else f"{entry['value']:.4g}"
    own = [f"n {entry['n']}"] if entry["n"] != usual_n else []
    own += [f"{entry['n_failed']} failed"] if entry["n_failed"] else []

    if not covered.is_whole:
        return f"{label} ({'; '.join([value, ', '.join([*own, str(covered)])])})"
    return f"{label} {value}" + (f" [{', '.join(own)}]" if own else "")


def _legend(
    summary: Mapping[str, Any], covered: Mapping[Any, Mapping[str, Coverage]]
) -> Iterator[str]:
    """What n and the marks mean, and what happens to frames that a metric cannot score."""
    yield "n: frames scored. Frames that a metric cannot score, by its policy:"
    computed = [
        name
        for name in summary["metrics"]
        if any(
            row["metrics"][name]["n"] or row["metrics"][name]["n_failed"] for row in summary["rows"]
        )
    ]
    for policy in dict.fromkeys(summary["metrics"][name]["policy"] for name in computed):
        labels = [
            summary["metrics"][name]["label"]
            for name in computed
            if summary["metrics"][name]["policy"] == policy
        ]
        yield f"  {POLICIES[policy]}: {', '.join(labels)}"

    found = [cover for cell in covered.values() for name, cover in cell.items() if name in computed]
    if any(not cover.is_whole for cover in found):
        yield "(...): not over all planned videos, so not comparable with the others and not ranked"
    for planned in {cover.n_planned for cover in found if cover.n_planned < FEW_VIDEOS}:
        yield f"{videos(planned)}, fewer than {FEW_VIDEOS}: too few to call any method better"


def _not_computed(summary: Mapping[str, Any]) -> list[str]:
    return sorted(
        {
            f"{summary['metrics'][name]['label']}: not computed ({entry['reason']})"
            for row in summary["rows"]
            for name, entry in row["metrics"].items()
            if entry["reason"] and entry["n"] == 0 and entry["n_failed"] == 0
        }
    )
