"""The ratings of a study as one tidy table, pseudonymous: what `score` computes from and what is
exported.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, Row, case, select

from reports.study.folder import Study
from reports.study.schema import assignments, forms, participants, reading, trials
from reports.study.settings import Exclusion
from thbench.files import atomic_path

ROLES = ("fake", "real-1", "real-2")
FORMULA_SIGNS = tuple("=+-@\t\r")


def read_ratings(engine: Engine, study: Study) -> pd.DataFrame:
    """One row per answer of every finished form (main, gold and attention; practice is not
    analysed).

    Columns: rater (a number), form, number (order within the form), kind, item, method, T, person,
    video, frame, chosen ("fake", "real-1", "real-2"), position (0, 1, 2), fake_position, correct
    (0/1), response_ms, input, blurs, server_ms, excluded (whether the study's rule leaves the rater
    out).

    response_ms is what the page measured and says. server_ms is what the server saw: from the
    answer before (or the start of the form) to this one, so it holds the way there and back too;
    NaN for a static export, and where the clock was set back in between.
    """
    answers = (
        select(
            forms.c.id.label("form"),
            assignments.c.id.label("rater"),
            trials,
            _before().label("before"),
        )
        .join(assignments, forms.c.assignment_id == assignments.c.id)
        .join(trials, trials.c.assignment_id == assignments.c.id)
        .where(forms.c.state == "done", trials.c.kind != "practice")
        .order_by(forms.c.id, trials.c.number)
    )
    with reading(engine).connect() as connection:
        rows = connection.execute(answers).all()

    names = [field.name for field in fields(_Rating)]
    ratings = pd.DataFrame([astuple(_rating(row, study)) for row in rows], columns=pd.Index(names))
    ratings["excluded"] = ratings["rater"].isin(excluded_raters(ratings, study.settings.exclusion))
    return ratings


def excluded_raters(ratings: pd.DataFrame, rule: Exclusion) -> list[int]:
    """Raters who found too few crude fakes, missed too many instructions, or answered too fast.

    A page may claim any response time, but none longer than the server saw: the shorter one counts.
    """
    by_rater = ratings.groupby("rater")
    return [int(str(rater)) for rater, own in by_rater if _is_excluded(own, rule)]


def save_ratings(path: Path, ratings: pd.DataFrame) -> None:
    """Writes the table as CSV; text that a spreadsheet would run as a formula is quoted with an
    apostrophe.
    """
    safe = ratings.copy()
    for column in safe.select_dtypes(include=["object", "string"]).columns:
        safe[column] = safe[column].map(_formula_safe)

    with atomic_path(path) as temporary:
        safe.to_csv(temporary, index=False)


def participant_counts(engine: Engine) -> dict[str, int]:
    """How many participants are in each state."""
    with reading(engine).connect() as connection:
        states = connection.scalars(select(participants.c.state)).all()

    counts = Counter(map(str, states))
    return dict(sorted(counts.items()))


@dataclass(frozen=True)
class _Rating:
    """One row of the table; see `read_ratings`."""

    rater: int
    form: int
    number: int
    kind: str
    item: int
    method: str
    T: int
    person: str
    video: str
    frame: int
    chosen: str
    position: int
    fake_position: int
    correct: int
    response_ms: float
    input: str
    blurs: int
    server_ms: float


def _rating(row: Row[Any], study: Study) -> _Rating:
    item = study.design.items[row.item]
    role = int(row.arrangement[row.choice])
    return _Rating(
        rater=row.rater,
        form=row.form,
        number=row.number,
        kind=row.kind,
        item=row.item,
        method=item.method,
        T=item.T,
        person=item.person,
        video=item.video,
        frame=item.frame,
        chosen=ROLES[role],
        position=row.choice,
        fake_position=row.arrangement.index("0"),
        correct=int(role == 0),
        response_ms=row.response_ms,
        input=row.input,
        blurs=row.blurs,
        server_ms=_server_ms(row.before, row.answered_at),
    )


def _is_excluded(own: pd.DataFrame, rule: Exclusion) -> bool:
    """Whether the rule leaves out a rater with these ratings."""
    gold = own[own["kind"] == "gold"]
    checks = own[own["kind"] == "attention"]
    shorter_ms = own[["response_ms", "server_ms"]].min(axis=1)

    found_too_few = gold["correct"].sum() < min(rule.min_gold_correct, len(gold))
    missed_too_many = (1 - checks["correct"]).sum() > rule.max_attention_failed
    is_too_fast = shorter_ms.median() < rule.min_median_response_ms
    return bool(found_too_few or missed_too_many or is_too_fast)


def _formula_safe(text: Any) -> Any:
    return f"'{text}" if str(text).startswith(FORMULA_SIGNS) else text


def _before() -> Any:
    """When the answer before a trial's came, or the form was given out."""
    earlier = trials.alias()
    answered = (
        select(earlier.c.answered_at)
        .where(
            earlier.c.assignment_id == trials.c.assignment_id,
            earlier.c.number == trials.c.number - 1,
        )
        .correlate(trials)
        .scalar_subquery()
    )
    return case((trials.c.number == 0, assignments.c.claimed_at), else_=answered)


def _server_ms(before_s: float | None, answered_s: float | None) -> float:
    if before_s is None or answered_s is None or answered_s < before_s:
        return math.nan
    return 1000 * (answered_s - before_s)
