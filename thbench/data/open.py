"""Datasets by name: what `--dataset` takes."""

from __future__ import annotations

import os
from pathlib import Path

from thbench.data.dataset import Dataset
from thbench.data.store.in_videos import open_store
from thbench.data.store.places import is_url
from thbench.data.store.prepared import is_store
from thbench.errors import ThbenchError


def open_dataset(spec: str) -> Dataset:
    """ "synth" or "synth:SIZE" (synthetic heads), the path or URL of a prepared store, or its name
    under $THBENCH_DATA.

    Raises `ThbenchError` when there is no such dataset.
    """
    if _is_synthetic(spec):
        return _synthetic(spec)
    if is_url(spec):
        return open_store(spec)
    if spec.startswith("video-files:"):
        raise ThbenchError(
            f"{spec.partition(':')[2]} holds videos that `thbench score-videos` scored; run that "
            "command again to go on"
        )
    if (store := _store(spec)) is not None:
        return open_store(store)
    if Path(spec).exists():
        return open_store(Path(spec))  # which says what is wrong with it

    home = os.environ.get("THBENCH_DATA")
    also = f", or under $THBENCH_DATA = {home}," if home else " ($THBENCH_DATA is not set)"
    raise ThbenchError(
        f"no dataset at {spec}{also}: make one with `thbench prepare LAYOUT SRC {spec}`, or use "
        "synth"
    )


def open_sources(spec: str, size_px: int, skip_unusable: bool = False) -> Dataset:
    """What heads are learned from when other videos drive them: a dataset, or a plain folder of
    photographs.

    skip_unusable: leave out photographs that cannot be read or show no face. Raises `ThbenchError`
    for these otherwise, and as `open_dataset` does.
    """
    # A folder here comes before a store of that name under $THBENCH_DATA.
    if _is_synthetic(spec) or is_url(spec) or is_store(Path(spec)):
        return open_dataset(spec)
    if not Path(spec).is_dir():
        if _store(spec) is not None:
            return open_dataset(spec)
        raise ThbenchError(
            f"no sources at {spec}: name a folder of photographs, one for each person, or a dataset"
        )

    from thbench.data.landmarks.load import load_detector
    from thbench.data.photo_folder import PhotoFolder

    return PhotoFolder(Path(spec), size_px, load_detector("auto"), skip_unusable)


def _is_synthetic(spec: str) -> bool:
    return spec.partition(":")[0] == "synth"


def _store(spec: str) -> Path | None:
    """Where the prepared store is that `spec` names, if there is one."""
    places = [Path(spec)]
    if home := os.environ.get("THBENCH_DATA"):
        places.append(Path(home) / spec)
    return next((place for place in places if is_store(place)), None)


def _synthetic(spec: str) -> Dataset:
    from thbench.data.synthetic import synth

    _, _, size = spec.partition(":")
    if not size:
        return synth()
    if not size.isdecimal():
        raise ThbenchError(f"synth:{size} names no frame size: use synth:64 or synth:256")
    return synth(int(size))
