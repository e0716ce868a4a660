"""Norms after deletions, against singular values of what stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thbench.metrics.deleted_rows import norms_without


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(0)


def features(rows: int, rank: int, decay: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    scale = np.arange(1, rank + 1) ** -decay
    return centred(random.normal(size=(rows, rank)) * scale @ random.normal(size=(rank, 70)))


def direct(a: np.ndarray, b: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The singular values themselves, without squaring them."""
    norms = []
    for group in range(groups.max() + 1):
        keep = groups != group
        kept = centred(a[keep]) @ centred(b[keep]).T
        norms.append(np.linalg.svd(kept, compute_uv=False).sum())
    return np.array(norms)


@settings(max_examples=60, deadline=None)
@given(
    rank=st.integers(1, 70),
    decay=st.floats(0, 2),
    group_size=st.sampled_from([1, 2, 5, 6, 15, 30]),
    seed=st.integers(0, 2**32 - 1),
)
def test_norms_are_those_of_the_rows_that_stay(
    rank: int, decay: float, group_size: int, seed: int
) -> None:
    a, b = features(60, rank, decay, seed), features(60, rank, decay, seed + 1)
    groups = np.arange(60) // group_size

    found, expected = norms_without(a @ b.T, groups), direct(a, b, groups)

    whole = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    assert found == pytest.approx(expected, abs=2e-5 * whole)


def test_standard_errors_are_those_of_singular_values_to_a_thousandth() -> None:
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(40), 5)
    spectrum = np.arange(1, 301) ** -0.5
    a, b = (
        centred((random.normal(size=(40, 300))[groups] + random.normal(size=(200, 300))) * spectrum)
        for _ in range(2)
    )

    found, expected = norms_without(a @ b.T, groups), direct(a, b, groups)

    assert found.std() == pytest.approx(expected.std(), rel=1e-3)


def test_a_matrix_of_zeros_has_no_norm() -> None:
    assert norms_without(np.zeros((20, 20)), np.arange(20)).tolist() == [0.0] * 20


def test_rows_that_are_all_alike_are_no_trouble() -> None:
    a = np.repeat(features(2, 1, 0, 5), 20, axis=0)
    groups = np.arange(40) // 2

    assert norms_without(a @ a.T, groups) == pytest.approx(direct(a, a, groups), rel=1e-4)
