"""How far a study is, in counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from reports.study.design import Design
from reports.study.ratings import participant_counts
from reports.study.schema import assignments, forms, reading, trials
from reports.study.store import Store


@dataclass(frozen=True)
class Progress:
    """forms: done, in_work (leased), waiting (leased, but the lease ran out) and free; rows:
    (method, T, ratings).
    """

    done: int
    in_work: int
    waiting: int
    free: int
    participants: dict[str, int]
    median_minutes: float | None
    rows: tuple[tuple[str, int, int], ...]
    wanted: int


def progress(store: Store) -> Progress:
    """Counts forms, participants and the ratings of each table row; no success rate, so nobody
    peeks.
    """
    now_s, design = store.clock(), store.study.design
    with reading(store.engine).connect() as connection:
        states = connection.execute(select(forms.c.id, forms.c.state, forms.c.lease_until)).all()
        minutes = _minutes(connection)

    done = [form.id for form in states if form.state == "done"]
    leased = [form for form in states if form.state == "leased"]
    n_in_work = sum(form.lease_until >= now_s for form in leased)
    counts = _ratings_by_row(design, done)
    n_wanted = sum(len(form.trials) for form in design.forms) // len(counts)

    return Progress(
        done=len(done),
        in_work=n_in_work,
        waiting=len(leased) - n_in_work,
        free=len(states) - len(done) - len(leased),
        participants=participant_counts(store.engine),
        median_minutes=minutes[len(minutes) // 2] if minutes else None,
        rows=tuple((method, T, count) for (method, T), count in counts.items()),
        wanted=n_wanted,
    )


def _minutes(connection: Connection) -> list[float]:
    """How long each finished form took from its first to its last answer, ascending; forms of a
    static export have no times.
    """
    spans = connection.execute(
        select(func.min(trials.c.answered_at), func.max(trials.c.answered_at))
        .join(assignments, trials.c.assignment_id == assignments.c.id)
        .join(forms, forms.c.assignment_id == assignments.c.id)
        .where(forms.c.state == "done", trials.c.answered_at.is_not(None))
        .group_by(assignments.c.id)
    )
    return sorted((last_s - first_s) / 60 for first_s, last_s in spans)


def _ratings_by_row(design: Design, done: Sequence[int]) -> dict[tuple[str, int], int]:
    """The ratings that finished forms hold of each table row, in the order of the run."""
    counts = {(item.method, item.T): 0 for item in design.items if item.kind == "main"}

    for form in done:
        for trial in design.forms[form].trials:
            item = design.items[trial.triplet]
            counts[item.method, item.T] += 1

    return counts
