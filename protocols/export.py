"""The episodes of a protocol, written out for a system that runs elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from baselines.external.export import Episode, export_protocol
from protocols.data import open_data
from protocols.definition import load_definition
from protocols.kinds.base import Definition
from protocols.stored_split import read_split_for
from thbench.data.dataset import Dataset, find_video
from thbench.errors import ThbenchError
from thbench.method import DrivesWith
from thbench.records.split import Split
from thbench.runs import nested_shots


def export_from_command_line(
    protocol: str,
    T: Sequence[int],
    dataset: str | None,
    videos: int | None,
    holdout: int | None,
    drivers: int | None,
    seed: int | None,
    split: Path | None,
    sources: str | None,
    drives_with: DrivesWith,
    out: Path,
    skip_unusable: bool = False,
) -> int:
    """Writes the episodes that `run-protocol` with the same options would measure; returns their
    number.
    """
    definition = load_definition(protocol).with_values(
        T=tuple(T) or None, holdout=holdout, drivers=drivers, seed=seed
    )
    if definition.measures == "time":
        raise ThbenchError(
            f"{definition.name} measures time, which a system elsewhere measures for itself"
        )
    definition, opened, learned = open_data(definition, dataset, sources, videos, skip_unusable)
    chosen = (
        read_split_for(definition, split, opened, learned)
        if split
        else definition.draw(opened, learned)
    )
    about = {
        "protocol": {"name": definition.name, "sha256": definition.sha256},
        "dataset": {"name": opened.name, "sha256": opened.sha256},
    }
    return export_protocol(
        episodes(definition, opened, learned or opened, chosen), out, about, drives_with
    )


def episodes(
    definition: Definition, dataset: Dataset, sources: Dataset, split: Split
) -> Iterator[Episode]:
    """Every (T, video) of a reenactment protocol, read one at a time."""
    for T in sorted(definition.T):
        for video in split.videos:
            yield Episode(
                video.key,
                T,
                sources.read(find_video(sources, video.source), nested_shots(video.shots, T)),
                definition.drive(dataset, video),
            )
