"""Splits handed on to others: the one of a run, or the one that a protocol draws."""

from __future__ import annotations

from pathlib import Path

from protocols.definition import load_definition
from protocols.split import Split, TestVideo, draw_split, write_split
from thbench.data.open import open_dataset
from thbench.errors import ThbenchError
from thbench.runs import Run


def export_split(source: str, out: Path, dataset: str | None, videos: int | None, T: int | None, holdout: int | None,
                 seed: int | None) -> Split:
    """Writes the split of a run folder, or the one that a protocol draws, for others to use with `--split`.

    Raises `ThbenchError` when options for drawing are given beside a run.
    """
    if Run(Path(source)).run_json.exists():
        stored = Run.open(Path(source)).info()["split"]
        split = Split(stored["seed"], stored["dataset_sha256"], stored["shots"], stored["holdout"],
                      [TestVideo(**video) for video in stored["videos"]])
        if any((dataset, videos, T, holdout, seed is not None)):
            raise ThbenchError(f"{source} is a run, whose split is drawn already; leave the other options out")
    else:
        definition = load_definition(source).with_values(videos=videos, holdout=holdout, seed=seed,
                                                         T=(T,) if T else None)
        opened = open_dataset(dataset or definition.dataset)
        split = draw_split(opened, definition.videos, max(definition.T), definition.holdout, definition.seed)
    write_split(split, out)
    return split
