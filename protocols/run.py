"""Running a protocol: plan it, write run.json, generate what is missing, score."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

from protocols.cross import split_of
from protocols.definition import Definition, MethodEntry, method_entry, parse_stored
from protocols.generate import Workshop, generate, unfinished, write_references
from protocols.score import check_fits, score_run
from protocols.split import Split, stored_split
from protocols.stored_split import read_split, read_split_for
from thbench.data.dataset import Dataset
from thbench.data.photos import Unusable
from thbench.environment import git_commit, hardware, versions
from thbench.errors import ThbenchError
from thbench.files import write_json
from thbench.locks import holds_nothing
from thbench.locks import locked as locked_folder
from thbench.method import MethodOptions, provenance
from thbench.metrics.base import load_metric
from thbench.runs import FORMAT, Run, Unit

Progress = Callable[[Iterable[Any], int, str], Iterable[Any]]


@dataclass(frozen=True, kw_only=True)
class HowToRun:
    """What only says how to run: results differ by no more than how a device rounds."""

    device: str = "cpu"
    workers: int = 1


@dataclass(frozen=True)
class RunOptions(HowToRun):
    """How to run, and what a run is given beside its protocol and dataset: this decides numbers."""

    checkpoints: Mapping[str, Path]  # by method label
    dataset_spec: str = ""  # how to open the dataset again
    # Cross-reenactment: where heads are learned from, if not from the dataset.
    sources: Dataset | None = None
    sources_spec: str = ""  # how to open it again
    split: Path | None = None  # a stored split instead of a drawn one
    partial: bool = False  # fewer videos than the protocol asks for: stamped on every table
    left_out: Sequence[Unusable] = ()  # photographs of the sources that cannot be used


@dataclass(frozen=True)
class Outcome:
    """What a run came to: failed units with their errors, and the summary."""

    failed: list[tuple[Unit, str]]
    summary: dict[str, Any]


def run_protocol(
    definition: Definition,
    dataset: Dataset,
    out: Path,
    options: RunOptions,
    progress: Progress = lambda items, total, title: items,
) -> Outcome:
    """Runs a reenactment protocol into `out`, or goes on with the run that is there.

    A run that exists is extended: units that are done stay, new methods and new T (up to its
    largest) are added. Raises `ThbenchError` before any work when a method cannot be loaded, the
    dataset has too few videos, or `out` holds a run of another protocol, dataset or checkpoint.
    """
    run = Run(out)
    with locked(run):
        shop = prepare_run(definition, dataset, run, options)
        write_references(shop)
        units = unfinished(run)

        with closing(generate(shop, units, options.workers)) as made:
            results = dict(progress(made, len(units), "generate"))
        failed = [(unit, results[unit].error) for unit in units if results[unit].status == "failed"]

        set_status(run, "scoring")
        summary = score_run(run, run.info()["metrics"], options.device, options.workers, progress)
        set_status(run, "failed" if failed else "complete")
    return Outcome(failed, summary)


def prepare_run(
    definition: Definition, dataset: Dataset, run: Run, options: RunOptions
) -> Workshop:
    """Checks everything that can be checked before the first unit, and writes or extends run.json.

    The caller has the run's lock.
    """
    for (
        metric
    ) in definition.metrics:  # an unknown or unfit name must not wait until all frames are made
        check_fits(load_metric(metric, options.device), definition.kind)
    if definition.rank_by and definition.rank_by not in definition.metrics:
        raise ThbenchError(
            f"drivers are ranked by {definition.rank_by}, which is not among the metrics "
            f"{', '.join(definition.metrics)}; add it with --metrics or choose another --rank-by"
        )
    out = run.path
    earlier = Run.open(out).info() if run.run_json.exists() else None
    if earlier is None and not holds_nothing(out):
        raise ThbenchError(f"{out} exists and is no run folder; choose another --out")
    split = _split(definition, dataset, options, earlier)
    stored = earlier["methods"] if earlier else {}
    entries = {entry.label: entry for entry in definition.methods}
    for label, described in stored.items():
        entries.setdefault(
            label,
            MethodEntry(
                label,
                described["spec"],
                described["settings"],
                described.get("own_checkpoint", False),
            ),
        )
    shop = Workshop(
        out,
        dataset,
        {
            label: (entry, _method_options(entry, stored, dataset, definition, options))
            for label, entry in entries.items()
        },
        {video.key: video for video in split.videos},
        options.sources,
    )
    info = _info(
        definition, dataset, split, {label: _describe(shop, label) for label in entries}, options
    )
    if earlier is not None:
        info = _extended(earlier, info, out)
    write_json(run.run_json, info)
    return shop


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Keeps a second process from working on the same run; see `thbench.locks.locked`."""
    with locked_folder(run.path):
        if run.run_json.exists():
            _sweep(run)
        yield


def set_status(run: Run, status: str) -> None:
    """ "running", "scoring", "complete" or "failed"."""
    write_json(run.run_json, {**run.info(), "status": status})


def bundled_checkpoint(method: str) -> Path | None:
    """The model trained on synthetic heads that comes with thbench, for datasets of synthetic
    heads.
    """
    path = Path(str(resources.files("thbench") / "assets" / "models" / f"{method}.safetensors"))
    return path if path.exists() else None


def _sweep(run: Run) -> None:
    """Removes what a killed process left half-written; only the holder of the lock may."""
    parts = ("images", "references", "units", "scores", "features")
    within = chain.from_iterable((run.path / part).rglob(".*.tmp") for part in parts)
    for left in [*run.path.glob(".*.tmp"), *within]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _split(
    definition: Definition, dataset: Dataset, options: RunOptions, earlier: dict[str, Any] | None
) -> Split:
    shots, sources = max(definition.T), options.sources
    if earlier is None:
        if options.split is None:
            return split_of(definition, dataset, sources)
        return read_split_for(definition, options.split, dataset, sources)
    stored = earlier["split"]
    if options.split is not None and stored_split(stored) != read_split(
        options.split, dataset, sources
    ):
        raise ThbenchError(
            f"the run has a split of its own, and it is not that of {options.split}; choose another "
            "--out"
        )
    for name, now in (("dataset", dataset), ("sources", sources)):
        then = earlier.get(name) or {"name": "none", "sha256": ""}
        if then["sha256"] != (now.sha256 if now else ""):
            raise ThbenchError(
                f"the run was made with another {name} ({then['name']}, sha256 "
                f"{then['sha256'][:12]}...); choose another --out"
            )
    if shots > stored["shots"]:
        raise ThbenchError(
            f"T = {shots} needs {shots} shots, the run's split has {stored['shots']}; start a new run"
        )
    return stored_split(stored)


def _method_options(
    entry: MethodEntry,
    stored: Mapping[str, Any],
    dataset: Dataset,
    definition: Definition,
    options: RunOptions,
) -> MethodOptions:
    """The checkpoint is the one named, or the one the run was begun with, or for synthetic heads
    the bundled one.
    """
    name, given = entry.spec.partition(":")[0], options.checkpoints
    checkpoint = given.get(entry.label)
    if checkpoint is None and not entry.own_checkpoint:
        checkpoint = given.get(name) or given.get("")
    if checkpoint is None and (earlier := stored.get(entry.label, {}).get("checkpoint")):
        checkpoint = Path(earlier["path"])
    if checkpoint is None and entry.own_checkpoint:
        raise ThbenchError(
            f"{entry.label!r} needs a model of its own, see `thbench protocols show {definition.name}`: "
            f'add --checkpoint "{entry.label}=PATH", or leave it out with --methods'
        )
    if checkpoint is None and dataset.pictures == "synthetic heads":
        checkpoint = bundled_checkpoint(name)
    return MethodOptions(
        checkpoint=checkpoint,
        device=options.device,
        seed=definition.seed,
        size_px=dataset.size_px,
        settings=entry.settings,
    )


def _describe(shop: Workshop, label: str) -> dict[str, Any]:
    entry, _ = shop.methods[label]
    described = provenance(shop.method(label))
    return {
        "spec": entry.spec,
        "drives_with": described.pop("drives_with"),
        "config": described.pop("config", {}),
        "settings": entry.settings,
        "own_checkpoint": entry.own_checkpoint,
        "checkpoint": described.pop("checkpoint", None),
        "notes": described.pop("notes", []),
        **described,
    }


def _info(
    definition: Definition,
    dataset: Dataset,
    split: Split,
    methods: Mapping[str, Any],
    options: RunOptions,
) -> dict[str, Any]:
    session = {
        "versions": versions(),
        "hardware": hardware(),
        "device": options.device,
        "git_commit": git_commit(),
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {
        "format": FORMAT,
        "protocol": {
            "name": definition.name,
            "kind": definition.kind,
            "sha256": definition.sha256,
            "definition": definition.described(),
        },
        "dataset": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "size_px": dataset.size_px,
            "label": dataset.name,
            "spec": options.dataset_spec,
            "pictures": dataset.pictures,
        },
        "sources": {
            "name": options.sources.name,
            "sha256": options.sources.sha256,
            "spec": options.sources_spec,
            "pictures": options.sources.pictures,
            "left_out": [
                {"file": str(photo.file), "reason": photo.reason} for photo in options.left_out
            ],
        }
        if options.sources
        else None,
        "T": sorted(definition.T),
        "methods": dict(methods),
        "metrics": list(definition.metrics),
        "split": split.described(),
        "status": "running",
        "partial": options.partial,
        "seeds": {"split": definition.seed, "methods": definition.seed},
        **session,
        "sessions": [session],
    }


def _extended(earlier: dict[str, Any], new: dict[str, Any], out: Path) -> dict[str, Any]:
    """run.json of a run that goes on: what was measured must be the same, methods, T and metrics
    may be added.
    """
    then, now = (
        parse_stored(earlier["protocol"]["definition"]).described(),
        new["protocol"]["definition"],
    )
    changed = [
        key
        for key in now
        if key not in ("T", "methods", "metrics", "source", "dataset", "rank_by")
        and now[key] != then[key]
    ]
    if changed:
        raise ThbenchError(
            f"{out} holds a run with another {', '.join(changed)}; choose another --out"
        )
    for label, described in new["methods"].items():
        stored = earlier["methods"].get(label, described)
        for key in ("spec", "settings"):
            if stored[key] != described[key]:
                raise ThbenchError(
                    f"{out} has {label} with {key} {stored[key]!r}, not {described[key]!r}; choose "
                    "another --out"
                )
        if (stored["checkpoint"] or {}).get("sha256") != (described["checkpoint"] or {}).get(
            "sha256"
        ):
            raise ThbenchError(
                f"{out} was made with another checkpoint of {label}; choose another --out"
            )
    kept = {**earlier["protocol"]["definition"], "rank_by": now["rank_by"]}
    metrics: Sequence[str] = [
        *earlier["metrics"],
        *(m for m in new["metrics"] if m not in earlier["metrics"]),
    ]
    return {
        **earlier,
        "protocol": {**earlier["protocol"], "definition": kept},
        "T": sorted({*earlier["T"], *new["T"]}),
        "methods": {**earlier["methods"], **new["methods"]},
        "metrics": list(metrics),
        "status": "running",
        # older runs do not say what they show
        **{
            part: {**earlier[part], "pictures": new[part]["pictures"]}
            for part in ("dataset", "sources")
            if earlier.get(part)
        },
        "sessions": [*earlier.get("sessions", []), *new["sessions"]],
    }  # versions of the first one stand on top


def methods_from(specs: Sequence[str], definition: Definition) -> tuple[MethodEntry, ...]:
    """The entries of methods named on the command line: the protocol's own where it has them, else
    plain ones.
    """
    known = {entry.label: entry for entry in definition.methods}
    return tuple(known.get(spec, method_entry(spec)) for spec in specs)
