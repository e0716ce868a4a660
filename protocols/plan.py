"""Planning a run: all that can be checked before the first unit, and run.json."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from protocols.definition import stored_definition
from protocols.generate import Workshop
from protocols.kinds.base import Definition
from protocols.methods import describe, entries_of, method_options
from protocols.score import check_fits
from protocols.session import this_session
from protocols.stored_split import read_split, read_split_for
from thbench.data.dataset import Dataset
from thbench.errors import ThbenchError
from thbench.locks import holds_nothing
from thbench.metrics.base import load_metric
from thbench.records.encode import encode
from thbench.records.run import (
    FORMAT,
    DatasetRecord,
    LeftOutRecord,
    MethodRecord,
    ProtocolRecord,
    RunRecord,
    SourcesRecord,
)
from thbench.records.split import Split
from thbench.runs import Run

if TYPE_CHECKING:
    from protocols.run import RunOptions

# What may differ in a run that goes on: all else is what was measured.
_MAY_CHANGE = ("T", "methods", "metrics", "source", "dataset", "rank_by")


def prepare_run(
    definition: Definition, dataset: Dataset, run: Run, options: RunOptions
) -> Workshop:
    """Checks everything that can be checked before the first unit, and writes or extends run.json.

    The caller has the run's lock.
    """
    _check_metrics(definition, options.device)
    earlier = Run.open(run.path).record() if run.run_json.exists() else None
    if earlier is None and not holds_nothing(run.path):
        raise ThbenchError(f"{run.path} exists and is not a run folder; choose another --out")

    split = _split(definition, dataset, options, earlier)
    stored = earlier.methods if earlier else {}
    entries = entries_of(definition, stored)
    shop = Workshop(
        run.path,
        definition,
        dataset,
        {
            label: (entry, method_options(entry, stored.get(label), dataset, definition, options))
            for label, entry in entries.items()
        },
        {video.key: video for video in split.videos},
        options.sources,
    )

    methods = {label: describe(entry, shop.method(label)) for label, entry in entries.items()}
    record = _record(definition, dataset, split, methods, options)
    run.write(record if earlier is None else _extended(earlier, record, run.path))
    return shop


def _check_metrics(definition: Definition, device: str) -> None:
    """An unknown or unfit name must not wait until all frames are made."""
    check_fits([load_metric(metric, device) for metric in definition.metrics], definition)

    ranked_by = definition.ranked_by
    if ranked_by and ranked_by not in definition.metrics:
        raise ThbenchError(
            f"drivers are ranked by {ranked_by}, which is not among the metrics "
            f"{', '.join(definition.metrics)}; add it with --metrics or choose another --rank-by"
        )


def _split(
    definition: Definition, dataset: Dataset, options: RunOptions, earlier: RunRecord | None
) -> Split:
    """The split of the run that is there, the one that was handed over, or a drawn one."""
    if earlier is not None:
        _check_stored_split(definition, dataset, options, earlier)
        return earlier.split
    if options.split is not None:
        return read_split_for(definition, options.split, dataset, options.sources)
    return definition.draw(dataset, options.sources)


def _check_stored_split(
    definition: Definition, dataset: Dataset, options: RunOptions, earlier: RunRecord
) -> None:
    """Raises `ThbenchError` where a run cannot go on with the split that it has."""
    given = options.split
    if given is not None and earlier.split != read_split(given, dataset, options.sources):
        raise ThbenchError(
            f"the run has a split of its own, and it is not that of {given}; choose another --out"
        )

    for name, then, now in (
        ("dataset", earlier.dataset, dataset),
        ("sources", earlier.sources, options.sources),
    ):
        before = (then.name, then.sha256) if then else ("none", "")
        if before[1] != (now.sha256 if now else ""):
            raise ThbenchError(
                f"the run was made with another {name} ({before[0]}, sha256 "
                f"{before[1][:12]}...); choose another --out"
            )

    shots = max(definition.T)
    if shots > earlier.split.shots:
        raise ThbenchError(
            f"T = {shots} needs {shots} shots, the run's split has {earlier.split.shots}; "
            "start a new run"
        )


def _record(
    definition: Definition,
    dataset: Dataset,
    split: Split,
    methods: dict[str, MethodRecord],
    options: RunOptions,
) -> RunRecord:
    """run.json of a new run."""
    session = this_session(options.device)
    return RunRecord(
        format=FORMAT,
        protocol=ProtocolRecord(
            definition.name, definition.kind, definition.sha256, definition.described()
        ),
        dataset=DatasetRecord(
            name=dataset.name,
            sha256=dataset.sha256,
            size_px=dataset.size_px,
            label=dataset.name,
            spec=options.dataset_spec,
            pictures=dataset.pictures,
        ),
        sources=_sources(options),
        T=sorted(definition.T),
        methods=methods,
        metrics=list(definition.metrics),
        split=split,
        status="running",
        partial=options.partial,
        seeds={"split": definition.seed, "methods": definition.seed},
        versions=session.versions,
        hardware=session.hardware,
        device=session.device,
        git_commit=session.git_commit,
        created_utc=session.created_utc,
        sessions=[session],
    )


def _sources(options: RunOptions) -> SourcesRecord | None:
    if not options.sources:
        return None
    return SourcesRecord(
        name=options.sources.name,
        sha256=options.sources.sha256,
        spec=options.sources_spec,
        pictures=options.sources.pictures,
        left_out=[LeftOutRecord(str(photo.file), photo.reason) for photo in options.left_out],
    )


def _extended(earlier: RunRecord, new: RunRecord, out: Path) -> RunRecord:
    """run.json of a run that goes on: what was measured must be the same, methods, T and metrics
    may be added.
    """
    then = stored_definition(earlier.protocol).described()
    now = new.protocol.definition
    changed = [key for key in now if key not in _MAY_CHANGE and now[key] != then[key]]
    if changed:
        raise ThbenchError(
            f"{out} holds a run with another {', '.join(changed)}; choose another --out"
        )
    for label in new.methods.keys() & earlier.methods.keys():
        _check_same_method(label, earlier.methods[label], new.methods[label], out)

    # Versions and hardware of the first session stand on top; older runs do not say what their
    # pictures show.
    kept = {**earlier.protocol.definition, "rank_by": new.protocol.rank_by}
    return replace(
        earlier,
        protocol=replace(earlier.protocol, definition=kept),
        dataset=replace(earlier.dataset, pictures=new.dataset.pictures),
        sources=_with_pictures(earlier.sources, new.sources),
        T=sorted({*earlier.T, *new.T}),
        methods={**earlier.methods, **new.methods},
        metrics=list(dict.fromkeys([*earlier.metrics, *new.metrics])),
        status="running",
        sessions=[*earlier.sessions, *new.sessions],
    )


def _with_pictures(
    earlier: SourcesRecord | None, new: SourcesRecord | None
) -> SourcesRecord | None:
    if earlier is None or new is None:
        return earlier
    return replace(earlier, pictures=new.pictures)


def _check_same_method(label: str, stored: MethodRecord, now: MethodRecord, out: Path) -> None:
    """Raises `ThbenchError` where the frames of a run would come from two different methods."""
    for what, then, given in (
        ("spec", stored.spec, now.spec),
        ("settings", encode(stored.settings), encode(now.settings)),
    ):
        if then != given:
            raise ThbenchError(
                f"{out} has {label} with {what} {then!r}, not {given!r}; choose another --out"
            )

    if _model(stored) != _model(now):
        raise ThbenchError(
            f"{out} was made with another checkpoint of {label}; choose another --out"
        )


def _model(method: MethodRecord) -> str | None:
    return method.checkpoint.sha256 if method.checkpoint else None
