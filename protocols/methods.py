"""The methods of a run: which, with what models and settings, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from protocols.definition import method_entry
from protocols.kinds.base import Definition, MethodEntry
from thbench.config import parse_settings, plain_value
from thbench.data.dataset import Dataset
from thbench.errors import ThbenchError
from thbench.method import Method, MethodOptions, bundled_model, provenance
from thbench.nearest import hint
from thbench.records.decode import decode
from thbench.records.encode import encode
from thbench.records.run import MethodRecord

if TYPE_CHECKING:
    from protocols.run import RunOptions


def methods_from(specs: Sequence[str], definition: Definition) -> tuple[MethodEntry, ...]:
    """The entries of methods named on the command line: the protocol's own where it has them, else
    plain ones.
    """
    known = {entry.label: entry for entry in definition.methods}
    return tuple(known.get(spec, method_entry(spec)) for spec in specs)


def with_settings(entries: Sequence[MethodEntry], texts: Sequence[str]) -> tuple[MethodEntry, ...]:
    """The entries with `METHOD.NAME=VALUE` applied to the settings of each METHOD, by label.

    Raises `ThbenchError` for a text of another form and for a method that is not among them.
    """
    changed = {entry.label: entry for entry in entries}
    for name, text in parse_settings(texts).items():
        label, dot, setting = name.rpartition(".")
        if not (dot and setting):
            raise ThbenchError(
                f"--set {name}={text}: write METHOD.NAME=VALUE, for example --set ours-ft.epochs=10"
            )
        if label not in changed:
            raise ThbenchError(f"--set {name}={text}: no method {label!r}: {hint(label, changed)}")
        entry = changed[label]
        settings = {**entry.settings, setting: plain_value(text, name)}
        changed[label] = replace(entry, settings=settings)
    return tuple(changed.values())


def entries_of(
    definition: Definition, stored: Mapping[str, MethodRecord]
) -> dict[str, MethodEntry]:
    """The methods by label: those of the protocol, then those that a run has besides."""
    entries = {entry.label: entry for entry in definition.methods}
    for label, method in stored.items():
        kept = MethodEntry(label, method.spec, method.settings, method.own_checkpoint)
        entries.setdefault(label, kept)
    return entries


def method_options(
    entry: MethodEntry,
    stored: MethodRecord | None,
    dataset: Dataset,
    definition: Definition,
    options: RunOptions,
) -> MethodOptions:
    """What the method is loaded with; stored: what the run says of it, where it has it already."""
    checkpoint = _checkpoint(entry, stored, options.checkpoints)
    if checkpoint is None and entry.own_checkpoint:
        raise ThbenchError(
            f"{entry.label!r} needs a model of its own, see `thbench protocols show "
            f'{definition.name}`: add --checkpoint "{entry.label}=PATH", or leave it out with '
            "--methods"
        )
    if checkpoint is None and dataset.pictures == "synthetic heads":
        checkpoint = bundled_model(_name(entry))

    return MethodOptions(
        checkpoint=checkpoint,
        device=options.device,
        seed=definition.seed,
        size_px=dataset.size_px,
        settings=entry.settings,
    )


def describe(entry: MethodEntry, method: Method) -> MethodRecord:
    """What run.json says of a method.

    Raises `ThbenchError` where the method says of itself what no run can keep.
    """
    said = {"config": {}, "checkpoint": None, "notes": [], **encode(provenance(method))}
    chosen = {
        "spec": entry.spec,
        "settings": encode(entry.settings),
        "own_checkpoint": entry.own_checkpoint,
    }
    return decode(
        MethodRecord, {**said, **chosen}, f"provenance of {entry.label}", "mend the method"
    )


def _checkpoint(
    entry: MethodEntry, stored: MethodRecord | None, given: Mapping[str, Path]
) -> Path | None:
    """The model that was named, or the one that the run was begun with."""
    named = given.get(entry.label)
    if named is None and not entry.own_checkpoint:
        named = given.get(_name(entry)) or given.get("")
    if named is None and stored is not None and stored.checkpoint is not None:
        return Path(stored.checkpoint.path)
    return named


def _name(entry: MethodEntry) -> str:
    """The registered name in a spec: "external" of "external:NAME=DIR"."""
    return entry.spec.partition(":")[0]
