"""Ranks that know their uncertainty: what cannot be told apart shares a rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from reports.results import Results
from thbench.records.scores import Metric, Score

_CERTAIN = 1.96  # standard errors of a difference between runs


@dataclass(frozen=True)
class Entrant:
    """A method of a run at one T."""

    results: Results
    method: str
    T: int

    def score(self, metric: str) -> Score | None:
        row = self.results.row(self.method, self.T)
        return None if row is None else row.scores.get(metric)


def ranks(entrants: Sequence[Entrant], metric: Metric) -> list[int | None]:
    """1 + how many others are better beyond chance, for each; None without a number to rank.

    Within a run differences are paired by video and corrected; between runs they count from 1.96
    standard errors of both. Ranks are shared: 1, 1, 3.
    """
    return [
        None
        if not _may_rank(entrant, metric)
        else 1 + sum(_is_better(other, entrant, metric) for other in entrants)
        for entrant in entrants
    ]


def borda(entrants: Sequence[Entrant], metrics: Sequence[Metric]) -> list[float | None]:
    """The share of others that each is better than, ties half, averaged over the metrics: 0 to 1.

    Only metrics that rank every entrant count; None where there is none, or nobody to compare with.
    """
    common = [
        metric
        for metric in metrics
        if metric.higher_is_better is not None and all(_may_rank(e, metric) for e in entrants)
    ]
    if not common or len(entrants) < 2:
        return [None] * len(entrants)
    return [
        sum(_share(entrant, entrants, metric) for metric in common) / len(common)
        for entrant in entrants
    ]


def _share(entrant: Entrant, entrants: Sequence[Entrant], metric: Metric) -> float:
    others = [other for other in entrants if other is not entrant]
    points = [
        (1 + _is_better(entrant, other, metric) - _is_better(other, entrant, metric)) / 2
        for other in others
    ]
    return sum(points) / len(points)


def _may_rank(entrant: Entrant, metric: Metric) -> bool:
    score = entrant.score(metric.name)
    return metric.higher_is_better is not None and score is not None and score.may_rank


def _is_better(a: Entrant, b: Entrant, metric: Metric) -> bool:
    """Whether a is better than b beyond chance."""
    if a is b or not (_may_rank(a, metric) and _may_rank(b, metric)):
        return False
    sign = 1 if metric.higher_is_better else -1
    if a.results is b.results:
        return any(
            difference.is_significant and sign * difference.seen_from(a.method).value > 0
            for difference in a.results.differences
            if (difference.metric, difference.T) == (metric.name, a.T)
            and {difference.a, difference.b} == {a.method, b.method}
        )
    ours, theirs = a.score(metric.name), b.score(metric.name)
    if ours is None or theirs is None or ours.value is None or theirs.value is None:
        return False
    if ours.se is None or theirs.se is None:
        return False
    return sign * (ours.value - theirs.value) > _CERTAIN * sqrt(ours.se**2 + theirs.se**2)
