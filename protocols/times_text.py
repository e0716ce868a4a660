"""A timing run in a few lines for the terminal."""

from __future__ import annotations

from thbench.records.timing import TimeRecord, TimingRecord


def times_text(timing: TimingRecord) -> str:
    """One line per row: `ours-ft  few-shot T=8  1.2 s, IQR 0.1, n = 100  embedding 0.02`."""
    return "\n".join(_line(row) for row in timing.rows)


def _line(row: TimeRecord) -> str:
    what = "inference" if row.T is None else f"{row.phase} T={row.T}"
    spread = "" if row.iqr_s is None else f", IQR {row.iqr_s:.2g}"
    parts = "".join(
        f"  {name.removesuffix('_s')} {value:.4g}"
        for name, value in row.parts.items()
        if value is not None
    )
    note = f"  ({row.note})" if row.note else ""

    return f"{row.method:14} {what:14} {row.median_s:.4g} s{spread}, n = {row.n}{parts}{note}"
