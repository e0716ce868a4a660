"""The trials of one rater: their order, where each fake stands, and the random names they go by."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from reports.study.design import Design
from reports.study.forms import POSITIONS

TOKEN_BYTES = 16
_random = secrets.SystemRandom()


@dataclass(frozen=True)
class ArrangedTrial:
    """arrangement: the roles of the panels from left to right, "201" puts the target (0) in the
    middle.
    """

    token: str
    item: int
    arrangement: str

    def __post_init__(self) -> None:
        """Raises `ValueError` for an arrangement of other panels than three."""
        if sorted(self.arrangement) != ["0", "1", "2"] or self.item < 0:
            raise ValueError(f"arranges {self.arrangement!r} of item {self.item}")

    @property
    def target(self) -> int:
        """The position of the panel to find."""
        return self.arrangement.index("0")


def arrange_form(design: Design, form_id: int, attempt: int) -> list[ArrangedTrial]:
    """Practice first, then main trials with gold and checks mixed in.

    Fakes stand where the form says, moved on by one for every earlier rater who gave the form up;
    all else is chance. An attention check never comes first.
    """
    form = design.forms[form_id]
    body = [(trial.triplet, (trial.fake_position + attempt) % POSITIONS) for trial in form.trials]
    body += [(item, _any_position()) for item in form.gold]
    _random.shuffle(body)

    for item in form.attention:
        body.insert(_random.randint(1, len(body)), (item, _any_position()))

    practice = [(item, _any_position()) for item in design.practice]
    return [
        ArrangedTrial(secrets.token_urlsafe(TOKEN_BYTES), item, _arrangement(position))
        for item, position in [*practice, *body]
    ]


def _any_position() -> int:
    return _random.randrange(POSITIONS)


def _arrangement(position: int) -> str:
    """The target at a position, the two others beside it in any order."""
    others = ["1", "2"]
    _random.shuffle(others)
    return "".join([*others[:position], "0", *others[position:]])
