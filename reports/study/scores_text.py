"""The results of a study as text for a terminal."""

from __future__ import annotations

from dataclasses import asdict

from reports.study.scores import ComparisonRow, Interval, RateRow, StudyScores

HEAD = (
    f"{'method':<16} {'T':>3} {'USER':>6} {'95% interval':>16} {'n':>6} {'p(1/3)':>8} "
    f"{'p(TOST)':>8} {'d-prime':>7} {'deff':>5} {'kappa':>6} {'RT s':>5}   "
    "Wilson, Clopper-Pearson (naive)"
)


def format_scores(scores: StudyScores) -> str:
    """The two tables of rates, the comparisons, and what was checked."""
    who = "; SIMULATED raters" if scores.simulated else ""
    lines = [f"{scores.forms.finished} of {scores.forms.planned} forms finished{who}"]
    lines += ["", "all finished forms", HEAD, *map(_row_line, scores.rows)]
    lines += ["", "after exclusions", HEAD, *map(_row_line, scores.after_exclusions)]
    lines += ["", "paired differences within T (Holm over all)"]
    lines += [_comparison_line(row) for row in scores.comparisons]
    lines += ["", _exclusion_line(scores), _checks_line(scores)]
    lines += [f"note: {note}" for note in scores.notes]
    return "\n".join(lines)


def _row_line(row: RateRow) -> str:
    response_ms = row.response_ms.median
    fields = [
        f"{row.method:<16}",
        f"{row.T:>3}",
        f"{_number(row.value, '.3f'):>6}",
        f"{_interval(row.ci95, '.3f'):>16}",
        f"{row.n:>6}",
        f"{_number(row.p_one_third, '.4f'):>8}",
        f"{_number(row.p_equivalent, '.4f'):>8}",
        f"{_number(row.d_prime, '.2f'):>7}",
        f"{_number(row.design_effect, '.2f'):>5}",
        f"{_number(row.fleiss_kappa, '.2f'):>6}",
        f"{_number(None if response_ms is None else response_ms / 1000, '.1f'):>5}",
    ]
    naive = f"{_interval(row.wilson95, '.3f')} {_interval(row.clopper_pearson95, '.3f')}"
    return f"{' '.join(fields)}   {naive}"


def _comparison_line(row: ComparisonRow) -> str:
    return (
        f"T={row.T:<3} {row.a} - {row.b}: {_number(row.difference, '+.3f')} "
        f"{_interval(row.ci95, '+.3f')}, p {_number(row.p, '.4f')}, "
        f"Holm {_number(row.p_holm, '.4f')}"
    )


def _exclusion_line(scores: StudyScores) -> str:
    exclusion = scores.exclusion
    changed = "" if exclusion.as_registered else " (CHANGED since the study was built)"
    return f"excluded raters: {exclusion.raters}; rule {asdict(exclusion.rule)}{changed}"


def _checks_line(scores: StudyScores) -> str:
    checks = scores.checks
    return (
        f"crude fakes found: {_number(checks.gold_rate, '.2f')}; "
        f"instructions followed: {_number(checks.attention_rate, '.2f')}; "
        f"position bias p = {_number(checks.position_p, '.3f')}; "
        f"longest run of one key: {checks.longest_run}"
    )


def _interval(ends: Interval, pattern: str) -> str:
    low, high = ends
    return f"[{_number(low, pattern)}, {_number(high, pattern)}]"


def _number(value: float | None, pattern: str) -> str:
    return "-" if value is None else format(value, pattern)
