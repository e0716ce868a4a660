"""A figure like the paper's 5, 11 and 13: each head beside its best drivers, one frame of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.drivers import rank_drivers
from reports.grid import Grid, GridRow
from reports.pictures import generated, real, source
from reports.results import Results
from reports.sections import method_name
from thbench.errors import ThbenchError
from thbench.runs import Unit

COLUMNS = 5


def puppets(
    results: Results, by: str, judge: str, methods: Sequence[str], T: int, rows: int, seed: int
) -> Grid:
    """Per source a row of driving frames and one row of each method's pictures of them.

    The drivers are the best of method `judge` by `by`; where there are fewer than the columns, more
    frames of each are shown. Sources are drawn at random.
    """
    ranked = rank_drivers(results, by)
    if judge not in results.methods:
        raise ThbenchError(
            f"no method {judge!r} in {results.path}; it holds {', '.join(results.methods)}"
        )

    mine = ranked[(ranked["method"] == judge) & (ranked["T"] == T)]
    drawn = np.random.default_rng(seed).permutation(len(results.videos))[:rows]

    grid: list[GridRow] = []
    ranks: list[int] = []  # of the first source: every source shows the same places
    for video in [results.videos[index] for index in sorted(drawn)]:
        drivers = list(mine[mine["source"] == video]["driver"])
        places = _places(results, video, drivers[:COLUMNS])
        driver_of = results.drivers(video)
        ranks = ranks or [1 + drivers.index(driver_of[place]) for place in places]
        grid += _rows(results, video, places, methods, T)

    label = results.metrics[ranked.attrs["metric"]].label
    warning = f" {results.warning().capitalize()}." if results.warning() else ""
    caption = (
        f"Heads learned from T = {T} photos, driven by other videos ({results.dataset}). "
        "Source: the first of the T shots. Columns: the best drivers by "
        f"{label} of {method_name(results, judge)}, by place; sources drawn at random "
        f"(seed {seed}).{warning}"
    )
    return Grid("", ["Source", *(f"driver {rank}" for rank in ranks)], grid, caption)


def _rows(
    results: Results, video: str, places: Sequence[int], methods: Sequence[str], T: int
) -> list[GridRow]:
    """The driving frames of a source, and what each method made of them."""
    head = source(results, video)
    driving = [real(results, video, place) for place in places]

    rows = [GridRow("driver", [head, *driving])]
    for method in methods:
        made = [generated(results, Unit(method, T, video), place) for place in places]
        rows.append(GridRow(method_name(results, method), [head, *made]))
    return rows


def _places(results: Results, video: str, drivers: Sequence[str]) -> list[int]:
    """Positions of `COLUMNS` hold-out frames, best driver first, evenly within each driver's
    frames.
    """
    driver_of = results.drivers(video)
    shares = np.array_split(np.arange(COLUMNS), len(drivers)) if drivers else []

    found: list[int] = []
    for driver, share in zip(drivers, shares, strict=True):
        own = [index for index, other in enumerate(driver_of) if other == driver]
        for number in range(len(share)):  # the middle of each of as many equal parts
            found.append(own[int((number + 0.5) * len(own) / len(share))])

    if len(found) != COLUMNS:
        raise ThbenchError(f"{results.path} holds no scores of {video}; finish the run first")
    return found
