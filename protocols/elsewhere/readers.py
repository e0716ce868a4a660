"""The result files of VBench and THEval: columns of one value per video file."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.files import read_json_object, read_text

Columns = Mapping[str, Mapping[str, float]]  # column -> video file -> value

# What THEval's scripts write into their headers, and the metrics that it means.
THEVAL_METRICS: Mapping[str, tuple[str, ...]] = {
    "Aesthetic_Score": ("Global aesthetic",),
    "Quality_Score": ("Mouth quality", "Face quality"),
    "Var_Over_Time": ("Lip dynamics",),
    "Head Motion Dynamics": ("Head motion dynamics",),
    "Micro-Expression Intensity": ("Eyebrow dynamics",),
    "Silent MAD": ("Silent lip stability",),
    "Mean_Difference": ("Lip sync",),
}


def read_vbench(file: Path, metric: str = "") -> Columns:
    """The `*_eval_results.json` of `vbench evaluate`: dimension -> [overall, one entry per video].

    metric: one dimension only; by default all. The videos' values stand as VBench writes them (for
    imaging_quality that is a hundred times its overall score); whether something moves is 0 or 1.
    Raises `ThbenchError` for a file of another form.
    """
    dimensions = read_json_object(file)
    if metric and metric not in dimensions:
        raise ThbenchError(f"{file} has no {metric}; it has {', '.join(dimensions) or 'nothing'}")
    return {
        name: _vbench_videos(result, f"{file}: {name}")
        for name, result in dimensions.items()
        if metric in ("", name)
    }


def read_theval(file: Path, metric: str = "") -> Columns:
    """What one of THEval's metric scripts wrote: lines of a path and numbers, then a summary.

    The last number of a line is the metric's; segments of one video are averaged, NaN is no value.
    metric: needed where the header fits several. Raises `ThbenchError` for a file of another form,
    such as THEval's table of models, which has no videos.
    """
    lines = read_text(file).splitlines()
    header = _fields(lines[0], f"{file}, line 1") if lines else []
    known = THEVAL_METRICS.get(header[-1] if header else "")
    if not header or header[0] != "Video Path" or known is None:
        raise ThbenchError(
            f"{file} is not a file of a THEval metric: its first line should be 'Video Path' and "
            f"columns that end with one of {', '.join(THEVAL_METRICS)}"
        )
    if metric and metric not in known:
        raise ThbenchError(f"{file} holds {' or '.join(known)}, not {metric}")
    if not metric and len(known) > 1:
        raise ThbenchError(f"{file} may be {' or '.join(known)}: say which with --metric")

    return {metric or known[0]: _theval_videos(lines[1:], len(header), file)}


def _vbench_videos(result: Any, where: str) -> Mapping[str, float]:
    if not isinstance(result, list) or len(result) != 2 or not isinstance(result[1], list):
        raise ThbenchError(f"{where} is not a VBench result: [overall, list of videos] expected")
    values: dict[str, float] = {}
    for entry in result[1]:
        video = entry.get("video_path") if isinstance(entry, dict) else None
        value = entry.get("video_results") if isinstance(entry, dict) else None
        if not isinstance(video, str) or not isinstance(value, int | float):
            raise ThbenchError(
                f"{where} has an entry without a video_path and a number in video_results: "
                f"{str(entry)[:80]}"
            )
        if video in values:
            raise ThbenchError(f"{where} has two results of {video}")
        values[video] = float(value)
    return values


def _fields(line: str, where: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise ThbenchError(f"{where} is not a line of a THEval file: {error}") from error


def _theval_videos(lines: list[str], columns: int, file: Path) -> Mapping[str, float]:
    found: dict[str, list[float]] = {}
    for number, line in enumerate(lines, start=2):
        if not line.strip() or line.startswith(("===", "Average ")):
            break  # the summary
        fields = _fields(line, f"{file}, line {number}")
        # THEval quotes no path: what is more than its columns is the path's own commas.
        video = ",".join(fields[: len(fields) - columns + 1])
        try:
            value = float(fields[-1])
        except ValueError:
            value = math.inf
        if len(fields) < columns or math.isinf(value):
            raise ThbenchError(
                f"{file}, line {number}: {columns} columns with a number in the last expected, "
                f"got {line[:80]!r}"
            )
        found.setdefault(video, [])
        if not math.isnan(value):
            found[video].append(value)
    return {video: math.fsum(each) / len(each) for video, each in found.items() if each}
