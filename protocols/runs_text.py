"""Runs in words: which there are, and what one holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from protocols.definition import definition_names, load_definition
from thbench.errors import ThbenchError
from thbench.metrics.coverage import videos
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
    lines = [
        _line(run.path, info),
        f"protocol  {info['protocol']['name']}, sha256 {info['protocol']['sha256']}",
        "dataset   {name}, {size_px} px, {pictures}, sha256 {sha256}".format(
            **{"pictures": "what they show is not recorded", **info["dataset"]}
        ),
        *_cross_lines(info),
        f"seeds     {', '.join(f'{name} {seed}' for name, seed in info['seeds'].items())}",
        f"machine   {', '.join(hardware['gpus']) or hardware['processor']}; thbench "
        f"{info['versions'].get('thbench', '?')}, torch {info['versions'].get('torch', '?')}, commit "
        f"{info['git_commit'] or 'unknown'}; begun {info['created_utc']}",
    ]
    told = {
        (s["device"], str(s["hardware"]), str(s["versions"]), s["git_commit"])
        for s in info.get("sessions", [])
    }
    if len(told) > 1:
        lines.append(
            f"sessions  {len(info['sessions'])}, not all with the same device, hardware, versions or commit: "
            "see run.json"
        )
    if info["protocol"]["kind"] != "timing":
        lines.insert(
            1, f"units     {done} done, {failed} failed, {len(results) - done - failed} to do"
        )
    for label, method in info["methods"].items():
        checkpoint = method["checkpoint"]
        model = (
            f"{checkpoint['path']}, sha256 {checkpoint['sha256'][:12]}..."
            if checkpoint
            else "no model"
        )
        lines.append(
            f"method    {label}: {method['spec']}, {model}"
            + "".join(f"; {note}" for note in method["notes"])
        )
    return "\n".join(lines)


def _cross_lines(info: dict[str, Any]) -> list[str]:
    """What drives what in a cross-reenactment."""
    definition = info["protocol"]["definition"]
    if info["protocol"]["kind"] != "cross-reenactment":
        return []
    sources = (
        "{name}, sha256 {sha256}".format(**info["sources"])
        if info["sources"]
        else "the dataset's test videos"
    )
    return [
        f"sources   {sources}",
        f"driven by {definition['driven_by']}, {definition['drivers']} videos, "
        f"{definition['holdout']} frames of each; ranked by {definition['rank_by'] or 'nothing'}",
    ]


def _line(path: Path, info: dict[str, Any]) -> str:
    partial = f", {_partial(info)}" if info["partial"] else ""
    return (
        f"{path}: {info['protocol']['name']} on {info['dataset']['name']}, {len(info['split']['videos'])} videos, "
        f"T = {info['T']}, {', '.join(info['methods'])}; {info['status']}{partial}"
    )


def _partial(info: dict[str, Any]) -> str:
    """Why a run is called partial: "partial (2 of the protocol's 50 videos)"."""
    name, n = info["protocol"]["name"], len(info["split"]["videos"])
    if name in definition_names():
        return f"partial ({n} of the protocol's {videos(load_definition(name).videos)})"
    return f"partial ({videos(n)}, fewer than the protocol asks for)"
