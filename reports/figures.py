"""Figures like the paper's 3, 4, 7 and 14-17: people by method and T."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from PIL import Image

from reports.grid import Grid, GridRow, save_pdf, save_png
from reports.latex import escape
from reports.picks import Frame, Rule, pick_frames, told_pick
from reports.pictures import generated, real, source
from reports.puppets import puppets
from reports.results import Results
from reports.sections import in_paper_order, method_name
from thbench.errors import ThbenchError
from thbench.files import write_text
from thbench.runs import Unit

__all__ = ["KINDS", "Kind", "Rule", "figure", "write_figure"]

Kind = Literal["comparison", "ff-vs-ft", "ablation", "T-sweep", "puppeteering"]
KINDS: tuple[str, ...] = get_args(Kind)
WHAT: dict[Kind, str] = {
    "comparison": "Comparison of methods",
    "ff-vs-ft": "Feed-forward and fine-tuned heads",
    "ablation": "Ablation",
    "T-sweep": "The same heads learned from more shots",
    "puppeteering": "Heads driven by other videos",
}
PAIR = ("ours-ff", "ours-ft")


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
    grid = figure(Results.open(path), kind, rule or Rule(), methods, shots)
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
    chosen_T = _shots(results, shots)
    judge = rule.judge or labels[-1]

    if kind == "puppeteering":
        if rule.pick != "random":
            raise ThbenchError(
                "sources of a puppeteering figure are drawn at random; leave --pick out"
            )
        return puppets(results, rule.metric, judge, labels, chosen_T[0], rule.rows, rule.seed)

    frames = pick_frames(results, rule, judge, chosen_T[-1])
    caption = _caption(results, kind, rule, judge, chosen_T[-1], frames)
    if kind == "T-sweep":
        return _by_shots(results, frames, labels, chosen_T, caption)
    return _by_method(results, frames, labels, chosen_T, caption)


def _by_shots(
    results: Results,
    frames: Sequence[Frame],
    labels: Sequence[str],
    shots: Sequence[int],
    caption: str,
) -> Grid:
    """A row per frame and method, a column per T."""
    rows = [
        GridRow(
            method_name(results, label),
            [*_given(results, frame), *(_made(results, label, T, frame) for T in shots)],
        )
        for frame in frames
        for label in labels
    ]
    columns = ["Source", results.target, *(f"T = {T}" for T in shots)]
    return Grid("Method", columns, rows, caption)


def _by_method(
    results: Results,
    frames: Sequence[Frame],
    labels: Sequence[str],
    shots: Sequence[int],
    caption: str,
) -> Grid:
    """A row per T and frame, a column per method."""
    rows = [
        GridRow(
            str(T),
            [*_given(results, frame), *(_made(results, label, T, frame) for label in labels)],
        )
        for T in shots
        for frame in frames
    ]
    columns = ["Source", results.target, *(method_name(results, label) for label in labels)]
    return Grid("T", columns, rows, caption)


def _given(results: Results, frame: Frame) -> list[Image.Image | str]:
    return [source(results, frame.video), real(results, frame.video, frame.index)]


def _made(results: Results, label: str, T: int, frame: Frame) -> Image.Image | str:
    return generated(results, Unit(label, T, frame.video), frame.index)


def _methods(results: Results, kind: Kind, wanted: Sequence[str]) -> list[str]:
    for label in wanted:
        if label not in results.methods:
            raise ThbenchError(
                f"no method {label!r} in {results.path}; it holds {', '.join(results.methods)}"
            )

    if wanted:
        return list(wanted)
    if kind == "ff-vs-ft":
        return _feed_forward_and_fine_tuned(results)
    return list(results.methods) if kind == "ablation" else in_paper_order(results)


def _feed_forward_and_fine_tuned(results: Results) -> list[str]:
    ours = [label for label, method in results.methods.items() if method.spec in PAIR]
    if len(ours) < 2:
        raise ThbenchError(
            f"{results.path} holds no feed-forward and fine-tuned pair ({', '.join(PAIR)}); choose "
            "another --kind or name the --methods"
        )
    return ours


def _shots(results: Results, wanted: Sequence[int]) -> list[int]:
    unknown = sorted(set(wanted) - set(results.shots))
    if unknown:
        raise ThbenchError(
            f"{results.path} holds T = {', '.join(map(str, results.shots))}, not {unknown[0]}"
        )
    return sorted(set(wanted)) or results.shots


def _caption(
    results: Results, kind: Kind, rule: Rule, judge: str, T: int, frames: Sequence[Frame]
) -> str:
    judge_name = method_name(results, judge) if judge in results.methods else judge
    how = told_pick(results, rule, judge_name, T, frames)
    which = ", ".join(f"{frame.video} #{frame.index}" for frame in frames)
    warning = f" {results.warning().capitalize()}." if results.warning() else ""

    return (
        f"{WHAT[kind]} on {results.dataset}, people unseen in training. Source: the first of the "
        f"T shots. Rows are picked by rule: {how} ({which}).{warning}"
    )


def _float(name: str, kind: Kind, caption: str) -> str:
    return (
        "% needs \\usepackage{graphicx}\n"
        "\\begin{figure}[t]\n"
        "\\centering\n"
        f"\\includegraphics[width=\\linewidth]{{{name}.pdf}}\n"
        f"\\caption{{{escape(caption)}}}\n"
        f"\\label{{fig:{kind}}}\n"
        "\\end{figure}\n"
    )
