"""Which hold-out frames a figure or a page shows: picked by a rule that is told, never by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from reports.preferred import DEFAULT_PICK
from reports.results import Results, known_metric
from thbench.errors import ThbenchError
from thbench.records.video_key import video_key

Pick = Literal["random", "best", "worst", "median"]
PICKS: tuple[str, ...] = get_args(Pick)
IN_TIME = ["person", "video", "position"]
ORDERS: dict[Pick, str] = {
    "median": "nearest to the median",
    "best": "best first",
    "worst": "worst first, and before all those that failed and have no score",
}


@dataclass(frozen=True)
class Rule:
    """How rows are picked: one hold-out frame per person, at most `rows` people.

    best, worst and median order people by `metric` of the frames that `judge` made at the largest
    T; random needs no scores. judge is a method label, by default the last one in the paper's
    order. metric is by default what the run's protocol ranks drivers by, or ssim.
    """

    pick: Pick = "random"
    metric: str = ""
    judge: str = ""
    rows: int = 4
    seed: int = 0

    def metric_of(self, results: Results) -> str:
        """The metric that picks."""
        return self.metric or results.record.protocol.rank_by or DEFAULT_PICK


@dataclass(frozen=True)
class Frame:
    """A hold-out frame: the key of its video, and its index there."""

    video: str
    index: int


def pick_frames(results: Results, rule: Rule, judge: str, T: int) -> list[Frame]:
    """One frame per person by the rule, at most rule.rows of them, judged on `judge` at T shots."""
    if rule.pick == "random":
        return _pick_random(results, rule)
    return _pick_by_score(results, rule, judge, T)


def told_pick(
    results: Results, rule: Rule, judge_name: str, T: int, frames: Sequence[Frame]
) -> str:
    """The rule in words, for a caption."""
    people = n_people(len(frames))
    if rule.pick == "random":
        return f"{people} and one hold-out frame of each drawn at random (seed {rule.seed})"

    label = results.metrics[rule.metric_of(results)].label
    return (
        f"per person the frame with the {rule.pick} {label} of {judge_name} at T = {T}; "
        f"{people}, {ORDERS[rule.pick]}"
    )


def n_people(n: int) -> str:
    """Such as "1 person" and "4 people"."""
    return f"{n} {'person' if n == 1 else 'people'}"


def _pick_random(results: Results, rule: Rule) -> list[Frame]:
    rng = np.random.default_rng(rule.seed)

    frames_of: dict[str, list[Frame]] = {}
    for video in results.test_videos:
        frames = [Frame(video.key, index) for index in range(len(video.holdout))]
        frames_of.setdefault(video.person, []).extend(frames)

    people = sorted(frames_of)
    chosen = [people[index] for index in rng.permutation(len(people))[: rule.rows]]
    return [frames_of[person][rng.integers(len(frames_of[person]))] for person in chosen]


def _pick_by_score(results: Results, rule: Rule, judge: str, T: int) -> list[Frame]:
    metric = known_metric([results], rule.metric_of(results))
    frames = results.frames
    if metric not in frames.columns:
        raise ThbenchError(
            f"{metric} is not measured per frame and cannot pick rows; choose another --metric"
        )

    mine = frames[(frames["method"] == judge) & (frames["T"] == T)]
    scored = mine.dropna(subset=[metric])
    if scored.empty:
        raise ThbenchError(
            f"{judge} has no {metric} at T = {T} in {results.path}; "
            "choose another --judge or --metric"
        )

    best_first = scored.sort_values(
        [metric, *IN_TIME],
        kind="stable",
        ascending=[not results.metrics[metric].higher_is_better, True, True, True],
    )
    ordered = best_first
    if rule.pick == "worst":  # nothing is worse than a frame that has no score
        failed = mine[mine[metric].isna()].sort_values(IN_TIME, kind="stable")
        ordered = pd.concat([failed, best_first.iloc[::-1]])
    if rule.pick == "median":
        ordered = _nearest_to_median(best_first, metric)

    first = ordered.drop_duplicates("person").head(rule.rows)
    return [
        Frame(video_key(row["person"], row["video"]), int(row["position"]))
        for _, row in first.iterrows()
    ]


def _nearest_to_median(best_first: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The middle frame of each person, in the order of how near it is to the median of these."""
    by_person = best_first.groupby("person", sort=False)
    middle = pd.DataFrame([group.iloc[(len(group) - 1) // 2] for _, group in by_person])

    distance = (middle[metric] - middle[metric].median()).abs()
    return middle.iloc[np.argsort(distance.to_numpy(), kind="stable")]
