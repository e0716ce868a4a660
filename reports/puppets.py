"""A figure like the paper's 5, 11 and 13: each head beside its best drivers, one frame of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.drivers import rank_drivers
from reports.grid import Grid, GridRow
from reports.pictures import generated, real, source
from reports.published import display_name
from reports.results import Results
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
    label = results.metrics[ranked.attrs["metric"]].label
    order = np.random.default_rng(seed).permutation(len(results.videos))[:rows]
    grid, ranks = [], list[list[int]]()
    for video in [results.videos[index] for index in sorted(order)]:
        mine = ranked[
            (ranked["method"] == judge) & (ranked["T"] == T) & (ranked["source"] == video)
        ]
        places = _places(results, video, list(mine["driver"][:COLUMNS]))
        ranks.append(
            [1 + list(mine["driver"]).index(results.drivers(video)[place]) for place in places]
        )
        grid.append(
            GridRow(
                "driver",
                [source(results, video), *(real(results, video, place) for place in places)],
            )
        )
        for method in methods:
            pictures = [generated(results, Unit(method, T, video), place) for place in places]
            grid.append(
                GridRow(
                    display_name(method, results.methods[method]["spec"]),
                    [source(results, video), *pictures],
                )
            )
    warning = f" {results.warning().capitalize()}." if results.warning() else ""
    caption = (
        f"Heads learned from T = {T} photos, driven by other videos ({results.dataset}). Source: the first of "
        f"the T shots. Columns: the best drivers by {label} of "
        f"{display_name(judge, results.methods[judge]['spec'])}, by place; sources drawn at random (seed "
        f"{seed}).{warning}"
    )
    return Grid("", ["Source", *(f"driver {rank}" for rank in ranks[0])], grid, caption)


def _places(results: Results, video: str, drivers: Sequence[str]) -> list[int]:
    """Positions of `COLUMNS` hold-out frames, best driver first, evenly within each driver's
    frames.
    """
    shares = np.array_split(np.arange(COLUMNS), len(drivers)) if drivers else []
    found: list[int] = []
    for driver, share in zip(drivers, shares, strict=True):
        own = [index for index, of in enumerate(results.drivers(video)) if of == driver]
        found += [own[int((number + 0.5) * len(own) / len(share))] for number in range(len(share))]
    if len(found) != COLUMNS:
        raise ThbenchError(f"{results.path} holds no scores of {video}; finish the run first")
    return found
