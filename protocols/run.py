"""Running a protocol: plan it, generate what is missing, score."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from protocols.generate import generate, unfinished, write_references
from protocols.kinds.base import Definition
from protocols.plan import prepare_run
from protocols.progress import Progress, unwatched
from protocols.score import score_run
from thbench.data.dataset import Dataset
from thbench.data.photos import Unusable
from thbench.engine import LOCAL, Engine
from thbench.errors import ThbenchError
from thbench.locks import locked as locked_folder
from thbench.records.run import Status
from thbench.records.summary import SummaryRecord
from thbench.runs import Run, Unit


@dataclass(frozen=True, kw_only=True)
class HowToRun:
    """What only says how to run: results differ by no more than how a device rounds."""

    device: str = "cpu"
    workers: int | None = 1
    engine: Engine = LOCAL


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
    summary: SummaryRecord


def run_protocol(
    definition: Definition,
    dataset: Dataset,
    out: Path,
    options: RunOptions,
    progress: Progress = unwatched,
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

        with closing(generate(shop, units, options.workers, options.engine)) as made:
            results = dict(progress(made, len(units), "generate"))
        _check_seen(run, units)
        failed = [(unit, results[unit].error) for unit in units if results[unit].status == "failed"]

        set_status(run, "scoring")
        metrics = run.record().metrics
        summary = score_run(run, metrics, options.device, options.workers, progress, options.engine)
        set_status(run, "failed" if failed else "complete")
    return Outcome(failed, summary)


def _check_seen(run: Run, units: Sequence[Unit]) -> None:
    """Raises `ThbenchError` where this machine does not see what others wrote: scores would lack
    it.
    """
    unseen = [unit for unit in units if run.read_unit(unit) is None]
    if unseen:
        raise ThbenchError(
            f"{len(unseen)} units were made elsewhere and are not seen here yet, the first "
            f"{run.unit_mark(unseen[0])}: the storage lags (NFS: mount it with lookupcache=none); "
            "run the same command again"
        )


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Keeps a second process from working on the same run; see `thbench.locks.locked`."""
    with locked_folder(run.path):
        if run.run_json.exists():
            _sweep(run)
        yield


def set_status(run: Run, status: Status) -> None:
    """Writes into run.json how far the run is."""
    run.write(replace(run.record(), status=status))


def _sweep(run: Run) -> None:
    """Removes what a killed process left half-written; only the holder of the lock may."""
    parts = ("images", "references", "units", "scores", "features")
    within = chain.from_iterable((run.path / part).rglob(".*.tmp") for part in parts)
    for left in [*run.path.glob(".*.tmp"), *within]:
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
