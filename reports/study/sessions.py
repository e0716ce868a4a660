"""Who a request comes from: signed cookies and tickets, and the token that proves a page ours."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import HTTPConnection

from reports.study.folder import Study
from reports.study.standing import Agreement

SESSION, OWNER = "thbench_study", "thbench_owner"
HOUR_S = 3600
SESSION_AGE_S, TICKET_AGE_S, OWNER_AGE_S = 14 * 24 * HOUR_S, 6 * HOUR_S, 12 * HOUR_S
FOUND = "thbench_participant"  # where a request's participant is kept once its cookie is verified


class Sessions:
    """Makes and verifies what browsers hold for one study; see `Keys` for what it is signed by."""

    def __init__(self, study: Study, clock: Callable[[], float] = time.time) -> None:
        self.study, self.clock = study, clock

    def participant(self, request: HTTPConnection) -> str | None:
        """The participant whose cookie the request carries; every reader gets the same one."""
        if FOUND not in request.scope:
            found = self._read("session", request.cookies.get(SESSION, ""), SESSION_AGE_S)
            request.scope[FOUND] = found if isinstance(found, str) else None

        participant: str | None = request.scope[FOUND]
        return participant

    def of_participant(self, participant: str) -> str:
        """The value of a participant's cookie."""
        return self._signer("session").dumps(participant)

    def csrf(self, participant: str) -> str:
        """What only a page that was sent to this participant can say."""
        key, said = self.study.keys.cookie, f"csrf {participant}"
        return hmac.new(key.encode(), said.encode(), "sha256").hexdigest()

    def has_csrf(self, participant: str, token: str) -> bool:
        """Whether a page proves that it was sent to this participant."""
        return hmac.compare_digest(token.encode(), self.csrf(participant).encode())

    def ticket(self, agreement: Agreement) -> str:
        """Carries the platform's names through the consent page."""
        return self._signer("ticket").dumps([agreement.participant, agreement.session])

    def agreement(self, ticket: str) -> Agreement | None:
        """What a ticket carries; None for one that is not ours or too old."""
        named = self._read("ticket", ticket, TICKET_AGE_S)
        return Agreement(*named) if isinstance(named, list) else None

    def is_owner(self, request: HTTPConnection) -> bool:
        """Whether the request carries the owner's token or their cookie."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        cookie = self._read("owner", request.cookies.get(OWNER, ""), OWNER_AGE_S)
        return self.is_owners_token(bearer) or cookie == "owner"

    def is_owners_token(self, token: str) -> bool:
        """Whether this is the token in secrets.json."""
        return hmac.compare_digest(token.encode(), self.study.keys.owner.encode())

    def of_owner(self) -> str:
        """The value of the owner's cookie."""
        return self._signer("owner").dumps("owner")

    def _signer(self, purpose: str) -> URLSafeTimedSerializer:
        salt = f"{purpose} {self.study.design.study_id}"
        return URLSafeTimedSerializer(self.study.keys.cookie, salt=salt)

    def _read(self, purpose: str, signed: str, age_s: int) -> Any:
        """The signed value, or None when it is not ours or too old.

        A clock that was set back makes it look as if it came from the future. That does not cast
        doubt on a signature, as long as the clock did not move by more than a whole lifetime.
        """
        try:
            value, signed_at = self._signer(purpose).loads(signed, return_timestamp=True)
        except BadSignature:
            return None

        now = datetime.fromtimestamp(self.clock(), UTC)
        return value if abs((now - signed_at).total_seconds()) <= age_s else None
