"""`thbench study power`: how many ratings a row needs, said before money is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from reports.study.statistics import CHANCE, TOST_MARGIN
from thbench.errors import ThbenchError

PAPER_PAIRS = ((0.62, 0.82), (0.62, 0.71), (0.33, 0.38), (0.43, 0.46), (0.61, 0.62))


@dataclass(frozen=True)
class Plan:
    """Ratings per row and method for 80% power at two-sided 5%; naive means independent ratings."""

    question: str
    naive: int
    clustered: int


def plan(pairs: Sequence[tuple[float, float]], design_effect: float) -> list[Plan]:
    """What telling two methods apart takes, for each pair of success rates, and what each rate
    against 1/3 takes.
    """
    if design_effect < 1:
        raise ThbenchError(
            "the design effect is 1 or more: 1 means independent ratings, 2.5 is usual here"
        )

    rates = sorted({rate for pair in pairs for rate in pair if round(rate, 2) != round(CHANCE, 2)})
    asked = [(f"{a:g} from {b:g}", ratings_to_tell_apart(a, b)) for a, b in pairs]
    asked += [(f"{rate:g} from 1/3", ratings_to_tell_from_chance(rate)) for rate in rates]
    asked.append((f"1/3 shown to be within {TOST_MARGIN:g} of 1/3", ratings_to_show_equivalence()))
    return [Plan(question, math.ceil(n), math.ceil(n * design_effect)) for question, n in asked]


def power_text(rates: Sequence[str], ratings: int, design_effect: float) -> str:
    """The plan as text; rates are "0.62:0.71", by default pairs that the paper's table would have
    to tell apart.
    """
    plans = plan([_pair(text) for text in rates] or PAPER_PAIRS, design_effect)
    gaps = [
        f"{smallest_difference(rate, ratings, design_effect):.3f} at {name}"
        for name, rate in (("1/3", CHANCE), ("0.5", 0.5), ("0.7", 0.7))
    ]
    lines = [
        "ratings per row for 80% power, two-sided 5%",
        f"{'to tell':<36}{'independent':>12}{'clustered':>11}",
        *(f"{step.question:<36}{step.naive:>12,}{step.clustered:>11,}" for step in plans),
        f"with {ratings} ratings a row and design effect {design_effect:g}, two methods can be "
        f"told apart from a difference of {', '.join(gaps)}",
    ]
    return "\n".join(lines)


def ratings_to_tell_apart(a: float, b: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Independent ratings for each of two methods with success rates a and b (two proportions,
    normal).
    """
    _refuse_impossible(a, b)
    if a == b:
        raise ThbenchError(f"two equal rates ({a:g}) cannot be told apart by any number of ratings")

    z, z_power = stats.norm.ppf(1 - alpha / 2), stats.norm.ppf(power)
    pooled = (a + b) / 2
    if_equal = math.sqrt(2 * pooled * (1 - pooled))
    if_different = math.sqrt(a * (1 - a) + b * (1 - b))
    spread = z * if_equal + z_power * if_different
    return float((spread / (a - b)) ** 2)


def ratings_to_tell_from_chance(rate: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """Independent ratings that show a success rate to differ from 1/3."""
    _refuse_impossible(rate)
    if rate == CHANCE:
        raise ThbenchError("a rate of 1/3 cannot be told from 1/3; ask for equivalence instead")

    z, z_power = stats.norm.ppf(1 - alpha / 2), stats.norm.ppf(power)
    spread = z * math.sqrt(CHANCE * (1 - CHANCE)) + z_power * math.sqrt(rate * (1 - rate))
    return float((spread / (rate - CHANCE)) ** 2)


def ratings_to_show_equivalence(
    margin: float = TOST_MARGIN, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Independent ratings with which TOST shows a true rate of 1/3 to be within `margin` of 1/3."""
    z = stats.norm.ppf(1 - alpha) + stats.norm.ppf((1 + power) / 2)
    return float(CHANCE * (1 - CHANCE) * (z / margin) ** 2)


def smallest_difference(
    rate: float, ratings: int, design_effect: float, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The difference above `rate` that `ratings` per row can tell."""
    _refuse_impossible(rate)
    z = stats.norm.ppf(1 - alpha / 2) + stats.norm.ppf(power)
    return float(z * math.sqrt(2 * rate * (1 - rate) * design_effect / ratings))


def _pair(text: str) -> tuple[float, float]:
    try:
        first, second = map(float, text.split(":"))
    except ValueError:
        raise ThbenchError(f"--rates {text!r} is not a pair of rates; write 0.62:0.71") from None
    return first, second


def _refuse_impossible(*rates: float) -> None:
    if not all(0 < rate < 1 for rate in rates):
        raise ThbenchError("success rates lie between 0 and 1")
