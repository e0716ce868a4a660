"""The episodes of a protocol, written out for a system that runs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from baselines.external.export import DrivesWith, Episode, export_protocol
from protocols.definition import Definition, load_definition
from protocols.split import Split, draw_split, read_split
from thbench.data.dataset import Dataset
from thbench.data.open import open_dataset
from thbench.errors import ThbenchError
from thbench.runs import nested_shots


def export_from_command_line(protocol: str, T: Sequence[int], dataset: str | None, videos: int | None,
                             holdout: int | None, seed: int | None, split: Path | None, drives_with: DrivesWith,
                             out: Path) -> int:
    """Writes the episodes that `run-protocol` with the same options would measure; returns their number."""
    definition = load_definition(protocol).with_values(T=tuple(T) or None, videos=videos, holdout=holdout, seed=seed)
    if definition.kind != "self-reenactment":
        raise ThbenchError(f"{definition.name} is of kind {definition.kind}; only self-reenactment can be exported")
    if not (dataset or definition.dataset):
        raise ThbenchError(f"protocol {definition.name!r} names no dataset; add --dataset")
    opened = open_dataset(dataset or definition.dataset)
    chosen = read_split(split, opened) if split else draw_split(opened, definition.videos, max(definition.T),
                                                                definition.holdout, definition.seed)
    about = {"protocol": {"name": definition.name, "sha256": definition.sha256},
             "dataset": {"name": opened.name, "sha256": opened.sha256}}
    return export_protocol(episodes(definition, opened, chosen), out, about, drives_with)


def episodes(definition: Definition, dataset: Dataset, split: Split) -> Iterator[Episode]:
    """Every (T, video) of a self-reenactment protocol, read one at a time."""
    sources = {video.key: video for video in dataset.videos}
    for T in sorted(definition.T):
        for video in split.videos:
            source = sources[video.key]
            yield Episode(video.key, T, dataset.read(source, nested_shots(video.shots, T)),
                          dataset.read(source, video.holdout))
