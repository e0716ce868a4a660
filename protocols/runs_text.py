"""Runs in words: which there are, what one holds, and how two of its methods differ."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.runs import Run


def list_text(folder: Path) -> str:
    """One line per run folder in `folder`; raises `ThbenchError` when it is no folder."""
    if not folder.is_dir():
        raise ThbenchError(f"{folder} is no folder; name the one that holds your runs")
    lines = []
    for path in sorted(file.parent for file in folder.glob("*/run.json")):
        try:
            lines.append(_line(path, Run.open(path).info()))
        except (ThbenchError, KeyError) as error:
            lines.append(f"{path}: {error}")
    return "\n".join(lines) or f"no runs in {folder}"


def show_text(run: Run) -> str:
    """What was run, on what, with which models, and how far it got."""
    info = run.info()
    results = [run.read_unit(unit) for unit in run.planned()]
    failed = sum(result is not None and result.status == "failed" for result in results)
    done = sum(result is not None for result in results) - failed
    hardware = info["hardware"]
    lines = [_line(run.path, info), f"protocol  {info['protocol']['name']}, sha256 {info['protocol']['sha256']}",
             "dataset   {name}, {size_px} px, {pictures}, sha256 {sha256}".format(**{
                 "pictures": "what they show is not recorded", **info["dataset"]}),
             *_cross_lines(info), f"seeds     {', '.join(f'{name} {seed}' for name, seed in info['seeds'].items())}",
             f"machine   {', '.join(hardware['gpus']) or hardware['processor']}; thbench "
             f"{info['versions'].get('thbench', '?')}, torch {info['versions'].get('torch', '?')}, commit "
             f"{info['git_commit'] or 'unknown'}; begun {info['created_utc']}"]
    told = {(s["device"], str(s["hardware"]), str(s["versions"]), s["git_commit"]) for s in info.get("sessions", [])}
    if len(told) > 1:
        lines.append(f"sessions  {len(info['sessions'])}, not all with the same device, hardware, versions or commit: "
                     "see run.json")
    if info["protocol"]["kind"] != "timing":
        lines.insert(1, f"units     {done} done, {failed} failed, {len(results) - done - failed} to do")
    for label, method in info["methods"].items():
        checkpoint = method["checkpoint"]
        model = f"{checkpoint['path']}, sha256 {checkpoint['sha256'][:12]}..." if checkpoint else "no model"
        lines.append(f"method    {label}: {method['spec']}, {model}" + "".join(f"; {note}" for note in method["notes"]))
    return "\n".join(lines)


def _cross_lines(info: dict[str, Any]) -> list[str]:
    """What drives what in a cross-reenactment."""
    definition = info["protocol"]["definition"]
    if info["protocol"]["kind"] != "cross-reenactment":
        return []
    sources = "{name}, sha256 {sha256}".format(**info["sources"]) if info["sources"] else "the dataset's test videos"
    return [f"sources   {sources}", f"driven by {definition['driven_by']}, {definition['drivers']} videos, "
            f"{definition['holdout']} frames of each; ranked by {definition['rank_by'] or 'nothing'}"]


def compare_text(run: Run, a: str, b: str) -> str:
    """Every metric of two methods side by side: paired difference, 95 % interval by video, Holm-corrected p."""
    summary = run.summary()
    for name in (a, b):
        _check_method(name, run)
    lines = [f"{a} - {b}, paired by video; p after Holm's correction over all differences of the metric"]
    for entry in summary["differences"]:
        if {entry["a"], entry["b"]} != {a, b}:
            continue
        metric, sign = summary["metrics"][entry["metric"]], 1 if entry["a"] == a else -1
        what = f"T={entry['T']:<3} {metric['label']:12}"
        if entry["difference"] is None:
            lines.append(f"{what} no difference: {entry['reason'] or 'not computed'}")
            continue
        low, high = sorted(sign * end for end in entry["ci95"]) if entry["ci95"] else (None, None)
        interval = f"[{low:+.4g}, {high:+.4g}]" if low is not None else "[one video: no interval]"
        p = f"p = {entry['p_holm']:.3g}" if entry["p_holm"] is not None else "p unknown"
        lines.append(f"{what} {sign * entry['difference']:+.4g} {interval}  {p}  {_verdict(entry, metric, sign, a, b)}")
    if len(lines) == 1:
        lines.append("no metric was computed for both")
    return "\n".join(lines)


def _verdict(entry: dict[str, Any], metric: dict[str, Any], sign: int, a: str, b: str) -> str:
    if entry["p_holm"] is None or entry["p_holm"] >= 0.05:
        return "within noise"
    return f"{a if (sign * entry['difference'] > 0) == metric['higher_is_better'] else b} is better"


def _check_method(name: str, run: Run) -> None:
    methods = run.info()["methods"]
    if name not in methods:
        near = difflib.get_close_matches(name, methods, n=1)
        raise ThbenchError(f"{run.path} has no method {name!r}: " + (f"did you mean {near[0]!r}?" if near
                                                                     else f"it has {', '.join(methods)}"))


def _line(path: Path, info: dict[str, Any]) -> str:
    partial = ", partial" if info["partial"] else ""
    return (f"{path}: {info['protocol']['name']} on {info['dataset']['name']}, {len(info['split']['videos'])} videos, "
            f"T = {info['T']}, {', '.join(info['methods'])}; {info['status']}{partial}")
