"""Runs in words: which there are, and what one holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from protocols.definition import definition_names, load_definition, stored_definition
from thbench.errors import ThbenchError
from thbench.records.coverage import videos
from thbench.records.elsewhere import PROGRAMS, read_elsewhere
from thbench.records.run import MethodRecord, RunRecord
from thbench.runs import Run


def list_text(folder: Path) -> str:
    """One line per run folder in `folder`; raises `ThbenchError` when it is none."""
    if not folder.is_dir():
        raise ThbenchError(f"{folder} is not a folder; name the one that holds your runs")

    lines = []
    for path in sorted(file.parent for file in folder.glob("*/run.json")):
        try:
            lines.append(_line(path, Run.open(path).record()))
        except ThbenchError as error:
            lines.append(f"{path}: {error}")
    return "\n".join(lines) or f"no runs in {folder}"


def show_text(run: Run) -> str:
    """What was run, on what, with which models, and how far it got."""
    record = run.record()
    definition = stored_definition(record.protocol)
    sources = record.sources
    learned = f"{sources.name}, sha256 {sources.sha256}" if sources else "the dataset's test videos"

    lines = [
        _line(run.path, record),
        *([_units_line(run)] if definition.measures == "frames" else []),
        f"protocol  {record.protocol.name}, sha256 {record.protocol.sha256}",
        _dataset_line(record),
        *definition.in_words(learned),
        f"seeds     {', '.join(f'{name} {seed}' for name, seed in record.seeds.items())}",
        _machine_line(record),
        *_session_lines(record),
        *(_method_line(label, method) for label, method in record.methods.items()),
        *_elsewhere_lines(run),
    ]
    return "\n".join(lines)


def _elsewhere_lines(run: Run) -> Iterator[str]:
    """One line for each method and T on whose videos another program measured something."""
    for found in read_elsewhere(run.path):
        columns = ", ".join(found.columns)
        yield f"elsewhere {PROGRAMS[found.program]}, {found.method}, T = {found.T}: {columns}"


def _line(path: Path, record: RunRecord) -> str:
    partial = f", {_partial(record)}" if record.partial else ""
    return (
        f"{path}: {record.protocol.name} on {record.dataset.name}, "
        f"{len(record.split.videos)} videos, T = {record.T}, {', '.join(record.methods)}; "
        f"{record.status}{partial}"
    )


def _partial(record: RunRecord) -> str:
    """Why a run is called partial: "partial (2 of the protocol's 50 videos)"."""
    name, n = record.protocol.name, len(record.split.videos)
    if name in definition_names():
        return f"partial ({n} of the protocol's {videos(load_definition(name).videos)})"
    return f"partial ({videos(n)}, fewer than the protocol asks for)"


def _units_line(run: Run) -> str:
    results = [run.read_unit(unit) for unit in run.planned()]
    done = sum(result is not None and result.status == "done" for result in results)
    failed = sum(result is not None and result.status == "failed" for result in results)
    return f"units     {done} done, {failed} failed, {len(results) - done - failed} to do"


def _dataset_line(record: RunRecord) -> str:
    dataset = record.dataset
    pictures = dataset.pictures or "what they show is not recorded"
    return f"dataset   {dataset.name}, {dataset.size_px} px, {pictures}, sha256 {dataset.sha256}"


def _machine_line(record: RunRecord) -> str:
    hardware, versions = record.hardware, record.versions
    machine = ", ".join(hardware.get("gpus") or [hardware.get("processor") or "unknown machine"])
    return (
        f"machine   {machine}; thbench {versions.get('thbench', '?')}, torch "
        f"{versions.get('torch', '?')}, commit {record.git_commit or 'unknown'}; "
        f"begun {record.created_utc}"
    )


def _session_lines(record: RunRecord) -> Iterator[str]:
    """One line where the sessions of a run differ in what may change a number."""
    sessions = record.sessions
    told = {
        (session.device, str(session.hardware), str(session.versions), session.git_commit)
        for session in sessions
    }
    if len(told) > 1:
        yield (
            f"sessions  {len(sessions)}, not all with the same device, hardware, versions or "
            "commit: see run.json"
        )


def _method_line(label: str, method: MethodRecord) -> str:
    checkpoint = method.checkpoint
    model = f"{checkpoint.path}, sha256 {checkpoint.sha256[:12]}..." if checkpoint else "no model"
    return f"method    {label}: " + "; ".join([f"{method.spec}, {model}", *method.notes])
