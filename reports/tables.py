"""Table 1 of the paper and the ablation table, made from scored runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from reports.gaps import gap_note
from reports.published import display_name, paper, published_cell, published_scores, with_published
from reports.results import (
    USER,
    Metric,
    Results,
    Score,
    ScoreRow,
    known_metric,
)
from reports.sections import Section, all_shots, methods_at, sections, stamp
from reports.table import Block, Cell, Column, Group, Row, TableSpec, interval_cell
from thbench.errors import ThbenchError
from thbench.metrics.coverage import Coverage, videos
from thbench.runs import REAL

TABLE1 = ("fid", "ssim", "csim")
DECIMALS = {
    "fid": 1,
    "psnr": 1,
    "l1": 3,
    "lpips": 3,
    "nme": 3,
    "flicker": 3,
    "black-border": 3,
    "identity-error": 3,
}
UNFAIR = "Driven with the true frame itself, the others with its landmarks only."
UNFAIR_CROSS = "Driven with the driver's frame itself, the others with its landmarks only."


def table1(
    runs: Sequence[Results],
    *,
    metrics: Sequence[str] = (),
    with_paper: bool = False,
    intervals: bool = False,
    allow_mixed: bool = False,
) -> TableSpec:
    """Table 1: blocks by dataset, groups by T, one row per method, the real-vs-real floor last in
    each block.

    metrics names the columns ("user" is the study's); by default FID, SSIM, CSIM, the stand-ins
    that the runs hold, and USER, or where other videos drive what was measured. Raises
    `ThbenchError` for runs that may not share a table, unknown metrics and unscored runs.
    """
    columns = _score_columns(runs, metrics)
    usual = _usual_counts(runs)
    blocks = tuple(
        Block(section.title, _score_groups(section, columns, with_paper, usual))
        for section in sections(runs, allow_mixed)
    )
    printed = {
        key for block in blocks for group in block.groups for row in group.rows for key in row.cells
    }
    keys = [
        column
        for metric in columns
        for column in with_published(_score_column(metric))
        if column.key in (metric.name, *printed)
    ]
    notes = [
        f"Each row: {videos(usual[0])}, {usual[1]} frames, unless noted."
        + _half_width_note(intervals)
    ]
    notes += _split_notes(runs)
    notes += _paper_notes(runs, keys) if with_paper else []
    what = (
        "Heads driven by other videos" if all(run.is_cross for run in runs) else "Self-reenactment"
    )
    return TableSpec(
        f"{what} of people unseen in training, by number of shots T",
        "tab:scores",
        "Method (T)",
        tuple(keys),
        blocks,
        tuple(notes),
        stamp(runs),
        intervals,
    )


def ablation_table(
    runs: Sequence[Results],
    *,
    metrics: Sequence[str] = (),
    reference: str = "",
    intervals: bool = False,
    allow_mixed: bool = False,
) -> TableSpec:
    """Variants of one method: each score beside its paired difference from the `reference` variant.

    The reference is the last method of the last run unless named (the full model, as in the paper's
    Figure 7). Raises `ThbenchError` as `table1` does, and for a reference that a T lacks.
    """
    columns = [
        metric for metric in _score_columns(runs, metrics) if metric.name != USER.name or metrics
    ]
    full = reference or list(runs[-1].methods)[-1]
    blocks = [
        Block(
            section.title,
            (
                *(_ablation_group(section, T, columns, full) for T in all_shots(section)),
                *_floor_group(section, columns),
            ),
        )
        for section in sections(runs, allow_mixed)
    ]
    keys = [
        key
        for metric in columns
        for key in (
            _score_column(metric),
            Column(f"{metric.name}:delta", f"Δ {metric.label}", None, _decimals(metric) + 1),
        )
    ]
    usual = _usual_counts(runs)
    notes = [
        f"Each row: {videos(usual[0])}, {usual[1]} frames, unless noted. "
        f"Δ: difference from {full}, paired by video.{_half_width_note(intervals)}"
    ]
    notes += _split_notes(runs)
    return TableSpec(
        "Ablation",
        "tab:ablation",
        "Variant (T)",
        tuple(keys),
        tuple(blocks),
        tuple(notes),
        stamp(runs),
        intervals,
    )


def _score_columns(runs: Sequence[Results], wanted: Sequence[str]) -> list[Metric]:
    described = {name: metric for run in runs for name, metric in run.metrics.items()} | {
        USER.name: USER
    }
    if not wanted and all(run.is_cross for run in runs):
        wanted = [
            name
            for name, metric in described.items()
            if name != USER.name and (not metric.stand_in or _is_computed(runs, name))
        ]
    elif not wanted:
        stand_ins = [
            name
            for name, metric in described.items()
            if metric.stand_in and _is_computed(runs, name)
        ]
        measured = [name for name in described if name != USER.name and _is_computed(runs, name)]
        paper = [*TABLE1, *stand_ins]
        wanted = [*(paper if set(paper) & set(measured) else measured or paper), USER.name]
        described = {name: _unknown(name) for name in TABLE1} | described
    else:
        wanted = [name if name == USER.name else known_metric(runs, name) for name in wanted]
    return [described[name] for name in wanted]


def _is_computed(runs: Sequence[Results], metric: str) -> bool:
    return any(
        row.scores.get(metric, Score()).value is not None for run in runs for row in run.rows
    )


def _unknown(name: str) -> Metric:
    """A column of Table 1 that no run knows of: it stays, with dashes."""
    return Metric(name, name.upper(), name != "fid", "", "", False, "", "")


def _score_column(metric: Metric) -> Column:
    notes = []
    if metric.stand_in:
        notes.append(
            f"{metric.label} is a stand-in, not to be compared with other papers' figures; "
            f"network: {metric.network or 'none'}."
        )
    elif metric.network:
        notes.append(f"{metric.label} features: {metric.network}.")
    if metric.name == USER.name:
        notes.append(f"USER: {metric.description}; a dash where no study was made.")
    empty = "USER: no study was made." if metric.name == USER.name else ""
    return Column(
        metric.name,
        metric.heading,
        metric.higher_is_better,
        _decimals(metric),
        notes=tuple(notes),
        empty=empty,
    )


def _paper_notes(runs: Sequence[Results], columns: Sequence[Column]) -> list[str]:
    """What the published figures are, or that there are none."""
    if any(column.key.endswith(":paper") for column in columns):
        return [f"{paper()['table1_note']} Bold among them is the paper's own."]
    datasets = ", ".join(dict.fromkeys(run.dataset for run in runs))
    return [
        "No published figures stand here: the paper has none for these methods and T on "
        f"{datasets}."
    ]


def _decimals(metric: Metric) -> int:
    return DECIMALS.get(metric.name, 2)


def _score_groups(
    section: Section, metrics: Sequence[Metric], with_paper: bool, usual: tuple[int, int]
) -> tuple[Group, ...]:
    groups = []
    for T in all_shots(section):
        rows = [
            _score_row(run, label, row, metrics, with_paper, usual)
            for run, label, row in methods_at(section, T)
        ]
        if rows:
            groups.append(Group(tuple(rows), _p_values(section, T)))
    return (*groups, *_floor_group(section, metrics))


def _floor_group(section: Section, metrics: Sequence[Metric]) -> list[Group]:
    """The real-vs-real row, which no method is ranked against."""
    for run in section.runs:
        if run.floor:
            cells = {m.name: _cell(run, run.floor, m) for m in metrics if m.name != USER.name}
            note = (
                "The driving frames themselves, scored as if a method had made them."
                if run.is_cross
                else "Other real frames of the same videos, scored as if a method had made them."
            )
            label = "Driving frames" if run.is_cross else "Real vs real"
            return [Group((Row(label, cells, None, (note,), ranked=False),))]
    return []


def _score_row(
    run: Results,
    label: str,
    row: ScoreRow,
    metrics: Sequence[Metric],
    with_paper: bool,
    usual: tuple[int, int],
) -> Row:
    method = run.methods[label]
    cells = {metric.name: _cell(run, row, metric) for metric in metrics}
    if with_paper and not method.get(
        "settings"
    ):  # a variant of a method is not what the paper measured
        published = published_scores(run.dataset, method["spec"], row.T)
        cells |= {
            f"{m.name}:paper": published_cell(published, m.name)
            for m in metrics
            if m.name in published
        }
    return Row(
        display_name(label, method["spec"]), cells, row.T, _row_notes(run, label, row, usual)
    )


def _score_of(run: Results, row: ScoreRow, metric: Metric) -> Score:
    if metric.name == USER.name:
        return run.study.get((row.method, row.T), Score())
    return row.scores.get(metric.name, Score(reason="not part of this run"))


def _cell(run: Results, row: ScoreRow, metric: Metric) -> Cell:
    score, notes = _score_of(run, row, metric), []
    covered = score.coverage
    if score.value is None and score.reason:
        reason = re.sub(
            r" \(https?://[^)]*\)", "", score.reason
        )  # a URL and a sha256 do not fit under a table
        notes.append(f"{metric.label} not computed: {reason.rstrip('.')}.")
    if score.value is not None and metric.name != USER.name and score.n < row.n_frames:
        policy = f" ({metric.policy})" if metric.policy else ""
        notes.append(
            f"{metric.label} failed on {row.n_frames - score.n} of {row.n_frames} frames{policy}."
        )
    if score.value is not None and covered is not None and covered.n_videos < row.n_videos:
        notes.append(f"{metric.label} over {covered} only.")
    return interval_cell(
        Cell(score.value, None, score.se, tuple(notes), coverage=covered), score.ci95
    )


def _row_notes(run: Results, label: str, row: ScoreRow, usual: tuple[int, int]) -> tuple[str, ...]:
    method = run.methods[label]
    notes = (
        [UNFAIR_CROSS if run.is_cross else UNFAIR] if method.get("drives_with") == "image" else []
    )
    notes += [f"{label}: {note.rstrip('.')}." for note in method.get("notes") or []]
    planned = len(run.videos)
    if (row.n_videos, row.n_frames) != usual or row.n_videos < planned:
        failed = f"; failed units: {row.n_failed_units}" if row.n_failed_units else ""
        notes.append(f"{Coverage(row.n_videos, planned)}, {row.n_frames} frames{failed}.")
    return tuple(notes)


def _p_values(section: Section, T: int) -> dict[tuple[str, str, str], float]:
    """Corrected p-values by metric and printed names."""
    found: dict[tuple[str, str, str], float] = {}
    for run in section.runs:
        names = {
            label: display_name(label, method["spec"]) for label, method in run.methods.items()
        }
        found |= {
            (d.metric, names[d.a], names[d.b]): d.p_holm
            for d in run.differences
            if d.T == T and d.p_holm is not None and d.a in names and d.b in names
        }
    return found


def _usual_counts(runs: Sequence[Results]) -> tuple[int, int]:
    counts = Counter(
        (row.n_videos, row.n_frames) for run in runs for row in run.rows if row.method != REAL
    )
    return counts.most_common(1)[0][0] if counts else (0, 0)


def _split_notes(runs: Sequence[Results]) -> list[str]:
    """How near hold-out frames lie to the shots, and what standard errors leave out as one."""
    notes = [gap_note(runs)]
    if any(run.is_scored and run.summary.get("cluster") == "person" for run in runs):
        notes.append("Errors and intervals leave out all videos of a person together.")
    return [note for note in notes if note]


def _half_width_note(intervals: bool) -> str:
    told = (
        " ± is the half-width of the 95 % interval over videos; its two ends stand where the "
        "range of the metric cuts it."
    )
    return told if intervals else ""


def _ablation_group(section: Section, T: int, metrics: Sequence[Metric], full: str) -> Group:
    usual = _usual_counts(section.runs)
    found = [
        (run, label, row)
        for run in section.runs
        for label in run.methods
        if (row := run.row(label, T))
    ]
    labels = [label for _, label, _ in found]
    if full not in labels:
        raise ThbenchError(f"no variant {full!r} at T = {T}; the runs hold {', '.join(labels)}")
    rows = []
    for run, label, row in found:
        cells = {metric.name: _cell(run, row, metric) for metric in metrics}
        cells |= {
            f"{metric.name}:delta": _delta(run, metric.name, T, label, full) for metric in metrics
        }
        rows.append(Row(label, cells, T, _row_notes(run, label, row, usual)))
    return Group(tuple(rows), _p_values(section, T))


def _delta(run: Results, metric: str, T: int, variant: str, full: str) -> Cell:
    for d in run.differences:
        if (d.metric, d.T) == (metric, T) and {d.a, d.b} == {variant, full}:
            found = d.seen_from(variant)
            return interval_cell(Cell(found.value, best=False, coverage=found.coverage), found.ci95)
    return Cell(best=False)
