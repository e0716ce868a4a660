"""Datasets by name: what `--dataset` takes."""

from __future__ import annotations

import os
from pathlib import Path

from thbench.data.dataset import Dataset
from thbench.data.store.prepared import PreparedStore, is_store
from thbench.errors import ThbenchError


def open_dataset(spec: str) -> Dataset:
    """ "synth" or "synth:SIZE" (synthetic heads), the path of a prepared store, or its name under
    $THBENCH_DATA.

    Raises `ThbenchError` when there is no such dataset.
    """
    name, _, size = spec.partition(":")
    if name == "synth":
        return _synthetic(size)
    if is_store(Path(spec)):
        return PreparedStore(Path(spec))
    home = os.environ.get("THBENCH_DATA")
    if home and is_store(Path(home) / spec):
        return PreparedStore(Path(home) / spec)
    if Path(spec).exists():
        return PreparedStore(Path(spec))  # which says what is wrong with it

    if home:
        places = f"{spec}, or under $THBENCH_DATA = {home},"
    else:
        places = f"{spec} ($THBENCH_DATA is not set)"
    raise ThbenchError(
        f"no dataset at {places}: make one with `thbench prepare LAYOUT SRC {spec}`, or use synth"
    )


def open_sources(spec: str, size_px: int, skip_unusable: bool = False) -> Dataset:
    """What heads are learned from when other videos drive them: a dataset, or a plain folder of
    photographs.

    skip_unusable: leave out photographs that cannot be read or show no face. Raises `ThbenchError`
    for these otherwise, and as `open_dataset` does.
    """
    if spec.partition(":")[0] == "synth" or is_store(Path(spec)):
        return open_dataset(spec)
    if not Path(spec).is_dir():
        home = os.environ.get("THBENCH_DATA")
        if home and is_store(Path(home) / spec):
            return open_dataset(spec)
        raise ThbenchError(
            f"no sources at {spec}: name a folder of photographs, one for each person, or a dataset"
        )
    from thbench.data.landmarks.load import load_detector
    from thbench.data.photo_folder import PhotoFolder

    return PhotoFolder(Path(spec), size_px, load_detector("auto"), skip_unusable)


def _synthetic(size: str) -> Dataset:
    from thbench.data.synthetic import synth

    if not size:
        return synth()
    if not size.isdecimal():
        raise ThbenchError(f"synth:{size} names no frame size: use synth:64 or synth:256")
    return synth(int(size))
