"""The rows of a table of scores: their cells, and the notes on what a figure rests on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.gaps import gap_note
from reports.results import Results
from reports.sections import MethodRow, Section, method_name
from reports.table import Cell, Group, Row, interval_cell
from thbench.records.coverage import Coverage, videos
from thbench.records.scores import NO_SCORE, USER, Metric, Score, ScoreRow
from thbench.runs import REAL

UNFAIR = "Driven with the true frame itself, the others with its landmarks only."
UNFAIR_CROSS = "Driven with the driver's frame itself, the others with its landmarks only."
HALF_WIDTH = (
    "± is the half-width of the 95 % interval over videos; its two ends stand where the range of "
    "the metric cuts it."
)
BY_PERSON = "Errors and intervals leave out all videos of a person together."
NOT_IN_RUN = Score(reason="not part of this run")


@dataclass(frozen=True)
class Counts:
    """How many videos and frames a row is over."""

    n_videos: int
    n_frames: int

    @staticmethod
    def of(row: ScoreRow) -> Counts:
        """The counts of a row."""
        return Counts(row.n_videos, row.n_frames)

    def __str__(self) -> str:
        return f"{videos(self.n_videos)}, {self.n_frames} frames"


def usual_counts(runs: Sequence[Results]) -> Counts:
    """What most rows are over; the others say it of themselves."""
    counts = Counter(Counts.of(row) for run in runs for row in run.rows if row.method != REAL)
    return counts.most_common(1)[0][0] if counts else Counts(0, 0)


def score_cell(run: Results, row: ScoreRow, metric: Metric) -> Cell:
    """One score with its interval, and why it is missing or rests on less than its row."""
    score = _score(run, row, metric)
    cell = Cell(
        score.value, se=score.se, notes=_cell_notes(row, metric, score), coverage=score.coverage
    )
    return interval_cell(cell, score.ci95)


def row_notes(entry: MethodRow, usual: Counts) -> tuple[str, ...]:
    """What a reader must know of a method's row."""
    row, method, planned = entry.row, entry.method, len(entry.run.videos)
    notes = []
    if method.drives_with == "image":
        notes.append(UNFAIR_CROSS if entry.run.is_cross else UNFAIR)

    notes += [f"{entry.label}: {note.rstrip('.')}." for note in method.notes]

    if Counts.of(row) != usual or row.n_videos < planned:
        failed = f"; failed units: {row.n_failed_units}" if row.n_failed_units else ""
        notes.append(f"{Coverage(row.n_videos, planned)}, {row.n_frames} frames{failed}.")

    return tuple(notes)


def floor_groups(section: Section, metrics: Sequence[Metric]) -> list[Group]:
    """The real-vs-real row of the section, which no method is ranked against, if a run has it."""
    for run in section.runs:
        if run.floor is not None:
            return [Group((_floor_row(run, run.floor, metrics),))]
    return []


def p_values(section: Section, T: int) -> dict[tuple[str, str, str], float]:
    """Corrected p-values of the differences at T, by metric and the two printed names."""
    found: dict[tuple[str, str, str], float] = {}

    for run in section.runs:
        names = {label: method_name(run, label) for label in run.methods}
        for difference in run.differences:
            sides = (difference.a, difference.b)
            if difference.T == T and difference.p_holm is not None and names.keys() >= {*sides}:
                key = (difference.metric, names[difference.a], names[difference.b])
                found[key] = difference.p_holm

    return found


def table_notes(runs: Sequence[Results], intervals: bool, more: str = "") -> list[str]:
    """What rows are over and how their errors were made; `more` follows what they are over."""
    usual = f"Each row: {usual_counts(runs)}, unless noted."
    notes = [" ".join(filter(None, [usual, more, HALF_WIDTH if intervals else ""]))]

    notes += dict.fromkeys(f"{run.listed}." for run in runs if run.listed is not None)
    notes.append(gap_note(runs))
    if any(run.is_scored and run.summary.cluster == "person" for run in runs):
        notes.append(BY_PERSON)

    return [note for note in notes if note]


def _score(run: Results, row: ScoreRow, metric: Metric) -> Score:
    if metric.name == USER.name:
        return run.study.get((row.method, row.T), NO_SCORE)
    return row.scores.get(metric.name, NOT_IN_RUN)


def _cell_notes(row: ScoreRow, metric: Metric, score: Score) -> tuple[str, ...]:
    if score.value is None:
        return (f"{metric.label} not computed: {_short(score.reason)}.",) if score.reason else ()

    notes = []
    if metric.name != USER.name and score.n < row.n_frames:
        policy = f" ({metric.policy})" if metric.policy else ""
        n_failed = row.n_frames - score.n
        notes.append(f"{metric.label} failed on {n_failed} of {row.n_frames} frames{policy}.")

    covered = score.coverage
    if covered is not None and covered.n_videos < row.n_videos:
        notes.append(f"{metric.label} over {covered} only.")

    return tuple(notes)


def _short(reason: str) -> str:
    """A reason without the URL and the sha256 of a missing file, which do not fit under a table."""
    return re.sub(r" \(https?://[^)]*\)", "", reason).rstrip(".")


def _floor_row(run: Results, floor: ScoreRow, metrics: Sequence[Metric]) -> Row:
    cells = {
        metric.name: score_cell(run, floor, metric)
        for metric in metrics
        if metric.name != USER.name
    }
    label, what = "Real vs real", "Other real frames of the same videos"
    if run.is_cross:
        label, what = "Driving frames", "The driving frames themselves"

    note = f"{what}, scored as if a method had made them."
    return Row(label, cells, None, (note,), ranked=False)
