"""`thbench study score`: from ratings to the USER column, with everything a reader needs to judge
it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Engine

from reports.study.folder import Study
from reports.study.ratings import ROLES, participant_counts, read_ratings, save_ratings
from reports.study.schema import is_simulated, open_for_reading, telling_damage
from reports.study.statistics import (
    TOST_MARGIN,
    Rate,
    fleiss_kappa,
    position_bias,
    rate_difference,
    success_rate,
)
from thbench.errors import ThbenchError
from thbench.files import sha256_file, sha256_json, write_json
from thbench.metrics.statistics import holm
from thbench.runs import Run

KAPPA_NOTE = "near 0 is expected where success is near 1/3: raters who cannot tell do not agree; it is no flaw"
NAIVE_NOTE = "wilson95 and clopper_pearson95 are naive: they take ratings for independent, which they are not"
HEAD = (
    f"{'method':<16} {'T':>3} {'USER':>6} {'95% interval':>16} {'n':>6} {'p(1/3)':>8} {'p(TOST)':>8} "
    f"{'d-prime':>7} {'deff':>5} {'kappa':>6} {'RT s':>5}   Wilson, Clopper-Pearson (naive)"
)


def score_study(study: Study, engine: Engine) -> dict[str, Any]:
    """All numbers of a study as one dictionary (strict JSON, None where nothing can be said).

    rows: per (method, T) with all finished forms; after_exclusions: the same without the raters
    that the rule set before the study leaves out; comparisons: methods pairwise within each T, Holm
    over all of them. Raises `ThbenchError` when no form is finished.
    """
    ratings = read_ratings(engine, study)
    if ratings.empty:
        raise ThbenchError(f"{study.path} has no finished form yet; nothing to score")
    main = ratings[ratings["kind"] == "main"]
    kept = main[~main["excluded"]]
    rule = asdict(study.settings.exclusion)
    scores: dict[str, Any] = _finite(
        {
            "study_id": study.design.study_id,
            "design_sha256": study.design_sha256,
            "simulated": is_simulated(engine),
            "forms": {
                "planned": len(study.design.forms),
                "finished": int(ratings["form"].nunique()),
            },
            "participants": participant_counts(engine),
            "exclusion": {
                "rule": rule,
                "as_registered": sha256_json(rule) == study.design.exclusion_sha256,
                "raters": int(ratings.loc[ratings["excluded"], "rater"].nunique()),
            },
            "margin": TOST_MARGIN,
            "notes": [NAIVE_NOTE, KAPPA_NOTE],
            "rows": table_rows(main, study.design.ratings),
            "after_exclusions": table_rows(kept, study.design.ratings),
            "comparisons": comparisons(main),
            "checks": _checks(ratings),
        }
    )
    return scores


def table_rows(main: pd.DataFrame, ratings: int) -> list[dict[str, Any]]:
    """One dictionary per (method, T), in the order of the run: rate, intervals, tests, d', kappa,
    response times.
    """
    return [
        {
            "method": method,
            "T": int(str(T)),
            **asdict(_rate(own)),
            "fleiss_kappa": _kappa(own, ratings),
            "response_ms": _response_times(own),
        }
        for (method, T), own in main.sort_values("item").groupby(["method", "T"], sort=False)
    ]


def comparisons(main: pd.DataFrame) -> list[dict[str, Any]]:
    """Differences of methods within each T, paired by rater and video, with Holm's correction over
    the whole family.
    """
    found = []
    for T, block in main.sort_values("item").groupby("T"):
        for first, second in itertools.combinations(block["method"].unique(), 2):
            sides = [block[block["method"] == method] for method in (first, second)]
            difference = rate_difference(
                *((side["correct"], side["rater"], side["video"]) for side in sides)
            )
            found.append({"T": int(str(T)), "a": first, "b": second, **asdict(difference)})
    for row, adjusted in zip(found, holm([row["p"] for row in found]), strict=True):
        row["p_holm"] = adjusted
    return found


def save_scores(study: Study, engine: Engine, scores: Mapping[str, Any], run: Run) -> None:
    """Writes ratings.csv and results.json into the study and study.json, the USER column, into the
    run.

    Raises `ThbenchError` when the raters are simulated or the run is not the one that the study was
    built from.
    """
    if scores["simulated"]:
        raise ThbenchError("these raters are simulated; their numbers never go into a run")
    if sha256_file(run.run_json) != study.design.run_sha256:
        raise ThbenchError(
            f"{run.path} is not the run that {study.path} was built from; name it with --run"
        )
    save_ratings(study.path / "ratings.csv", read_ratings(engine, study))
    write_json(study.path / "results.json", scores)
    write_json(
        run.study_json,
        {
            "study_id": scores["study_id"],
            "design_sha256": scores["design_sha256"],
            "forms": scores["forms"],
            "rows": [
                {
                    key: row[key]
                    for key in ("method", "T", "value", "se", "ci95", "n", "p_one_third")
                }
                for row in scores["rows"]
            ],
        },
    )


def score_folder(folder: Path, db: str | None, run: Path | None) -> dict[str, Any]:
    """Scores a study folder and, for real raters, writes the results; `run` is where the run has
    moved to.
    """
    study = Study.open(folder)
    url = db or study.default_database
    with telling_damage(url):
        engine = open_for_reading(url, study)
        scores = score_study(study, engine)
    if not scores["simulated"]:
        save_scores(study, engine, scores, Run.open(run or Path(study.design.run)))
    return scores


def format_scores(scores: Mapping[str, Any]) -> str:
    """The results as text for a terminal."""
    counted = scores["forms"]
    lines = [
        f"{counted['finished']} of {counted['planned']} forms finished"
        + ("; SIMULATED raters" if scores["simulated"] else "")
    ]
    for title, rows in (
        ("all finished forms", scores["rows"]),
        ("after exclusions", scores["after_exclusions"]),
    ):
        lines += ["", title, HEAD, *(_line(row) for row in rows)]
    lines += ["", "paired differences within T (Holm over all)"]
    lines += [
        f"T={row['T']:<3} {row['a']} - {row['b']}: {_number(row['difference'], '+.3f')} "
        f"[{_number(row['ci95'][0], '+.3f')}, {_number(row['ci95'][1], '+.3f')}], p {_number(row['p'], '.4f')}, "
        f"Holm {_number(row['p_holm'], '.4f')}"
        for row in scores["comparisons"]
    ]
    exclusion, checks = scores["exclusion"], scores["checks"]
    lines += [
        "",
        f"excluded raters: {exclusion['raters']}; rule {exclusion['rule']}"
        + ("" if exclusion["as_registered"] else " (CHANGED since the study was built)"),
        f"crude fakes found: {_number(checks['gold_rate'], '.2f')}; instructions followed: "
        f"{_number(checks['attention_rate'], '.2f')}; position bias p = {_number(checks['position_p'], '.3f')}; "
        f"longest run of one key: {checks['longest_run']}",
        *(f"note: {note}" for note in scores["notes"]),
    ]
    return "\n".join(lines)


def _rate(own: pd.DataFrame) -> Rate:
    return success_rate(own["correct"], own["rater"], own["video"])


def _kappa(own: pd.DataFrame, ratings: int) -> float:
    """Over the triplets that have all their ratings."""
    counts = (
        own.groupby(["item", "chosen"])
        .size()
        .unstack(fill_value=0)
        .reindex(columns=list(ROLES), fill_value=0)
    )
    whole = counts[counts.sum(axis=1) == ratings]
    return fleiss_kappa(whole.to_numpy()) if len(whole) and ratings > 1 else math.nan


def _response_times(own: pd.DataFrame) -> dict[str, float]:
    quartiles = own["response_ms"].quantile([0.25, 0.5, 0.75])
    return {
        "q25": float(quartiles.iloc[0]),
        "median": float(quartiles.iloc[1]),
        "q75": float(quartiles.iloc[2]),
        "median_correct": float(own.loc[own["correct"] == 1, "response_ms"].median()),
        "median_wrong": float(own.loc[own["correct"] == 0, "response_ms"].median()),
    }


def _checks(ratings: pd.DataFrame) -> dict[str, Any]:
    main = ratings[ratings["kind"] == "main"]
    runs = [
        max(
            len(list(group))
            for _, group in itertools.groupby(own.sort_values("number")["position"])
        )
        for _, own in ratings.groupby("rater")
    ]
    return {
        "gold_rate": float(ratings.loc[ratings["kind"] == "gold", "correct"].mean()),
        "attention_rate": float(ratings.loc[ratings["kind"] == "attention", "correct"].mean()),
        "position_p": position_bias(main["position"]),
        "longest_run": int(max(runs)),
        "left_the_page": float((main["blurs"] > 0).mean()),
    }


def _line(row: Mapping[str, Any]) -> str:
    low, high = row["ci95"]
    naive = " ".join(
        f"[{_number(a, '.3f')}, {_number(b, '.3f')}]"
        for a, b in (row["wilson95"], row["clopper_pearson95"])
    )
    interval = f"[{_number(low, '.3f')}, {_number(high, '.3f')}]"
    return (
        f"{row['method']:<16} {row['T']:>3} {row['value']:>6.3f} {interval:>16} {row['n']:>6} "
        f"{_number(row['p_one_third'], '.4f'):>8} {_number(row['p_equivalent'], '.4f'):>8} "
        f"{_number(row['d_prime'], '.2f'):>7} {_number(row['design_effect'], '.2f'):>5} "
        f"{_number(row['fleiss_kappa'], '.2f'):>6} {row['response_ms']['median'] / 1000:>5.1f}   {naive}"
    )


def _number(value: float | None, pattern: str) -> str:
    return "-" if value is None else format(value, pattern)


def _finite(value: Any) -> Any:
    """The same structure with None for NaN and plain Python numbers."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
