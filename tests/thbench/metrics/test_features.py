"""The feature store computes once, whatever happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from thbench.errors import ThbenchError
from thbench.metrics.features import FeatureStore

FRAMES = ["aa", "bb"]
SPEC = {"network": "n", "weights": "w", "dtype": "float32"}


def fresh() -> NDArray[np.float32]:
    return np.arange(6, dtype=np.float32).reshape(2, 3)


def never() -> NDArray[np.float32]:
    raise AssertionError("the network ran again")


def test_a_second_request_never_runs_the_network(tmp_path: Path) -> None:
    first = FeatureStore(tmp_path).features(FRAMES, SPEC, fresh)
    again = FeatureStore(tmp_path).features(FRAMES, dict(reversed(SPEC.items())), never)
    np.testing.assert_array_equal(first, again)
    assert again.dtype == np.float32


@pytest.mark.parametrize(
    ("frames", "spec"),
    [
        (["bb", "aa"], SPEC),
        (FRAMES, {**SPEC, "weights": "x"}),
        (FRAMES, {**SPEC, "resize": "other"}),
    ],
)
def test_other_frames_weights_or_preprocessing_are_computed(
    tmp_path: Path, frames: list[str], spec: dict[str, str]
) -> None:
    store = FeatureStore(tmp_path)
    store.features(FRAMES, SPEC, fresh)
    changed = store.features(frames, spec, lambda: fresh() + 1)
    np.testing.assert_array_equal(changed, fresh() + 1)


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="2 frames asked for, 1 rows"):
        FeatureStore(tmp_path).features(FRAMES, SPEC, lambda: fresh()[:1])
    assert not list(tmp_path.iterdir())


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    store.features(FRAMES, SPEC, fresh)
    file = next(tmp_path.glob("*.npz"))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(ThbenchError, match=rf"{file.name} is missing or damaged .* delete it"):
        store.features(FRAMES, SPEC, never)
