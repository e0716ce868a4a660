"""The ratings of a study as one tidy table, pseudonymous: what `score` computes from and what is
exported.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine, case, select

from reports.study.folder import Study
from reports.study.schema import assignments, forms, participants, reading, trials
from reports.study.settings import Exclusion
from thbench.files import atomic_path

ROLES = ("fake", "real-1", "real-2")


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
    with reading(engine).connect() as connection:
        rows = (
            connection.execute(
                select(
                    forms.c.id.label("form"),
                    assignments.c.id.label("assignment"),
                    trials,
                    _before().label("before"),
                )
                .join(assignments, forms.c.assignment_id == assignments.c.id)
                .join(trials, trials.c.assignment_id == assignments.c.id)
                .where(forms.c.state == "done", trials.c.kind != "practice")
                .order_by(forms.c.id, trials.c.number)
            )
            .mappings()
            .all()
        )
    ratings = pd.DataFrame([_rating(row, study) for row in rows], columns=pd.Index(COLUMNS))
    ratings["excluded"] = ratings["rater"].isin(excluded_raters(ratings, study.settings.exclusion))
    return ratings


COLUMNS = (
    "rater",
    "form",
    "number",
    "kind",
    "item",
    "method",
    "T",
    "person",
    "video",
    "frame",
    "chosen",
    "position",
    "fake_position",
    "correct",
    "response_ms",
    "input",
    "blurs",
    "server_ms",
)


def excluded_raters(ratings: pd.DataFrame, rule: Exclusion) -> list[int]:
    """Raters who found too few crude fakes, missed too many instructions, or answered too fast.

    A page may claim any response time, but none longer than the server saw: the shorter one counts.
    """
    out = []
    for rater, own in ratings.groupby("rater"):
        shorter_ms = own[["response_ms", "server_ms"]].min(axis=1)
        gold, checks = own[own["kind"] == "gold"], own[own["kind"] == "attention"]
        if (
            gold["correct"].sum() < min(rule.min_gold_correct, len(gold))
            or (1 - checks["correct"]).sum() > rule.max_attention_failed
            or shorter_ms.median() < rule.min_median_response_ms
        ):
            out.append(int(str(rater)))
    return out


def save_ratings(path: Path, ratings: pd.DataFrame) -> None:
    """Writes the table as CSV; text that a spreadsheet would run as a formula is quoted with an
    apostrophe.
    """
    safe = ratings.copy()
    for column in safe.select_dtypes(include=["object", "string"]).columns:
        safe[column] = safe[column].map(
            lambda text: f"'{text}" if str(text)[:1] in tuple("=+-@\t\r") else text
        )
    with atomic_path(path) as temporary:
        safe.to_csv(temporary, index=False)


def participant_counts(engine: Engine) -> dict[str, int]:
    """How many participants are in each state."""
    with reading(engine).connect() as connection:
        states = [row[0] for row in connection.execute(select(participants.c.state))]
    return {
        str(state): int(count)
        for state, count in zip(*np.unique(states, return_counts=True), strict=True)
    }


def _rating(row: Any, study: Study) -> tuple[Any, ...]:
    item = study.design.items[row["item"]]
    chosen = int(row["arrangement"][row["choice"]])
    return (
        row["assignment"],
        row["form"],
        row["number"],
        row["kind"],
        row["item"],
        item.method,
        item.T,
        item.person,
        item.video,
        item.frame,
        ROLES[chosen],
        row["choice"],
        row["arrangement"].index("0"),
        int(chosen == 0),
        row["response_ms"],
        row["input"],
        row["blurs"],
        _server_ms(row["before"], row["answered_at"]),
    )


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
