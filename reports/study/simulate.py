"""`thbench study simulate`: raters of known skill go through a study, to try its design and its
statistics.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sqlalchemy import Engine, Row, select

from reports.study.design import Item
from reports.study.folder import Study
from reports.study.schema import assignments, open_database, reading, trials
from reports.study.standing import Agreement, Response, StudyFullError
from reports.study.statistics import CHANCE
from reports.study.store import Store
from thbench.errors import ThbenchError

Floats = NDArray[np.float64]
CRUDE_FAKE_RATE = 0.98
USUAL_RATE = 0.6


@dataclass(frozen=True)
class Population:
    """Success rates by method ("" for the others) of an average rater on an average triplet, and
    how these vary.

    The standard deviations are on the logit above the guessing floor of 1/3. dropout is the share
    of raters who leave in the middle and never come back.
    """

    rates: Mapping[str, float]
    rater_sd: float = 0.8
    video_sd: float = 0.8
    triplet_sd: float = 0.8
    dropout: float = 0.0


@dataclass(frozen=True)
class Simulated:
    """How many raters took part, how many of them left midway, and how many answers were given."""

    raters: int
    dropped_out: int
    answers: int


def skill_of(rate: ArrayLike) -> Floats:
    """The logit above the guessing floor that brings a success rate in [1/3, 1]; -inf at 1/3."""
    return np.asarray(logit((np.asarray(rate, np.float64) - CHANCE) / (1 - CHANCE)))


def chance_of(skill: ArrayLike) -> Floats:
    """The success rate in [1/3, 1] of a skill: 1/3 + 2/3 expit(skill)."""
    return np.asarray(CHANCE + (1 - CHANCE) * expit(skill))


def simulate_study(study: Study, engine: Engine, population: Population, seed: int) -> Simulated:
    """Sends raters until every form is done; who drops out comes back no more and their form is
    given out again.

    Which items each rater finds follows from `seed`; their order is left to chance, as with people.
    """
    rates_are_possible = all(CHANCE - 1e-9 <= rate <= 1 for rate in population.rates.values())
    if not rates_are_possible or not 0 <= population.dropout < 1:
        raise ThbenchError(
            "success rates lie between 1/3 (guessing) and 1, the drop-out rate from 0 to below 1"
        )

    rng = np.random.default_rng(seed)
    clock = _Clock()
    store = Store(engine, study, clock)
    skills = _skills(study.design.items, population, rng)

    finished = dropped = answers = 0
    while finished < len(study.design.forms):
        participant = store.agree(Agreement())
        try:
            store.start(participant, {})
        except StudyFullError:  # what is left is held by raters who dropped out
            clock.now_s += study.settings.lease_minutes * 60 + 1
            store.start(participant, {})

        path = _trials_of(engine, participant)
        leaves = rng.random() < population.dropout
        length = int(rng.integers(1, len(path))) if leaves else len(path)
        rater = rng.normal(0, population.rater_sd)
        found = _found(path, skills + rater, rng)

        for trial in path[:length]:
            response = _response(trial.arrangement, trial.item in found, rng)
            clock.now_s += response.response_ms / 1000
            store.answer(participant, trial.token, response)

        answers += length
        dropped += leaves
        finished += not leaves

    return Simulated(finished + dropped, dropped, answers)


def simulate_folder(
    folder: Path, db: str | None, rates: Sequence[str], spread: float, dropout: float, seed: int
) -> str:
    """`simulate_study` on a folder, in `simulated.db` unless `db` names another; rates are "0.6" or
    "METHOD=0.6".
    """
    study = Study.open(folder)
    url = db or f"sqlite:///{os.path.realpath(folder / 'simulated.db')}"
    by_method = {"": USUAL_RATE, **dict(map(_method_and_rate, rates))}
    population = Population(by_method, spread, spread, spread, dropout)

    done = simulate_study(study, open_database(url, study, simulated=True), population, seed)
    return (
        f"{done.raters} raters, {done.dropped_out} of them left midway, {done.answers} answers; "
        f"see them with `thbench study score {folder} --db {url}`"
    )


class _Clock:
    """Goes on by what raters take for their answers, and when it is told to."""

    now_s = 1.0

    def __call__(self) -> float:
        return self.now_s


def _method_and_rate(text: str) -> tuple[str, float]:
    method, _, rate = text.rpartition("=")
    try:
        return method, float(rate)
    except ValueError:
        raise ThbenchError(f"--rates {text!r} is not a rate; write 0.6 or METHOD=0.6") from None


def _skills(items: Sequence[Item], population: Population, rng: np.random.Generator) -> Floats:
    """The skill that an average rater has on each item; instructions are always followed."""
    scenes, scene_of = np.unique([item.video for item in items], return_inverse=True)
    effect = rng.normal(0, population.video_sd, len(scenes))[scene_of]
    effect += rng.normal(0, population.triplet_sd, len(items))

    of_kind = {"practice": CRUDE_FAKE_RATE, "gold": CRUDE_FAKE_RATE, "attention": 1.0}
    of_method = population.rates
    rates = [of_kind.get(item.kind, of_method.get(item.method, of_method[""])) for item in items]
    return skill_of(rates) + effect


def _trials_of(engine: Engine, participant: str) -> Sequence[Row[Any]]:
    with reading(engine).connect() as connection:
        return connection.execute(
            select(trials)
            .join(assignments)
            .where(assignments.c.participant_id == participant)
            .order_by(trials.c.number)
        ).all()


def _found(path: Sequence[Row[Any]], skills: Floats, rng: np.random.Generator) -> set[int]:
    """The items that this rater finds, drawn in the order of their numbers."""
    items = sorted(trial.item for trial in path)
    return {
        item
        for item, luck in zip(items, rng.random(len(items)), strict=True)
        if luck < chance_of(skills[item])
    }


def _response(arrangement: str, right: bool, rng: np.random.Generator) -> Response:
    target = arrangement.index("0")
    choice = target if right else (target + int(rng.integers(1, 3))) % 3
    return Response(choice, float(rng.lognormal(7.5, 0.5)), "key", 0)
