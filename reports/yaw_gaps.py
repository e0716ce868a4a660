"""Scores by how far the head is turned from the nearest shot: a table, and a plot per metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.plot import Plot, axis_label, dot_intervals, plotted_name
from reports.preferred import decimals, headline
from reports.ranges import clipped, range_of
from reports.results import Results, known_metric
from reports.sections import in_paper_order, method_name
from reports.style import STYLE, look, new_figure, rendered
from reports.table import Block, Cell, Column, Group, Row, TableSpec, interval_cell
from reports.writers import WRITERS
from thbench.arrays import read_array
from thbench.errors import ThbenchError
from thbench.files import atomic_path
from thbench.metrics.face_fit import head_pose
from thbench.metrics.statistics import Estimate, video_mean
from thbench.records.coverage import FEW_VIDEOS, Coverage
from thbench.records.scores import Metric
from thbench.records.video_key import video_keys
from thbench.runs import slug

Format = Literal["markdown", "csv", "latex", "html", "json"]

EDGES_DEG = (0, 5, 10, 20, 40, 180)
BINS = [*(f"{low}-{high}" for low, high in pairwise(EDGES_DEG[:-1])), f"over {EDGES_DEG[-2]}"]
GAP, BIN = "yaw_gap_deg", "yaw_gap_bin"
_NOTES = (
    "Gap: degrees between the yaw of the driving frame and that of the nearest of the T shots, "
    "both by PnP with one fixed 3D face on the dataset's landmarks.",
    "A cell is the mean of the videos' means, with its 95 % interval, over the frames of that gap.",
)


def write_yaw_gaps(
    path: Path, output: Path | None, metrics: Sequence[str] = (), format: Format = "markdown"
) -> str:
    """The table of a run in `format`; with `output` also a PNG, a PDF and an SVG per metric there.

    Raises `ThbenchError` for runs that are not scored, hold no such metric, or lack the landmarks
    of their frames.
    """
    results = Results.open(path)
    wanted = _wanted(results, metrics)
    frames = with_yaw_gaps(results)

    if output is not None:
        for plot in yaw_gap_plots(results, frames, wanted):
            _write(plot, output)
    return WRITERS[format](yaw_gap_table(results, frames, wanted))


def with_yaw_gaps(results: Results) -> pd.DataFrame:
    """frames.parquet's rows of methods with `yaw_gap_deg`, and the bin of it (NaN without one)."""
    size_px = results.record.dataset.size_px
    yaws = {
        video.key: (
            _yaws(results, results.run.real_folder(video.key), size_px),
            _yaws(results, results.run.shots_folder(video.key), size_px),
        )
        for video in results.test_videos
    }

    frames = results.frames[(results.frames["T"] > 0) & (results.frames["error"] == "")].copy()
    frames["key"] = video_keys(frames)
    frames[GAP] = [
        _gap_deg(*yaws[key], position, T)
        for key, position, T in zip(frames["key"], frames["position"], frames["T"], strict=True)
    ]
    frames[BIN] = pd.cut(frames[GAP], EDGES_DEG, labels=BINS, include_lowest=True)
    return frames


def yaw_gap_table(results: Results, frames: pd.DataFrame, metrics: Sequence[str]) -> TableSpec:
    """A block per metric, a row per method and T, a column per bin of the gap."""
    seen = [label for label in BINS if (frames[BIN] == label).any()]
    digits = max(decimals(name) for name in metrics)
    blocks = []
    for name in metrics:
        rows = [
            Row(
                method_name(results, label),
                {gap: _cell(name, found) for gap, found in estimates.items()},
                T,
            )
            for (label, T), estimates in _estimates(results, frames, name).items()
        ]
        blocks.append(Block(results.metrics[name].heading, (Group(tuple(rows)),)))

    return TableSpec(
        caption="Scores by the yaw gap to the nearest shot, in degrees",
        label="tab:yaw-gaps",
        head="Method (T)",
        columns=tuple(Column(label, label, None, digits) for label in seen),
        blocks=tuple(blocks),
        notes=_NOTES,
        show_intervals=True,
    )


def yaw_gap_plots(results: Results, frames: pd.DataFrame, metrics: Sequence[str]) -> Iterator[Plot]:
    """Each metric against the gap: a panel per T, a line per method with 95 % intervals."""
    with matplotlib.rc_context(STYLE):
        for name in metrics:
            yield _plot(results, frames, results.metrics[name])


def _wanted(results: Results, metrics: Sequence[str]) -> list[str]:
    """The metrics asked for, or those of the headline that are measured frame by frame."""
    if not results.is_scored:
        raise ThbenchError(f"{results.path} is not scored yet; `thbench score {results.path}`")

    named = [known_metric([results], name) for name in metrics] or headline(results.metrics)
    found = [
        name
        for name in named
        if name in results.frames and bool(results.frames[name].notna().any())
    ]
    if not found:
        raise ThbenchError(
            f"none of {', '.join(named) or 'the metrics'} is measured frame by frame in "
            f"{results.path}; name one with --metrics"
        )
    return found


def _yaws(results: Results, folder: Path, size_px: int) -> NDArray[np.float64]:
    """The yaw in degrees of each frame in a folder of a run."""
    remedy = f"`thbench run-protocol --resume {results.path}` writes it again"
    landmarks = read_array(folder / "landmarks.npy", remedy)
    if landmarks.ndim != 3 or landmarks.shape[1:] != (68, 2):
        raise ThbenchError(f"{folder / 'landmarks.npy'} holds no landmarks; {remedy}")
    return head_pose(landmarks, size_px).yaw


def _gap_deg(held: NDArray[np.float64], shots: NDArray[np.float64], position: int, T: int) -> float:
    """From a hold-out frame to the nearest of the first T shots whose pose could be fitted."""
    turns = np.abs(shots[:T] - held[position])
    return float(np.nanmin(turns)) if np.isfinite(turns).any() else float("nan")


def _estimates(
    results: Results, frames: pd.DataFrame, metric: str
) -> Mapping[tuple[str, int], Mapping[str, Estimate]]:
    """(method, T) -> bin -> the mean over the videos that have frames in it."""
    by_person = results.summary.cluster == "person"
    found: dict[tuple[str, int], dict[str, Estimate]] = {}
    for label in in_paper_order(results):
        for T in results.shots:
            mine = frames[(frames["method"] == label) & (frames["T"] == T)]
            if mine.empty:
                continue
            parts = {gap: mine[mine[BIN] == gap] for gap in BINS}
            found[label, T] = {
                gap: video_mean(part[metric], part["key"], part["person"] if by_person else None)
                for gap, part in parts.items()
                if part[metric].notna().any()
            }
    return found


def _cell(metric: str, found: Estimate) -> Cell:
    n = len(found.videos)
    cell = Cell(found.value, se=found.se, coverage=Coverage(n, n))
    return interval_cell(cell, _ends(metric, found))


def _ends(metric: str, found: Estimate) -> tuple[float, float] | None:
    low, high = found.interval()
    return clipped((low, high), range_of(metric)) if np.isfinite(found.se) else None


def _plot(results: Results, frames: pd.DataFrame, metric: Metric) -> Plot:
    figure = new_figure(2.6 * len(results.shots) + 1.2, 3.2)
    panels = figure.subplots(1, len(results.shots), sharey=True, squeeze=False)[0]
    found = _estimates(results, frames, metric.name)

    for panel, T in zip(panels, results.shots, strict=True):
        for index, label in enumerate(in_paper_order(results)):
            cells = found.get((label, T), {})
            x = [BINS.index(gap) + 0.06 * index for gap in cells]
            y = np.array([cell.value for cell in cells.values()])
            ends = [_ends(metric.name, cell) or (cell.value,) * 2 for cell in cells.values()]
            low, high = np.array(ends, float).reshape(-1, 2).T
            errors = np.clip([y - low, high - y], 0, None)
            name = plotted_name(results, label)
            drawn = panel.errorbar(x, y, yerr=errors, capsize=2, label=name, **look(index))
            if any(len(cell.videos) < FEW_VIDEOS for cell in cells.values()):
                dot_intervals(drawn)
        panel.set_title(f"T = {T}")
        panel.set_xticks(range(len(BINS)), BINS, fontsize=7)
        panel.set_xlabel("yaw gap to the nearest shot, deg")

    panels[0].set_ylabel(axis_label(metric))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=8)
    return Plot(
        name=f"by-yaw-gap-{slug(metric.name)}",
        metric=metric.label,
        title=f"{metric.label} by the yaw gap to the nearest shot",
        text=f"{metric.label} of each method against the degrees between a driving frame and the "
        "nearest shot, with 95 % intervals; dotted where a bin rests on few videos.",
        figure=figure,
    )


def _write(plot: Plot, output: Path) -> None:
    for format in ("png", "pdf", "svg"):
        with atomic_path(output / f"{plot.name}.{format}") as temporary:
            temporary.write_bytes(rendered(plot.figure, format))
