"""The features of a unit's frames for a set metric, kept in the run's store."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.frames import read_images
from protocols.units import frame_sets
from thbench.errors import ThbenchError
from thbench.files import sha256_file
from thbench.metrics.base import SetMetric
from thbench.metrics.features import FeatureStore
from thbench.runs import Run, Unit

Features = NDArray[np.floating[Any]]


def unit_features(run: Run, metric: SetMetric, unit: Unit) -> tuple[Features, Features]:
    """Of the generated frames (or clips) and of the true ones, [N, D] each, from the store or else
    computed.

    Raises `ThbenchError` where a frame is not the one that was committed.
    """
    store, spec = FeatureStore(run.path / "features"), metric.feature_spec()
    made, held = (
        store.features(
            list(digests.values()),
            spec,
            partial(_compute, metric, folder, digests),
            metric.card.clip_frames,
        )
        for folder, digests in frame_sets(run, unit)
    )
    return made, held


def _compute(metric: SetMetric, folder: Path, digests: Mapping[str, str]) -> Features:
    for name, sha256 in digests.items():
        if (folder / name).is_file() and sha256_file(folder / name) != sha256:
            raise ThbenchError(
                f"{folder / name} is not the frame that was committed; "
                "`thbench runs verify` names all such frames"
            )
    return metric.features(read_images(folder, list(digests)))
