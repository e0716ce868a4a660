"""What participants say and are told: who they are, where they stand, and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
