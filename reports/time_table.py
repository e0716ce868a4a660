"""Table 2 of the paper made from runs: seconds of few-shot learning and of inference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reports.published import display_name, paper, published_time, with_published
from reports.results import Results
from reports.sections import paper_position, stamp
from reports.table import Block, Cell, Column, Group, Row, TableSpec
from thbench.environment import machine_name
from thbench.errors import ThbenchError
from thbench.records.timing import TimeRecord

TIME = Column("time_s", "Time, s", higher_is_better=False, decimals=3, significant=4)
SPREAD = "± is half the interquartile range."
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
            f"{runs[0].path} holds no timing.json; time it with "
            "`thbench run-protocol table2-timing`"
        )

    machines = _by_machine(timed)
    if len(machines) > 1 and not allow_mixed:
        raise ThbenchError(
            f"the runs were timed on different hardware ({'; '.join(machines)}): their times are "
            "not comparable; pass --allow-mixed for one block each"
        )

    blocks = _blocks(machines, with_paper)
    has_published = any(_has_published(block) for block in blocks)
    n_repetitions = _several(time.n for run in timed for time in run.times)

    notes = [f"Median over {n_repetitions} repetitions on {'; '.join(machines)}."]
    if intervals:
        notes.append(SPREAD)
    if with_paper and has_published:
        notes.append(f"{paper().table2_note} Bold among them is the paper's own.")
    elif with_paper:
        notes.append(NONE_PUBLISHED)

    return TableSpec(
        caption="Time of few-shot learning and of inference",
        label="tab:times",
        head="Method (T)",
        columns=tuple(with_published(TIME) if has_published else [TIME]),
        blocks=tuple(blocks),
        notes=tuple(notes),
        stamp=stamp(timed),
        show_intervals=intervals,
    )


def _by_machine(runs: Sequence[Results]) -> dict[str, list[Results]]:
    machines: dict[str, list[Results]] = {}
    for run in runs:
        machines.setdefault(_machine(run), []).append(run)
    return machines


def _machine(run: Results) -> str:
    """What the run was timed on; older timings know only what the run was begun on."""
    timed_on = run.timing.hardware if run.timing is not None else {}
    return machine_name(timed_on or run.record.hardware)


def _blocks(machines: Mapping[str, Sequence[Results]], with_paper: bool) -> list[Block]:
    blocks = []
    for machine, runs in machines.items():
        suffix = f" ({machine})" if len(machines) > 1 else ""
        blocks += _blocks_of_machine(runs, with_paper, suffix)
    return blocks


def _blocks_of_machine(runs: Sequence[Results], with_paper: bool, suffix: str) -> list[Block]:
    times = [time for run in runs for time in run.times]
    shots = sorted({time.T for time in times if time.phase == "few-shot" and time.T is not None})
    learning = tuple(_group(runs, "few-shot", T, with_paper) for T in shots)
    inference = _group(runs, "inference", None, with_paper)

    blocks = []
    if learning:
        blocks.append(Block(f"Few-shot learning{suffix}", learning))
    if inference.rows:
        blocks.append(Block(f"Inference{suffix}", (inference,)))
    return blocks


def _group(runs: Sequence[Results], phase: str, T: int | None, with_paper: bool) -> Group:
    """The times of one phase at one T, in the order of the paper's table."""
    found = [
        (_spec(run, time), time)
        for run in runs
        for time in run.times
        if (time.phase, time.T) == (phase, T)
    ]
    found.sort(key=lambda entry: _position(entry[0]))

    return Group(tuple(_row(spec, time, with_paper) for spec, time in found))


def _row(spec: str, time: TimeRecord, with_paper: bool) -> Row:
    spread_s = None if time.iqr_s is None else time.iqr_s / 2
    cells = {TIME.key: Cell(time.median_s, spread_s)}

    published = published_time(spec, time.phase, time.T) if with_paper else None
    if published is not None:
        cells[f"{TIME.key}:paper"] = published.cell(TIME.key)

    notes = (f"{time.note.rstrip('.')}.",) if time.note else ()
    return Row(display_name(time.method, spec), cells, time.T, notes)


def _spec(run: Results, time: TimeRecord) -> str:
    """What the timed method was loaded by; its label where run.json does not know it."""
    method = run.methods.get(time.method)
    return time.method if method is None else method.spec


def _position(spec: str) -> int:
    """Table 2 lists the feed-forward variant last."""
    return 99 if spec == "ours-ff" else paper_position(spec)


def _has_published(block: Block) -> bool:
    rows = (row for group in block.groups for row in group.rows)
    return any(f"{TIME.key}:paper" in row.cells for row in rows)


def _several(values: Iterable[int]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
