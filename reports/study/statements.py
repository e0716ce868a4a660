"""The statements that the transactions of a study are made of; see `reports.study.store`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, case, func, or_, select, update

from reports.study.schema import assignments, forms, participants, trials
from reports.study.standing import ENDED, CurrentTrial, Standing, StudyFullError


@dataclass(frozen=True)
class TrialCounts:
    """How many trials of an assignment are answered, of how many."""

    answered: int
    total: int


def by_identity(identity: str | None) -> Select[Any]:
    """The participant that a platform's id belongs to."""
    return select(participants.c.id, participants.c.session_hash).where(
        participants.c.identity_hash == identity
    )


def claim_form(connection: Connection, now_s: float, lease_s: float) -> Row[Any]:
    """Leases a form; returns its id, the assignment that held it, and how often it was given out.

    One statement takes it: fresh forms first, then abandoned ones. SKIP LOCKED lets claims pass
    each other. Raises `StudyFullError` when there is none.
    """
    is_abandoned = (forms.c.state == "leased") & (forms.c.lease_until < now_s)
    open_form: Select[Any] = (
        select(forms.c.id)
        .where(or_(forms.c.state == "free", is_abandoned))
        .order_by(case((forms.c.state == "free", 0), else_=1), forms.c.attempts, forms.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claimed = connection.execute(
        update(forms)
        .where(forms.c.id == open_form.scalar_subquery())
        .values(state="leased", lease_until=now_s + lease_s, attempts=forms.c.attempts + 1)
        .returning(forms.c.id, forms.c.assignment_id, (forms.c.attempts - 1).label("attempts"))
    ).one_or_none()

    if claimed is None:
        raise StudyFullError
    return claimed


def expire_holder(connection: Connection, assignment: int | None, now_s: float) -> None:
    """Ends the study for the participant who held a form before, if anyone did."""
    if assignment is None:
        return

    holder = select(assignments.c.participant_id).where(assignments.c.id == assignment)
    connection.execute(
        update(participants)
        .where(participants.c.id == holder.scalar_subquery())
        .values(state="expired", finished_at=now_s)
    )


def renew_lease(connection: Connection, form: int, assignment: int, until_s: float) -> bool:
    """Renews the lease of a form; False when the assignment no longer holds it."""
    renewed = connection.execute(
        update(forms)
        .where(
            forms.c.id == form,
            forms.c.assignment_id == assignment,
            forms.c.state == "leased",
        )
        .values(lease_until=until_s)
    )
    return renewed.rowcount > 0


def free_form(connection: Connection, form: int) -> None:
    """Lets a form be given out again, whole."""
    connection.execute(
        update(forms).where(forms.c.id == form).values(state="free", assignment_id=None)
    )


def finish_form(connection: Connection, form: int) -> None:
    """Marks a form as done."""
    connection.execute(update(forms).where(forms.c.id == form).values(state="done"))


def end_participation(connection: Connection, participant: str, state: str, now_s: float) -> None:
    """Marks how the study ended for a participant."""
    connection.execute(
        update(participants)
        .where(participants.c.id == participant)
        .values(state=state, finished_at=now_s)
    )


def trial_counts(connection: Connection, assignment: int) -> TrialCounts:
    """The counts of an assignment."""
    counts = select(func.count(trials.c.choice), func.count())
    answered, total = connection.execute(counts.where(trials.c.assignment_id == assignment)).one()
    return TrialCounts(answered, total)


def attention_failures(connection: Connection, assignment: int) -> int:
    """How many answered attention checks of an assignment were not followed."""
    checks = connection.execute(
        select(trials.c.choice, trials.c.arrangement).where(
            trials.c.assignment_id == assignment,
            trials.c.kind == "attention",
            trials.c.choice.is_not(None),
        )
    )
    return sum(check.choice != check.arrangement.index("0") for check in checks)


def standing_of(connection: Connection, participant: str, n_practice: int) -> Standing | None:
    """Where a participant stands; None for one who is not known."""
    found = connection.execute(
        select(participants.c.state, assignments.c.id.label("assignment"))
        .outerjoin(assignments)
        .where(participants.c.id == participant)
    ).one_or_none()

    if found is None:
        return None
    if found.state in ENDED:
        return Standing(found.state)
    if found.assignment is None:
        return Standing("start")
    return Standing("trial", _current_trial(connection, found.assignment, n_practice))


def _current_trial(connection: Connection, assignment: int, n_practice: int) -> CurrentTrial:
    """The first trial without an answer, and the name of the one after it."""
    every = select(func.count()).where(trials.c.assignment_id == assignment)
    ahead = connection.execute(
        select(
            trials.c.token,
            trials.c.kind,
            trials.c.number,
            trials.c.arrangement,
            every.scalar_subquery().label("total"),
        )
        .where(trials.c.assignment_id == assignment, trials.c.choice.is_(None))
        .order_by(trials.c.number)
        .limit(2)
    ).all()

    now = ahead[0]
    return CurrentTrial(
        token=now.token,
        practice=now.kind == "practice",
        number=now.number - n_practice,
        total=now.total - n_practice,
        instructed=now.arrangement.index("0") if now.kind == "attention" else None,
        next_token=ahead[1].token if len(ahead) > 1 else None,
    )
