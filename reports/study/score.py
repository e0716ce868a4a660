"""`thbench study score`: from ratings to the USER column, with everything a reader needs to judge
it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from reports.study.folder import Study
from reports.study.ratings import ROLES, participant_counts, read_ratings, save_ratings
from reports.study.schema import is_simulated, open_for_reading, telling_damage
from reports.study.scores import (
    Checks,
    ComparisonRow,
    ExclusionResult,
    FormCounts,
    Interval,
    RateRow,
    ResponseTimes,
    StudyScores,
    save_results,
    scores_json,
)
from reports.study.scores_text import format_scores
from reports.study.statistics import (
    TOST_MARGIN,
    RateDifference,
    fleiss_kappa,
    position_bias,
    rate_difference,
    success_rate,
)
from thbench.errors import ThbenchError
from thbench.files import sha256_file, sha256_json, write_json
from thbench.metrics.statistics import holm
from thbench.records.unit import UserColumn, UserRow
from thbench.runs import Run

__all__ = ["format_scores", "save_scores", "score_folder", "score_study", "scores_json"]

KAPPA_NOTE = (
    "near 0 is expected where success is near 1/3: raters who cannot tell do not agree; it is no "
    "flaw"
)
NAIVE_NOTE = (
    "wilson95 and clopper_pearson95 are naive: they take ratings for independent, which they are "
    "not"
)


def score_folder(folder: Path, db: str | None, run: Path | None) -> StudyScores:
    """Scores a study folder and, for real raters, writes the results; `run` is where the run has
    moved to.
    """
    study = Study.open(folder)
    url = db or study.default_database

    with telling_damage(url):
        engine = open_for_reading(url, study)
        scores = score_study(study, engine)

    if not scores.simulated:
        save_scores(study, engine, scores, Run.open(run or Path(study.design.run)))
    return scores


def score_study(study: Study, engine: Engine) -> StudyScores:
    """All numbers of a study. Raises `ThbenchError` when no form is finished."""
    ratings = read_ratings(engine, study)
    if ratings.empty:
        raise ThbenchError(f"{study.path} has no finished form yet; nothing to score")

    main = ratings[ratings["kind"] == "main"]
    kept = main[~main["excluded"]]
    return StudyScores(
        study_id=study.design.study_id,
        design_sha256=study.design_sha256,
        simulated=is_simulated(engine),
        forms=FormCounts(len(study.design.forms), int(ratings["form"].nunique())),
        participants=participant_counts(engine),
        exclusion=_exclusion(study, ratings),
        margin=TOST_MARGIN,
        notes=[NAIVE_NOTE, KAPPA_NOTE],
        rows=table_rows(main, study.design.ratings),
        after_exclusions=table_rows(kept, study.design.ratings),
        comparisons=comparisons(main),
        checks=_checks(ratings),
    )


def table_rows(main: pd.DataFrame, ratings: int) -> list[RateRow]:
    """One row per (method, T), in the order of the run; `ratings` is how many a triplet gets."""
    by_row = main.sort_values("item").groupby(["method", "T"], sort=False)
    return [_rate_row(str(method), int(str(T)), own, ratings) for (method, T), own in by_row]


def comparisons(main: pd.DataFrame) -> list[ComparisonRow]:
    """Differences of methods within each T, paired by rater and video, with Holm's correction over
    all of them.
    """
    pairs: list[tuple[int, str, str]] = []
    found: list[RateDifference] = []

    for T, block in main.sort_values("item").groupby("T"):
        for a, b in itertools.combinations(block["method"].unique(), 2):
            sides = [block[block["method"] == method] for method in (a, b)]
            first, second = ((side["correct"], side["rater"], side["video"]) for side in sides)
            pairs.append((int(str(T)), str(a), str(b)))
            found.append(rate_difference(first, second))

    adjusted = holm([difference.p for difference in found])
    return [
        ComparisonRow(
            T,
            a,
            b,
            difference=_number(difference.difference),
            se=_number(difference.se),
            ci95=_interval(difference.ci95),
            p=_number(difference.p),
            p_holm=_number(p_holm),
        )
        for (T, a, b), difference, p_holm in zip(pairs, found, adjusted, strict=True)
    ]


def save_scores(study: Study, engine: Engine, scores: StudyScores, run: Run) -> None:
    """Writes ratings.csv and results.json into the study and study.json, the USER column, into the
    run.

    Raises `ThbenchError` when the raters are simulated or the run is not the one that the study was
    built from.
    """
    if scores.simulated:
        raise ThbenchError("these raters are simulated; their numbers never go into a run")
    if sha256_file(run.run_json) != study.design.run_sha256:
        raise ThbenchError(
            f"{run.path} is not the run that {study.path} was built from; name it with --run"
        )

    save_ratings(study.path / "ratings.csv", read_ratings(engine, study))
    save_results(study.path / "results.json", scores)
    write_json(run.study_json, asdict(_user_column(scores)))


def _user_column(scores: StudyScores) -> UserColumn:
    return UserColumn(
        study_id=scores.study_id,
        design_sha256=scores.design_sha256,
        forms=asdict(scores.forms),
        rows=[
            UserRow(row.method, row.T, row.value, row.se, row.ci95, row.n, row.p_one_third)
            for row in scores.rows
        ],
    )


def _exclusion(study: Study, ratings: pd.DataFrame) -> ExclusionResult:
    rule = study.settings.exclusion
    return ExclusionResult(
        rule=rule,
        as_registered=sha256_json(asdict(rule)) == study.design.exclusion_sha256,
        raters=int(ratings.loc[ratings["excluded"], "rater"].nunique()),
    )


def _rate_row(method: str, T: int, own: pd.DataFrame, ratings: int) -> RateRow:
    """The numbers of one (method, T) from its own ratings."""
    rate = success_rate(own["correct"], own["rater"], own["video"])
    return RateRow(
        method,
        T,
        value=_number(rate.value),
        n=rate.n,
        raters=rate.raters,
        videos=rate.videos,
        se=_number(rate.se),
        df=rate.df,
        ci95=_interval(rate.ci95),
        p_one_third=_number(rate.p_one_third),
        p_equivalent=_number(rate.p_equivalent),
        wilson95=_interval(rate.wilson95),
        clopper_pearson95=_interval(rate.clopper_pearson95),
        design_effect=_number(rate.design_effect),
        d_prime=_number(rate.d_prime),
        fleiss_kappa=_number(_kappa(own, ratings)),
        response_ms=_response_times(own),
    )


def _kappa(own: pd.DataFrame, ratings: int) -> float:
    """Over the triplets that have all their ratings."""
    counts = own.groupby(["item", "chosen"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=list(ROLES), fill_value=0)
    whole = counts[counts.sum(axis=1) == ratings]
    return fleiss_kappa(whole.to_numpy()) if len(whole) and ratings > 1 else math.nan


def _response_times(own: pd.DataFrame) -> ResponseTimes:
    times_ms, is_correct = own["response_ms"], own["correct"] == 1
    q25, median, q75 = times_ms.quantile([0.25, 0.5, 0.75])
    return ResponseTimes(
        q25=_number(q25),
        median=_number(median),
        q75=_number(q75),
        median_correct=_number(times_ms[is_correct].median()),
        median_wrong=_number(times_ms[~is_correct].median()),
    )


def _checks(ratings: pd.DataFrame) -> Checks:
    main = ratings[ratings["kind"] == "main"]
    runs = [
        _longest_run(list(own.sort_values("number")["position"]))
        for _, own in ratings.groupby("rater")
    ]
    return Checks(
        gold_rate=_number(ratings.loc[ratings["kind"] == "gold", "correct"].mean()),
        attention_rate=_number(ratings.loc[ratings["kind"] == "attention", "correct"].mean()),
        position_p=_number(position_bias(main["position"])),
        longest_run=max(runs),
        left_the_page=_number((main["blurs"] > 0).mean()),
    )


def _longest_run(positions: Sequence[int]) -> int:
    """How often one position was chosen in a row, at most."""
    return max(len(list(group)) for _, group in itertools.groupby(positions))


def _interval(ends: tuple[float, float]) -> Interval:
    low, high = ends
    return _number(low), _number(high)


def _number(value: float | None) -> float | None:
    """A plain number; None where nothing can be said."""
    return None if value is None or not math.isfinite(value) else float(value)
