"""The feature store: what a network made of some frames, kept under the content of everything that
decided it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.arrays import read_array
from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_json


@dataclass(frozen=True)
class FeatureStore:
    """A folder of `<key>.npz`, each the features of a list of frames. Two runs may share one.

    Nothing in it can be stale: other frames, weights or preprocessing have another key. It can be
    deleted at any time.
    """

    folder: Path

    def file(self, frames_sha256: Sequence[str], spec: Mapping[str, Any]) -> Path:
        """Where the features of these frames are stored, or will be."""
        return self.folder / f"{feature_key(frames_sha256, spec)}.npz"

    def features(
        self,
        frames_sha256: Sequence[str],
        spec: Mapping[str, Any],
        compute: Callable[[], NDArray[Any]],
        clip_frames: int = 1,
    ) -> NDArray[Any]:
        """The features [N, D] of N frames, from the store or else computed and stored.

        frames_sha256 are the digests of the frames in order; spec is `SetMetric.feature_spec()`.
        clip_frames: as of a `MetricCard`; the rows are N // clip_frames then.
        Raises `ThbenchError` when a stored file is broken or `compute` gives another number of
        rows.
        """
        path, rows = self.file(frames_sha256, spec), len(frames_sha256) // clip_frames
        if path.exists():
            stored = read_array(path, "delete it: the features will be made again", "features")
            if stored.ndim != 2 or len(stored) != rows or stored.dtype.kind != "f":
                raise ThbenchError(
                    f"the stored features {path} are broken ({stored.dtype} {list(stored.shape)}): "
                    "delete the file, it will be made again"
                )
            return stored
        features = compute()
        if len(features) != rows:
            parts = "frames" if clip_frames == 1 else "clips"
            raise ThbenchError(f"features for {rows} {parts} asked for, {len(features)} rows came")
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, features=features)
        return features


def feature_key(frames_sha256: Sequence[str], spec: Mapping[str, Any]) -> str:
    """The sha256 of the frames' digests and of all that turned them into features."""
    return sha256_json({"frames": list(frames_sha256), "spec": dict(spec)})
