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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from reports.study.arrange import arrange_form
from reports.study.folder import Study
from reports.study.requests import Device
from reports.study.schema import assignments, forms, participants, reading, trials
from reports.study.standing import (
    Agreement,
    AlreadyTakingPartError,
    Answered,
    Outcome,
    Response,
    Standing,
)
from reports.study.statements import (
    attention_failures,
    by_identity,
    claim_form,
    end_participation,
    expire_holder,
    finish_form,
    free_form,
    renew_lease,
    standing_of,
    trial_counts,
)

ID_BYTES = 16
RECEIPT_BYTES = 12
LONGEST_VERSION = 60


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
        identity, session = self._hash(agreement.participant), self._hash(agreement.session)
        new = secrets.token_urlsafe(ID_BYTES)

        try:
            with self._writing() as connection:
                known = by_identity(identity)
                found = connection.execute(known).one_or_none() if identity else None
                if found is None:
                    self._insert_participant(connection, new, identity, session)
                    return new
        except IntegrityError:  # the same person agreed twice in the same moment
            with self.engine.connect() as connection:
                found = connection.execute(by_identity(identity)).one()

        if session is None or found.session_hash != session:
            raise AlreadyTakingPartError
        return str(found.id)

    def is_same(self, participant: str, agreement: Agreement) -> bool:
        """Whether a known participant is the one that the platform names now. Where it names
        nobody, anyone is.
        """
        with self._reading.connect() as connection:
            found = connection.execute(
                select(participants.c.identity_hash).where(participants.c.id == participant)
            ).one_or_none()

        if found is None:
            return False
        names_nobody = not agreement.participant
        return names_nobody or found.identity_hash == self._hash(agreement.participant)

    def start(self, participant: str, device: Device) -> None:
        """Leases a form to a participant who has none; a second call changes nothing. Raises
        `StudyFullError`.
        """
        try:
            with self._writing() as connection:
                held = select(assignments.c.id).where(assignments.c.participant_id == participant)
                if connection.scalar(held) is None:
                    self._hand_out(connection, participant, device)
        except IntegrityError:
            # Another tab of the same participant was first. The form that it got stands, and the
            # one taken here is free again.
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
            if trial is None:
                return None
            ahead = trial.number - trial_counts(connection, trial.assignment_id).answered

        if ahead not in (0, 1):
            return None
        panels = self.study.design.items[trial.item].panels
        first, middle, last = (panels[int(role)] for role in trial.arrangement)
        return first, middle, last

    def withdraw(self, participant: str) -> bool:
        """Deletes a participant with all answers, and frees the form to be given out again.

        False when nobody is known by that id.
        """
        held = select(assignments.c.id).where(assignments.c.participant_id == participant)

        with self._writing() as connection:
            connection.execute(
                update(forms)
                .where(forms.c.assignment_id.in_(held))
                .values(state="free", assignment_id=None)
            )
            connection.execute(delete(trials).where(trials.c.assignment_id.in_(held)))
            connection.execute(
                delete(assignments).where(assignments.c.participant_id == participant)
            )
            deleted = connection.execute(
                delete(participants).where(participants.c.id == participant)
            )
            return deleted.rowcount == 1

    def receipt(self, participant: str) -> str:
        """The receipt by which a participant can have their answers deleted later."""
        with self._reading.connect() as connection:
            receipt = connection.scalar(
                select(participants.c.receipt).where(participants.c.id == participant)
            )
        return str(receipt)

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
        turn = self._turn if self.engine.dialect.name == "sqlite" else nullcontext()
        with turn, self.engine.begin() as connection:
            yield connection

    def _standing(self, connection: Connection, participant: str) -> Standing | None:
        return standing_of(connection, participant, len(self.study.design.practice))

    def _insert_participant(
        self, connection: Connection, new: str, identity: str | None, session: str | None
    ) -> None:
        connection.execute(
            insert(participants).values(
                id=new,
                identity_hash=identity,
                session_hash=session,
                receipt=secrets.token_urlsafe(RECEIPT_BYTES),
                consent_version=self._consent_version(),
                consented_at=self.clock(),
                state="consented",
                device="{}",
            )
        )

    def _hand_out(self, connection: Connection, participant: str, device: Device) -> None:
        """Gives a form to a participant, with trials in an order of their own."""
        form = claim_form(connection, self.clock(), self._lease_s)
        expire_holder(connection, form.assignment_id, self.clock())

        inserted = connection.execute(
            insert(assignments).values(
                participant_id=participant, form_id=form.id, claimed_at=self.clock()
            )
        ).inserted_primary_key
        assert inserted is not None
        assignment = inserted[0]
        connection.execute(
            update(forms).where(forms.c.id == form.id).values(assignment_id=assignment)
        )
        connection.execute(insert(trials), self._trials(assignment, form.id, form.attempts))
        connection.execute(
            update(participants)
            .where(participants.c.id == participant)
            .values(state="started", device=json.dumps(device))
        )

    def _trials(self, assignment: int, form_id: int, attempt: int) -> list[dict[str, object]]:
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

    def _answer(
        self, connection: Connection, participant: str, token: str, response: Response
    ) -> tuple[Outcome, int | None]:
        """What becomes of an answer, and for practice where the fake stood."""
        trial = connection.execute(
            select(trials, assignments.c.form_id)
            .join(assignments)
            .where(trials.c.token == token, assignments.c.participant_id == participant)
        ).one_or_none()
        if trial is None:
            return "unknown", None

        until_s = self.clock() + self._lease_s
        holds_form = renew_lease(connection, trial.form_id, trial.assignment_id, until_s)
        counts = trial_counts(connection, trial.assignment_id)
        solution = trial.arrangement.index("0") if trial.kind == "practice" else None

        if trial.number < counts.answered:  # the row may have changed while waiting for the lock
            choice = connection.scalar(select(trials.c.choice).where(trials.c.token == token))
            return "repeated" if choice == response.choice else "conflict", solution
        if not holds_form:
            return "gone", None
        if trial.number > counts.answered:
            return "conflict", None

        self._keep(connection, token, response)
        is_attention = trial.kind == "attention"
        if is_attention and self._fails_checks(connection, trial.assignment_id):
            end_participation(connection, participant, "screened", self.clock())
            free_form(connection, trial.form_id)
        elif trial.number + 1 == counts.total:
            end_participation(connection, participant, "completed", self.clock())
            finish_form(connection, trial.form_id)
        return "accepted", solution

    def _keep(self, connection: Connection, token: str, response: Response) -> None:
        """Writes an answer."""
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

    def _fails_checks(self, connection: Connection, assignment: int) -> bool:
        allowed = self.study.settings.attention_failures_to_screen_out
        return 0 < allowed <= attention_failures(connection, assignment)

    @property
    def _lease_s(self) -> float:
        return self.study.settings.lease_minutes * 60

    def _hash(self, text: str) -> str | None:
        """A name from a platform as a keyed hash; None for no name."""
        if not text:
            return None

        key = self.study.keys.identity.encode()
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def _consent_version(self) -> str:
        """The owner's name for the text that was agreed to, and the text's own hash."""
        settings = self.study.settings
        text = hashlib.sha256("\n".join(settings.consent).encode()).hexdigest()
        return f"{settings.consent_version[:LONGEST_VERSION]} {text[:12]}"
