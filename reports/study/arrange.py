"""The trials of one rater: their order, where each fake stands, and the random names they go by."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from reports.study.folder import Design

_random = secrets.SystemRandom()


@dataclass(frozen=True)
class ArrangedTrial:
    """arrangement: the roles of the panels from left to right, "201" puts the target (0) in the
    middle.
    """

    token: str
    item: int
    arrangement: str


def arrange_form(design: Design, form_id: int, attempt: int) -> list[ArrangedTrial]:
    """Practice first, then main trials with gold and checks mixed in.

    Fakes stand where the form says, moved on by one for every earlier rater who gave the form up;
    all else is chance. An attention check never comes first.
    """
    form = design.forms[form_id]
    body = [(trial.triplet, (trial.fake_position + attempt) % 3) for trial in form.trials]
    body += [(item, _random.randrange(3)) for item in form.gold]
    _random.shuffle(body)
    for item in form.attention:
        body.insert(_random.randint(1, len(body)), (item, _random.randrange(3)))
    order = [(item, _random.randrange(3)) for item in design.practice] + body
    return [
        ArrangedTrial(secrets.token_urlsafe(16), item, _arrangement(position))
        for item, position in order
    ]


def _arrangement(position: int) -> str:
    others = ["1", "2"]
    _random.shuffle(others)
    return "".join([*others[:position], "0", *others[position:]])
