"""What may stand in one table: runs with the same protocol and hold-out frames, in the paper's
order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reports.results import Results, ScoreRow
from thbench.errors import ThbenchError

PAPER_ORDER = ("x2face", "pix2pixhd")  # then every other method as the run has it, then ours
OURS_LAST = ("ours-ff", "ours-ft")


@dataclass(frozen=True)
class Section:
    """Runs whose rows are ranked together, under one heading."""

    title: str
    runs: tuple[Results, ...]


def sections(runs: Sequence[Results], allow_mixed: bool) -> list[Section]:
    """Groups runs by what may be compared; refuses mixed protocols and splits unless told
    otherwise.
    """
    protocols = {run.info["protocol"]["sha256"]: run for run in runs}
    if len(protocols) > 1 and not allow_mixed:
        told = ", ".join(
            f"{run.path} ({run.info['protocol']['name']} {key[:8]})"
            for key, run in protocols.items()
        )
        raise ThbenchError(
            f"the runs follow different protocols: {told}; make one table per protocol or pass "
            "--allow-mixed"
        )
    groups: dict[str, list[Results]] = {}
    for run in runs:
        groups.setdefault(run.comparison_key, []).append(run)
    names = Counter(group[0].dataset for group in groups.values())
    doubled = [name for name, n in names.items() if n > 1]
    if doubled and not allow_mixed:
        raise ThbenchError(
            f"the runs on {doubled[0]} use different data or hold-out frames and cannot be ranked "
            "together; run them with one --split, or pass --allow-mixed for one block each"
        )
    return [Section(_section_title(group[0], names), tuple(group)) for group in groups.values()]


def _section_title(run: Results, names: Counter[str]) -> str:
    extra = (
        f" ({run.info['protocol']['name']}, {run.comparison_key[:8]})"
        if names[run.dataset] > 1
        else ""
    )
    return run.dataset + extra


def all_shots(section: Section) -> list[int]:
    """Every T of the section's runs, ascending."""
    return sorted({T for run in section.runs for T in run.shots})


def methods_at(section: Section, T: int) -> list[tuple[Results, str, ScoreRow]]:
    """The rows at T in the paper's order; raises `ThbenchError` when two runs use one label."""
    found = [
        (run, label, row)
        for run in section.runs
        for label in run.methods
        if (row := run.row(label, T))
    ]
    labels = Counter(label for _, label, _ in found)
    for label, n in labels.items():
        if n > 1:
            paths = [str(run.path) for run, other, _ in found if other == label]
            raise ThbenchError(
                f"{label} at T = {T} is in {' and '.join(paths)}; leave one run out or label them apart"
            )
    return sorted(found, key=lambda entry: paper_position(entry[0].methods[entry[1]]["spec"]))


def paper_position(spec: str) -> int:
    """Where a method stands in the paper's tables: baselines, then everything else, then ours."""
    if spec in OURS_LAST:
        return len(PAPER_ORDER) + 1 + OURS_LAST.index(spec)
    return PAPER_ORDER.index(spec) if spec in PAPER_ORDER else len(PAPER_ORDER)


def in_paper_order(results: Results) -> list[str]:
    """The method labels of one run in the order of the paper's tables."""
    return sorted(results.methods, key=lambda label: paper_position(results.methods[label]["spec"]))


def stamp(runs: Sequence[Results]) -> str:
    """The warning that a table of partial or unfinished runs carries, or an empty string."""
    warnings = dict.fromkeys(f"{run.dataset}: {run.warning()}" for run in runs if run.warning())
    return f"PRELIMINARY — {'; '.join(warnings)}." if warnings else ""
