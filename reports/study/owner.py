"""How far a study is, in counts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

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
        spans = connection.execute(
            select(func.min(trials.c.answered_at), func.max(trials.c.answered_at))
            .join(assignments, trials.c.assignment_id == assignments.c.id)
            .join(forms, forms.c.assignment_id == assignments.c.id)
            .where(forms.c.state == "done")
            .group_by(assignments.c.id)
        ).all()
    done = [row.id for row in states if row.state == "done"]
    leased = [row for row in states if row.state == "leased"]
    rows = {(item.method, item.T): 0 for item in design.items if item.kind == "main"}
    for form in done:
        for trial in design.forms[form].trials:
            item = design.items[trial.triplet]
            rows[item.method, item.T] += 1
    minutes = sorted((last - first) / 60 for first, last in spans)
    return Progress(
        len(done),
        sum(row.lease_until >= now_s for row in leased),
        sum(row.lease_until < now_s for row in leased),
        len(states) - len(done) - len(leased),
        participant_counts(store.engine),
        minutes[len(minutes) // 2] if minutes else None,
        tuple((*row, count) for row, count in rows.items()),
        sum(len(form.trials) for form in design.forms) // len(rows),
    )
