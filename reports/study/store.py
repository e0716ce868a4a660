"""What participants do, as transactions: agree, take a form, answer, leave, withdraw.

Forms make "exactly five ratings" a fact of the schema: a triplet stands in exactly five forms and a
form is done once. Answers that an abandoned form got stay in the database but count for nothing;
the form is given out again, whole.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    Connection,
    Engine,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from reports.study.arrange import arrange_form
from reports.study.folder import Study
from reports.study.schema import assignments, forms, participants, reading, trials

Phase = Literal["start", "trial", "completed", "screened", "expired"]
Outcome = Literal["accepted", "repeated", "conflict", "unknown", "gone"]
ENDED = ("completed", "screened", "expired")


@dataclass(frozen=True)
class Agreement:
    """A participant as the platform names them; empty texts when it does not. Only hashes of these
    are stored.
    """

    participant: str = ""
    session: str = ""


@dataclass(frozen=True)
class CurrentTrial:
    """The trial to answer now. number and total count what follows the practice; number is negative
    in practice.

    instructed: the position that an attention check tells to choose, else None.
    """

    token: str
    practice: bool
    number: int
    total: int
    instructed: int | None
    next_token: str | None


@dataclass(frozen=True)
class Standing:
    """Where a participant stands."""

    phase: Phase
    trial: CurrentTrial | None = None


@dataclass(frozen=True)
class Response:
    """An answer: choice is the position 0, 1, 2; the rest is for analysis."""

    choice: int
    response_ms: float
    input: Literal["key", "mouse", "touch"]
    blurs: int


@dataclass(frozen=True)
class Answered:
    """What became of an answer, where the participant stands now, and for practice where the fake
    stood.
    """

    outcome: Outcome
    standing: Standing | None
    practice_solution: int | None = None


class AlreadyTakingPartError(Exception):
    """The platform's id is known, and its session is another one."""


class StudyFullError(Exception):
    """Every form is done or being answered."""


class Store:
    """The transactions of one study on one database. Thread-safe; any number may run beside each
    other.
    """

    def __init__(
        self, engine: Engine, study: Study, clock: Callable[[], float] = time.time
    ) -> None:
        self.engine, self.study, self.clock = engine, study, clock
        self._reading = reading(engine)
        self._turn = threading.Lock()

    def agree(self, agreement: Agreement) -> str:
        """Notes a consent and returns the participant's id; the same platform session gets the same
        id again.

        Raises `AlreadyTakingPartError` when the platform's participant is known from another
        session.
        """
        identity = self._hash(agreement.participant)
        session = self._hash(agreement.session)
        new = secrets.token_urlsafe(16)
        try:
            with self._writing() as connection:
                found = (
                    connection.execute(_by_identity(identity)).one_or_none() if identity else None
                )
                if found is None:
                    connection.execute(
                        insert(participants).values(
                            id=new,
                            identity_hash=identity,
                            session_hash=session,
                            receipt=secrets.token_urlsafe(12),
                            consent_version=self._consent_version(),
                            consented_at=self.clock(),
                            state="consented",
                            device="{}",
                        )
                    )
                    return new
        except IntegrityError:  # the same person agreed twice in the same moment
            with self.engine.connect() as connection:
                found = connection.execute(_by_identity(identity)).one()
        if session is None or found.session_hash != session:
            raise AlreadyTakingPartError
        return str(found.id)

    def is_same(self, participant: str, agreement: Agreement) -> bool:
        """Whether a known participant is the one that the platform names now (anyone, when it names
        nobody).
        """
        with self._reading.connect() as connection:
            found = connection.execute(
                select(participants.c.identity_hash).where(participants.c.id == participant)
            ).one_or_none()
        return found is not None and (
            not agreement.participant or found.identity_hash == self._hash(agreement.participant)
        )

    def start(self, participant: str, device: Mapping[str, Any]) -> None:
        """Leases a form to a participant who has none; a second call changes nothing. Raises
        `StudyFullError`.
        """
        try:
            with self._writing() as connection:
                if connection.scalar(
                    select(assignments.c.id).where(assignments.c.participant_id == participant)
                ):
                    return
                form = _claim(connection, self.clock(), self._lease_s)
                _expire(connection, form.assignment_id, self.clock())
                attempt = connection.execute(
                    insert(assignments).values(
                        participant_id=participant, form_id=form.id, claimed_at=self.clock()
                    )
                ).inserted_primary_key
                assert attempt is not None
                connection.execute(
                    update(forms).where(forms.c.id == form.id).values(assignment_id=attempt[0])
                )
                connection.execute(insert(trials), self._trials(attempt[0], form.id, form.attempts))
                connection.execute(
                    update(participants)
                    .where(participants.c.id == participant)
                    .values(state="started", device=json.dumps(device))
                )
        except (
            IntegrityError
        ):  # another tab of the same participant was first; its form stands, this one is free again
            return

    def standing(self, participant: str) -> Standing | None:
        """Where the participant stands, or None when there is no such participant."""
        with self._reading.connect() as connection:
            return self._standing(connection, participant)

    def answer(self, participant: str, token: str, response: Response) -> Answered:
        """Takes an answer, once: the same again is "repeated", another one or one out of turn is a
        "conflict".

        "gone": the participant was away so long that the form went to someone else, or the study is
        over for them.
        """
        with self._writing() as connection:
            outcome, solution = self._answer(connection, participant, token, response)
            return Answered(outcome, self._standing(connection, participant), solution)

    def _answer(
        self, connection: Connection, participant: str, token: str, response: Response
    ) -> tuple[Outcome, int | None]:
        trial = connection.execute(
            select(trials, assignments.c.form_id)
            .join(assignments)
            .where(trials.c.token == token, assignments.c.participant_id == participant)
        ).one_or_none()
        if trial is None:
            return "unknown", None

        lease = connection.execute(
            update(forms)
            .where(
                forms.c.id == trial.form_id,
                forms.c.assignment_id == trial.assignment_id,
                forms.c.state == "leased",
            )
            .values(lease_until=self.clock() + self._lease_s)
        )
        numbers = _counts(connection, trial.assignment_id)
        solution = trial.arrangement.index("0") if trial.kind == "practice" else None

        if trial.number < numbers.answered:  # the row may have changed while waiting for the lock
            choice = connection.scalar(select(trials.c.choice).where(trials.c.token == token))
            return "repeated" if choice == response.choice else "conflict", solution
        if lease.rowcount == 0:
            return "gone", None
        if trial.number > numbers.answered:
            return "conflict", None

        connection.execute(
            update(trials)
            .where(trials.c.token == token)
            .values(
                choice=response.choice,
                response_ms=response.response_ms,
                input=response.input,
                blurs=response.blurs,
                answered_at=self.clock(),
            )
        )

        if trial.kind == "attention" and self._fails_checks(connection, trial.assignment_id):
            _end(connection, participant, "screened", self.clock())
            connection.execute(
                update(forms)
                .where(forms.c.id == trial.form_id)
                .values(state="free", assignment_id=None)
            )
        elif trial.number + 1 == numbers.total:
            _end(connection, participant, "completed", self.clock())
            connection.execute(
                update(forms).where(forms.c.id == trial.form_id).values(state="done")
            )
        return "accepted", solution

    def picture(self, participant: str, token: str) -> tuple[int, int, int] | None:
        """The panels of a trial in the order of this participant; None unless it is their current
        or next trial.
        """
        with self._reading.connect() as connection:
            trial = connection.execute(
                select(trials.c.item, trials.c.arrangement, trials.c.number, trials.c.assignment_id)
                .join(assignments)
                .join(forms, forms.c.assignment_id == assignments.c.id)
                .where(trials.c.token == token, assignments.c.participant_id == participant)
            ).one_or_none()
            if (
                trial is None
                or not 0 <= trial.number - _counts(connection, trial.assignment_id).answered <= 1
            ):
                return None
            panels = self.study.design.items[trial.item].panels
            first, middle, last = (panels[int(place)] for place in trial.arrangement)
            return first, middle, last

    def withdraw(self, participant: str) -> bool:
        """Deletes a participant and every answer of theirs; their form is given out again. False
        when unknown.
        """
        with self._writing() as connection:
            held = select(assignments.c.id).where(assignments.c.participant_id == participant)
            connection.execute(
                update(forms)
                .where(forms.c.assignment_id.in_(held))
                .values(state="free", assignment_id=None)
            )
            connection.execute(delete(trials).where(trials.c.assignment_id.in_(held)))
            connection.execute(
                delete(assignments).where(assignments.c.participant_id == participant)
            )
            return (
                connection.execute(
                    delete(participants).where(participants.c.id == participant)
                ).rowcount
                == 1
            )

    def receipt(self, participant: str) -> str:
        """The receipt by which a participant can have their answers deleted later."""
        with self._reading.connect() as connection:
            return str(
                connection.scalar(
                    select(participants.c.receipt).where(participants.c.id == participant)
                )
            )

    def check(self) -> None:
        """Raises when the database does not answer."""
        with self._reading.connect() as connection:
            connection.execute(select(forms.c.id).limit(1))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction that changes something.

        SQLite has one writer at a time and lets the others poll, so an unlucky one waits for
        seconds; here they queue.
        """
        with (
            self._turn if self.engine.dialect.name == "sqlite" else nullcontext(),
            self.engine.begin() as connection,
        ):
            yield connection

    def _standing(self, connection: Connection, participant: str) -> Standing | None:
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

        every = select(func.count()).where(trials.c.assignment_id == found.assignment)
        ahead = connection.execute(
            select(
                trials.c.token,
                trials.c.kind,
                trials.c.number,
                trials.c.arrangement,
                every.scalar_subquery().label("total"),
            )
            .where(trials.c.assignment_id == found.assignment, trials.c.choice.is_(None))
            .order_by(trials.c.number)
            .limit(2)
        ).all()
        now = ahead[0]
        practice = len(self.study.design.practice)
        return Standing(
            "trial",
            CurrentTrial(
                now.token,
                now.kind == "practice",
                now.number - practice,
                now.total - practice,
                now.arrangement.index("0") if now.kind == "attention" else None,
                ahead[1].token if len(ahead) > 1 else None,
            ),
        )

    def _trials(self, assignment: int, form_id: int, attempt: int) -> list[dict[str, Any]]:
        design = self.study.design
        return [
            {
                "token": trial.token,
                "assignment_id": assignment,
                "number": number,
                "item": trial.item,
                "kind": design.items[trial.item].kind,
                "arrangement": trial.arrangement,
            }
            for number, trial in enumerate(arrange_form(design, form_id, attempt))
        ]

    def _fails_checks(self, connection: Connection, assignment: int) -> bool:
        allowed = self.study.settings.attention_failures_to_screen_out
        checks = connection.execute(
            select(trials.c.choice, trials.c.arrangement).where(
                trials.c.assignment_id == assignment,
                trials.c.kind == "attention",
                trials.c.choice.is_not(None),
            )
        )
        failed = sum(check.choice != check.arrangement.index("0") for check in checks)
        return bool(0 < allowed <= failed)

    @property
    def _lease_s(self) -> float:
        return self.study.settings.lease_minutes * 60

    def _hash(self, text: str) -> str | None:
        return (
            hmac.new(self.study.keys.identity.encode(), text.encode(), "sha256").hexdigest()
            if text
            else None
        )

    def _consent_version(self) -> str:
        settings = self.study.settings
        text = hashlib.sha256("\n".join(settings.consent).encode()).hexdigest()
        return f"{settings.consent_version[:60]} {text[:12]}"


def _claim(connection: Connection, now_s: float, lease_s: float) -> Row[Any]:
    """One statement takes the form: fresh ones first, then abandoned ones. SKIP LOCKED lets claims
    pass each other.
    """
    open_form: Select[Any] = (
        select(forms.c.id)
        .where(
            or_(
                forms.c.state == "free", (forms.c.state == "leased") & (forms.c.lease_until < now_s)
            )
        )
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


def _expire(connection: Connection, assignment: int | None, now_s: float) -> None:
    if assignment is not None:
        holder = select(assignments.c.participant_id).where(assignments.c.id == assignment)
        connection.execute(
            update(participants)
            .where(participants.c.id == holder.scalar_subquery())
            .values(state="expired", finished_at=now_s)
        )


def _end(connection: Connection, participant: str, state: str, now_s: float) -> None:
    connection.execute(
        update(participants)
        .where(participants.c.id == participant)
        .values(state=state, finished_at=now_s)
    )


def _by_identity(identity: str | None) -> Select[Any]:
    return select(participants.c.id, participants.c.session_hash).where(
        participants.c.identity_hash == identity
    )


@dataclass(frozen=True)
class _Counts:
    answered: int
    total: int


def _counts(connection: Connection, assignment: int) -> _Counts:
    return _Counts(
        *connection.execute(
            select(func.count(trials.c.choice), func.count()).where(
                trials.c.assignment_id == assignment
            )
        ).one()
    )
