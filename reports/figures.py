"""Figures like the paper's 3, 4, 7 and 14-17: people by method and T, rows picked by a rule that
the caption tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
from PIL import Image

from reports.grid import Grid, GridRow, save_pdf, save_png
from reports.latex import escape
from reports.pictures import generated, real, source
from reports.published import display_name
from reports.puppets import puppets
from reports.results import Results, known_metric
from reports.sections import in_paper_order
from thbench.errors import ThbenchError
from thbench.files import write_text
from thbench.runs import Unit

Kind = Literal["comparison", "ff-vs-ft", "ablation", "T-sweep", "puppeteering"]
KINDS: tuple[str, ...] = get_args(Kind)
Pick = Literal["random", "best", "worst", "median"]
PICKS: tuple[str, ...] = get_args(Pick)
WHAT = {
    "comparison": "Comparison of methods",
    "ff-vs-ft": "Feed-forward and fine-tuned heads",
    "ablation": "Ablation",
    "T-sweep": "The same heads learned from more shots",
    "puppeteering": "Heads driven by other videos",
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


@dataclass(frozen=True)
class Frame:
    """A hold-out frame: the video ("person/video") and its index there."""

    video: str
    index: int


def write_figure(
    path: Path,
    kind: Kind,
    output: Path,
    rule: Rule | None = None,
    methods: Sequence[str] = (),
    shots: Sequence[int] = (),
) -> str:
    """Writes `output` as .png, .pdf and a .tex float with the caption, and returns the caption.

    methods are labels of the run (by default those that the kind asks for) and shots the values of
    T to show. Raises `ThbenchError` for methods, metrics and T that the run does not hold, and for
    runs without pictures.
    """
    results = Results.open(path)
    grid = figure(results, kind, rule or Rule(), methods, shots)
    stem = output.with_suffix("") if output.suffix in (".png", ".pdf", ".tex") else output
    save_png(grid, stem.with_name(f"{stem.name}.png"))
    save_pdf(grid, stem.with_name(f"{stem.name}.pdf"))
    write_text(stem.with_name(f"{stem.name}.tex"), _float(stem.name, kind, grid.caption))
    return grid.caption


def figure(
    results: Results, kind: Kind, rule: Rule, methods: Sequence[str] = (), shots: Sequence[int] = ()
) -> Grid:
    """The grid of one kind; see `write_figure`."""
    labels = _methods(results, kind, methods)
    chosen = _shots(results, shots)
    if kind == "puppeteering":
        if rule.pick != "random":
            raise ThbenchError(
                "sources of a puppeteering figure are drawn at random; leave --pick out"
            )
        return puppets(
            results, rule.metric, rule.judge or labels[-1], labels, chosen[0], rule.rows, rule.seed
        )
    judge = rule.judge or labels[-1]
    frames = pick_frames(results, rule, judge, chosen[-1])
    names = {label: display_name(label, results.methods[label]["spec"]) for label in labels}
    if kind == "T-sweep":
        rows = [
            GridRow(
                names[label],
                [
                    *_given(results, frame),
                    *(generated(results, Unit(label, T, frame.video), frame.index) for T in chosen),
                ],
            )
            for frame in frames
            for label in labels
        ]
        columns, corner = ["Source", results.target, *(f"T = {T}" for T in chosen)], "Method"
    else:
        rows = [
            GridRow(
                str(T),
                [
                    *_given(results, frame),
                    *(
                        generated(results, Unit(label, T, frame.video), frame.index)
                        for label in labels
                    ),
                ],
            )
            for T in chosen
            for frame in frames
        ]
        columns, corner = ["Source", results.target, *names.values()], "T"
    return Grid(
        corner,
        columns,
        rows,
        _caption(results, kind, rule, names.get(judge, judge), chosen[-1], frames),
    )


def people(n: int) -> str:
    """ "1 person", "4 people"."""
    return f"{n} {'person' if n == 1 else 'people'}"


def _methods(results: Results, kind: Kind, wanted: Sequence[str]) -> list[str]:
    for label in wanted:
        if label not in results.methods:
            raise ThbenchError(
                f"no method {label!r} in {results.path}; it holds {', '.join(results.methods)}"
            )
    if wanted:
        return list(wanted)
    if kind == "ff-vs-ft":
        ours = [
            label
            for label, method in results.methods.items()
            if method["spec"] in ("ours-ff", "ours-ft")
        ]
        if len(ours) < 2:
            raise ThbenchError(
                f"{results.path} holds no feed-forward and fine-tuned pair (ours-ff, ours-ft); choose "
                "another --kind or name the --methods"
            )
        return ours
    return list(results.methods) if kind == "ablation" else in_paper_order(results)


def _shots(results: Results, wanted: Sequence[int]) -> list[int]:
    unknown = sorted(set(wanted) - set(results.shots))
    if unknown:
        raise ThbenchError(
            f"{results.path} holds T = {', '.join(map(str, results.shots))}, not {unknown[0]}"
        )
    return sorted(set(wanted)) or results.shots


def _given(results: Results, frame: Frame) -> list[Image.Image | str]:
    return [source(results, frame.video), real(results, frame.video, frame.index)]


def pick_frames(results: Results, rule: Rule, judge: str, T: int) -> list[Frame]:
    """One frame per person by the rule, at most rule.rows of them, judged on `judge` at T shots."""
    if rule.pick == "random":
        return _pick_random(results, rule)
    return _pick_by_score(results, rule, judge, T)


def _pick_random(results: Results, rule: Rule) -> list[Frame]:
    rng = np.random.default_rng(rule.seed)
    videos: dict[str, list[tuple[str, int]]] = {}
    for video in results.info["split"]["videos"]:
        name = f"{video['person']}/{video['video']}"
        videos.setdefault(video["person"], []).extend(
            (name, index) for index in range(len(video["holdout"]))
        )
    people = sorted(videos)
    chosen = [people[i] for i in rng.permutation(len(people))[: rule.rows]]
    return [Frame(*videos[person][rng.integers(len(videos[person]))]) for person in chosen]


def _pick_by_score(results: Results, rule: Rule, judge: str, T: int) -> list[Frame]:
    metric = known_metric([results], _metric(results, rule))
    frames = results.frames
    if metric not in frames.columns:
        raise ThbenchError(
            f"{metric} is not measured per frame and cannot pick rows; choose another --metric"
        )
    scored = frames[(frames["method"] == judge) & (frames["T"] == T)].dropna(subset=[metric])
    if scored.empty:
        raise ThbenchError(
            f"{judge} has no {metric} at T = {T} in {results.path}; choose another --judge or --metric"
        )
    better_first = scored.sort_values(
        [metric, "person", "video", "position"],
        kind="stable",
        ascending=[not results.metrics[metric].higher_is_better, True, True, True],
    )
    ordered = better_first
    if rule.pick == "worst":  # nothing is worse than a frame that has no score
        ordered = pd.concat([_without_score(frames, judge, T, metric), better_first.iloc[::-1]])
    if rule.pick == "median":
        middle = [
            group.iloc[(len(group) - 1) // 2]
            for _, group in better_first.groupby("person", sort=False)
        ]
        candidates = pd.DataFrame(middle)
        distance = (candidates[metric] - candidates[metric].median()).abs()
        ordered = candidates.iloc[np.argsort(distance.to_numpy(), kind="stable")]
    first = ordered.drop_duplicates("person").head(rule.rows)
    return [
        Frame(f"{row['person']}/{row['video']}", int(row["position"]))
        for _, row in first.iterrows()
    ]


def _without_score(frames: pd.DataFrame, judge: str, T: int, metric: str) -> pd.DataFrame:
    mine = frames[(frames["method"] == judge) & (frames["T"] == T)]
    return mine[mine[metric].isna()].sort_values(["person", "video", "position"], kind="stable")


def _metric(results: Results, rule: Rule) -> str:
    return rule.metric or results.info["protocol"]["definition"].get("rank_by") or "ssim"


def _caption(
    results: Results, kind: Kind, rule: Rule, judge: str, T: int, frames: Sequence[Frame]
) -> str:
    if rule.pick == "random":
        how = f"{people(len(frames))} and one hold-out frame of each drawn at random (seed {rule.seed})"
    else:
        label = results.metrics[_metric(results, rule)].label
        order = {
            "median": "nearest to the median",
            "best": "best first",
            "worst": "worst first, and before all those that failed and have no score",
        }[rule.pick]
        how = (
            f"per person the frame with the {rule.pick} {label} of {judge} at T = {T}; "
            f"{people(len(frames))}, {order}"
        )
    warning = f" {results.warning().capitalize()}." if results.warning() else ""
    which = ", ".join(f"{frame.video} #{frame.index}" for frame in frames)
    return (
        f"{WHAT[kind]} on {results.dataset}, people unseen in training. Source: the first of the T shots. "
        f"Rows are picked by rule: {how} ({which}).{warning}"
    )


def _float(name: str, kind: Kind, caption: str) -> str:
    return (
        f"% needs \\usepackage{{graphicx}}\n\\begin{{figure}}[t]\n\\centering\n"
        f"\\includegraphics[width=\\linewidth]{{{name}.pdf}}\n\\caption{{{escape(caption)}}}\n"
        f"\\label{{fig:{kind}}}\n\\end{{figure}}\n"
    )
