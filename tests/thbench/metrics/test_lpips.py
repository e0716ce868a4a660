"""LPIPS against the package of its authors, with a seeded random backbone in place of the
pretrained one.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor

from thbench.metrics.lpips import lpips as lpips_metric
from thbench.metrics.lpips import lpips_alex, lpips_distances


@pytest.fixture(scope="module")
def alexnet() -> dict[str, Tensor]:
    torch.manual_seed(0)
    state: dict[str, Tensor] = torchvision.models.alexnet(weights=None).state_dict()
    return state


def images(seed: int) -> Tensor:
    return torch.randint(
        0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def test_equals_the_authors_package(alexnet: dict[str, Tensor]) -> None:
    lpips = pytest.importorskip("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    theirs.net.load_state_dict(
        {key: alexnet[f"features.{key.split('.', 1)[1]}"] for key in theirs.net.state_dict()}
    )
    x, y = images(0), images(1)
    with torch.no_grad():
        expected = theirs(x / 127.5 - 1, y / 127.5 - 1).flatten().numpy()
    np.testing.assert_allclose(lpips_distances(lpips_alex(alexnet), x, y), expected, rtol=1e-5)


def test_equal_frames_have_no_distance(alexnet: dict[str, Tensor]) -> None:
    network = lpips_alex(alexnet)
    assert lpips_distances(network, images(0), images(0)).tolist() == [0, 0, 0]
    assert (lpips_distances(network, images(0), images(1)) > 0).all()


def test_without_the_backbone_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert "thbench weights fetch alexnet-imagenet" in (lpips_metric().unavailable() or "")
