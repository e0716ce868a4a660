"""results.json: all numbers of a study. A number is None where nothing can be said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from reports.study.settings import Exclusion
from thbench.files import write_json
from thbench.records.decode import read_record

Interval = tuple[float | None, float | None]


@dataclass(frozen=True)
class FormCounts:
    """How many forms the study has, and how many of them are finished."""

    planned: int
    finished: int


@dataclass(frozen=True)
class ExclusionResult:
    """The rule that leaves raters out, whether it is still the one that was fixed before the study,
    and how many it leaves out.
    """

    rule: Exclusion
    as_registered: bool
    raters: int


@dataclass(frozen=True)
class ResponseTimes:
    """Quartiles of response times in milliseconds, and the medians of right and wrong answers."""

    q25: float | None
    median: float | None
    q75: float | None
    median_correct: float | None
    median_wrong: float | None


@dataclass(frozen=True)
class RateRow:
    """The success rate of one (method, T); see `reports.study.statistics.Rate`."""

    method: str
    T: int
    value: float | None
    n: int
    raters: int
    videos: int
    se: float | None
    df: int
    ci95: Interval
    p_one_third: float | None
    p_equivalent: float | None
    wilson95: Interval
    clopper_pearson95: Interval
    design_effect: float | None
    d_prime: float | None
    fleiss_kappa: float | None
    response_ms: ResponseTimes


@dataclass(frozen=True)
class ComparisonRow:
    """The rate of method a minus that of b at one T, paired by rater and video."""

    T: int
    a: str
    b: str
    difference: float | None
    se: float | None
    ci95: Interval
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class Checks:
    """Whether raters looked: crude fakes found, instructions followed, positions chosen evenly, the
    longest run of one position, and the share of main trials in which the page was left.
    """

    gold_rate: float | None
    attention_rate: float | None
    position_p: float | None
    longest_run: int
    left_the_page: float | None


@dataclass(frozen=True)
class StudyScores:
    """The whole of results.json.

    rows: per (method, T) with all finished forms; after_exclusions: the same without the raters
    that the rule set before the study leaves out; comparisons: methods pairwise within each T, Holm
    over all of them.
    """

    study_id: str
    design_sha256: str
    simulated: bool
    forms: FormCounts
    participants: Mapping[str, int]
    exclusion: ExclusionResult
    margin: float
    notes: list[str]
    rows: list[RateRow]
    after_exclusions: list[RateRow]
    comparisons: list[ComparisonRow]
    checks: Checks


def save_results(path: Path, scores: StudyScores) -> None:
    """Writes results.json."""
    write_json(path, asdict(scores))


def load_results(path: Path) -> StudyScores:
    """Reads results.json; raises `ThbenchError` where it does not hold what it must."""
    return read_record(path, StudyScores, "write it again with `thbench study score`")


def scores_json(scores: StudyScores) -> str:
    """The scores as results.json holds them."""
    return json.dumps(asdict(scores), indent=1, allow_nan=False)
