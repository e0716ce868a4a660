"""Whether metrics agree with each other, and with people: a plot of their rank correlations."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from reports.plot import Plot
from reports.results import Results
from reports.style import drawable, new_figure
from thbench.records.scores import NO_SCORE, USER, Metric, Score

FEWEST_ROWS = 3


def metric_agreement(results: Results) -> Plot | None:
    """Spearman correlation of every two metrics over the rows (method, T), signed so that 1 is full
    agreement.

    The paper says that FID, SSIM and CSIM disagree with people: the USER row shows it where a study
    was made. None with fewer than two metrics or three rows.
    """
    table = _oriented_scores(results)
    n_rows, n = table.shape
    if n_rows < FEWEST_ROWS or n < 2:
        return None

    figure = new_figure(1.8 + 0.55 * n, 1.3 + 0.5 * n)
    axes = figure.subplots()
    correlation = table.corr(method="spearman", min_periods=FEWEST_ROWS).to_numpy()
    _draw(axes, correlation)

    names = [drawable(name) for name in table.columns]
    axes.set_xticks(np.arange(n) + 0.5, names, rotation=45, ha="right")
    axes.set_yticks(np.arange(n) + 0.5, names)
    return Plot(
        name="agreement",
        metric="All metrics",
        title="Agreement of the metrics",
        text=f"Spearman correlation of the metrics over {n_rows} rows (method, T), signed so that "
        "1 means that two metrics rank the rows alike. Few rows make it a rough guide.",
        figure=figure,
    )


def _draw(axes: Axes, correlation: NDArray[np.float64]) -> None:
    """A square of colour and its number for every pair of metrics."""
    n = len(correlation)
    axes.grid(visible=False)
    axes.pcolormesh(correlation, cmap="PuOr_r", vmin=-1, vmax=1, edgecolors="white", linewidth=1)
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal")

    for (row, column), value in np.ndenumerate(correlation):
        axes.text(
            column + 0.5,
            row + 0.5,
            "–" if np.isnan(value) else f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if abs(value) > 0.65 else "black",
        )


def _oriented_scores(results: Results) -> pd.DataFrame:
    """Rows (method, T), columns metric labels; larger is better in every column."""
    rows = [row for row in results.rows if row.T]
    columns = {
        metric.label: [_oriented(row.score(metric.name), metric) for row in rows]
        for metric in results.metrics.values()
        if metric.higher_is_better is not None
    }
    if results.study:
        users = [results.study.get((row.method, row.T), NO_SCORE) for row in rows]
        columns[USER.label] = [_oriented(score, USER) for score in users]

    table = pd.DataFrame(columns, dtype=float)
    return table.loc[:, table.notna().sum() >= FEWEST_ROWS]


def _oriented(score: Score, metric: Metric) -> float:
    """NaN where there is no value, or one that misses videos and so has no rank."""
    if score.value is None or score.coverage is None or score.is_partial:
        return float("nan")
    return score.value if metric.higher_is_better else -score.value
