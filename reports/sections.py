"""What may stand in one table: runs with the same protocol and hold-out frames, in the paper's
order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.published import display_name
from reports.results import Results
from thbench.errors import ThbenchError
from thbench.records.run import MethodRecord
from thbench.records.scores import ScoreRow

PAPER_ORDER = ("x2face", "pix2pixhd")  # then every other method as the run has it, then ours
OURS_LAST = ("ours-ff", "ours-ft")


@dataclass(frozen=True)
class Section:
    """Runs whose rows are ranked together, under one heading."""

    title: str
    runs: tuple[Results, ...]


@dataclass(frozen=True)
class MethodRow:
    """The scores of a method of a run, at one T."""

    run: Results
    label: str
    row: ScoreRow

    @property
    def method(self) -> MethodRecord:
        """What the run says of the method."""
        return self.run.methods[self.label]

    @property
    def name(self) -> str:
        """The name that tables print."""
        return method_name(self.run, self.label)


def sections(runs: Sequence[Results], allow_mixed: bool) -> list[Section]:
    """Groups runs by what may be compared.

    Raises `ThbenchError` for runs of several protocols or splits, unless `allow_mixed`.
    """
    if not allow_mixed:
        _refuse_several_protocols(runs)

    groups: dict[str, list[Results]] = {}
    for run in runs:
        groups.setdefault(run.comparison_key, []).append(run)

    names = Counter(group[0].dataset for group in groups.values())
    several = [name for name, n in names.items() if n > 1]
    if several and not allow_mixed:
        raise ThbenchError(
            f"the runs on {several[0]} use different data or hold-out frames and cannot be ranked "
            "together; run them with one --split, or pass --allow-mixed for one block each"
        )

    return [
        Section(_title(group[0], is_unique=names[group[0].dataset] == 1), tuple(group))
        for group in groups.values()
    ]


def all_shots(section: Section) -> list[int]:
    """Every T of the section's runs, ascending."""
    return sorted({T for run in section.runs for T in run.shots})


def rows_at(section: Section, T: int) -> list[MethodRow]:
    """The rows of the section at T, as the runs have them."""
    return [
        MethodRow(run, label, row)
        for run in section.runs
        for label in run.methods
        if (row := run.row(label, T))
    ]


def ordered_rows_at(section: Section, T: int) -> list[MethodRow]:
    """The rows at T in the paper's order; raises `ThbenchError` when two runs use one label."""
    found = rows_at(section, T)

    labels = Counter(entry.label for entry in found)
    for label, n in labels.items():
        if n > 1:
            paths = [str(entry.run.path) for entry in found if entry.label == label]
            raise ThbenchError(
                f"{label} at T = {T} is in {' and '.join(paths)}; "
                "leave one run out or give the methods different labels"
            )

    return sorted(found, key=lambda entry: paper_position(entry.method.spec))


def paper_position(spec: str) -> int:
    """Where a method stands in the paper's tables: baselines, then everything else, then ours."""
    if spec in OURS_LAST:
        return len(PAPER_ORDER) + 1 + OURS_LAST.index(spec)
    return PAPER_ORDER.index(spec) if spec in PAPER_ORDER else len(PAPER_ORDER)


def in_paper_order(results: Results) -> list[str]:
    """The method labels of one run in the order of the paper's tables."""
    return sorted(results.methods, key=lambda label: paper_position(results.methods[label].spec))


def method_name(results: Results, label: str) -> str:
    """The name that is printed for a method of a run."""
    return display_name(label, results.methods[label].spec)


def stamp(runs: Sequence[Results]) -> str:
    """The warning that a table of partial or unfinished runs carries, or an empty string."""
    warnings = dict.fromkeys(
        f"{run.dataset}: {warning}" for run in runs if (warning := run.warning())
    )
    return f"PRELIMINARY — {'; '.join(warnings)}." if warnings else ""


def _refuse_several_protocols(runs: Sequence[Results]) -> None:
    by_sha256 = {run.record.protocol.sha256: run for run in runs}
    if len(by_sha256) < 2:
        return

    told = ", ".join(
        f"{run.path} ({run.record.protocol.name} {sha256[:8]})" for sha256, run in by_sha256.items()
    )
    raise ThbenchError(
        f"the runs follow different protocols: {told}; make one table per protocol or pass "
        "--allow-mixed"
    )


def _title(run: Results, is_unique: bool) -> str:
    if is_unique:
        return run.dataset
    return f"{run.dataset} ({run.record.protocol.name}, {run.comparison_key[:8]})"
