"""Table 2 of the paper made from runs: seconds of few-shot learning and of inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.published import display_name, paper, published_cell, published_time, with_published
from reports.results import Results
from reports.sections import paper_position, stamp
from reports.table import Block, Cell, Column, Group, Row, TableSpec
from thbench.errors import ThbenchError

NONE_PUBLISHED = (
    "No published figures stand here: the paper timed none of these methods at these T."
)


def table2(
    runs: Sequence[Results],
    *,
    with_paper: bool = False,
    intervals: bool = False,
    allow_mixed: bool = False,
) -> TableSpec:
    """Table 2: seconds of few-shot learning at each T, and of inference per frame.

    Raises `ThbenchError` when nothing was timed, and for runs from different hardware without
    `allow_mixed`.
    """
    timed = [run for run in runs if run.times]
    if not timed:
        raise ThbenchError(
            f"{runs[0].path} holds no timing.json; time it with `thbench run-protocol table2-timing`"
        )
    machines: dict[str, list[Results]] = {}
    for run in timed:
        machines.setdefault(_machine(run), []).append(run)
    if len(machines) > 1 and not allow_mixed:
        raise ThbenchError(
            f"the runs were timed on different hardware ({'; '.join(machines)}): their times are not "
            "comparable; pass --allow-mixed for one block each"
        )
    blocks = [
        block
        for machine, group in machines.items()
        for block in _time_blocks(group, with_paper, f" ({machine})" if len(machines) > 1 else "")
    ]
    column = Column("time_s", "Time, s", False, decimals=3, significant=4)
    spread = ["± is half the interquartile range."] if intervals else []
    published = any(
        "time_s:paper" in row.cells
        for block in blocks
        for group in block.groups
        for row in group.rows
    )
    of_the_paper = (
        f"{paper()['table2_note']} Bold among them is the paper's own."
        if published
        else NONE_PUBLISHED
    )
    notes = [
        f"Median over {_several(t.n for run in timed for t in run.times)} repetitions on {'; '.join(machines)}.",
        *spread,
        *([of_the_paper] if with_paper else []),
    ]
    columns = with_published(column) if published else [column]
    return TableSpec(
        "Time of few-shot learning and of inference",
        "tab:times",
        "Method (T)",
        tuple(columns),
        tuple(blocks),
        tuple(notes),
        stamp(timed),
        intervals,
    )


def _time_blocks(runs: Sequence[Results], with_paper: bool, suffix: str) -> list[Block]:
    learning = sorted(
        {t.T for run in runs for t in run.times if t.phase == "few-shot" and t.T is not None}
    )
    groups = tuple(_time_group(runs, "few-shot", T, with_paper) for T in learning)
    inference = _time_group(runs, "inference", None, with_paper)
    return ([Block(f"Few-shot learning{suffix}", groups)] if groups else []) + (
        [Block(f"Inference{suffix}", (inference,))] if inference.rows else []
    )


def _time_group(runs: Sequence[Results], phase: str, T: int | None, with_paper: bool) -> Group:
    rows = []
    for run in runs:
        for time in run.times:
            if (time.phase, time.T) != (phase, T):
                continue
            spec = run.methods.get(time.method, {}).get("spec", time.method)
            cells = {"time_s": Cell(time.median_s, None if time.iqr_s is None else time.iqr_s / 2)}
            published = published_time(spec, phase, T) if with_paper else {}
            if published:
                cells["time_s:paper"] = published_cell(published, "time_s")
            notes = (f"{time.note.rstrip('.')}.",) if time.note else ()
            rows.append(
                (_time_position(spec), Row(display_name(time.method, spec), cells, T, notes))
            )
    return Group(tuple(row for _, row in sorted(rows, key=lambda entry: entry[0])))


def _time_position(spec: str) -> int:
    """Table 2 lists the feed-forward variant last."""
    return 99 if spec == "ours-ff" else paper_position(spec)


def _machine(run: Results) -> str:
    """The GPU that was timed, or the processor where there is none."""
    hardware = run.timing.get("hardware") or run.info.get("hardware") or {}
    return str((hardware.get("gpus") or [hardware.get("processor") or "unknown hardware"])[0])


def _several(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
