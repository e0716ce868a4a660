"""FID end to end against the pytorch-fid package, with seeded random weights in place of the
official file.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from thbench.metrics import inception
from thbench.metrics.fid import fid
from thbench.metrics.frechet import frechet_distance
from thbench.metrics.inception import fid_inception, pool3_features
from thbench.metrics.kid import kid

pytest.importorskip("pytorch_fid")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights in the layout of the official file; batch norms are set so that features keep
    their scale.
    """
    torch.manual_seed(0)
    network = torchvision.models.inception_v3(
        num_classes=1008, aux_logits=False, init_weights=False
    )
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    found: dict[str, Tensor] = network.state_dict()
    return found


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor]) -> nn.Module:
    return fid_inception(state)


def images(n: int, seed: int) -> Tensor:
    small = torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return (
        (torch.nn.functional.interpolate(small, size=64, mode="bicubic").clamp(0, 1) * 255)
        .round()
        .to(torch.uint8)
    )


@pytest.mark.slow
def test_features_equal_those_of_the_package_and_do_not_depend_on_the_batch(
    network: nn.Module, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytorch_fid import inception as package

    monkeypatch.setattr(package, "load_state_dict_from_url", lambda *_, **__: state)
    theirs_network = package.InceptionV3([3]).eval()
    x = images(6, 0)
    with torch.no_grad():
        theirs = theirs_network(x.float() / 255)[0].flatten(1).numpy()
    ours = pool3_features(network, x)
    assert ours.shape == (6, 2048)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
    one_by_one = np.concatenate([pool3_features(network, x[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(ours, one_by_one, rtol=1e-3, atol=1e-4 * np.abs(ours).max())


@pytest.mark.slow
def test_fid_equals_that_of_the_package_on_the_same_images(network: nn.Module) -> None:
    """The package's square root is slow in 2048 dimensions, so the first 192 of each feature are
    compared.
    """
    from pytorch_fid.fid_score import calculate_frechet_distance

    a, b = (
        pool3_features(network, images(16, seed))[:, :192].astype(np.float64) for seed in (0, 1)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            theirs = calculate_frechet_distance(
                a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False)
            )
        except TypeError:
            pytest.skip("pytorch-fid's square root does not run with SciPy 1.18 and later")
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-3)


@pytest.mark.slow
def test_official_file_goes_through_the_registry_and_is_shared_by_fid_and_kid(
    state: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(state, tmp_path / "inception.pth")
    monkeypatch.setattr(inception, "weight_path", lambda name: tmp_path / "inception.pth")
    monkeypatch.setattr(inception, "weight_sha256", lambda name: "0" * 64)
    assert fid().feature_spec() == kid().feature_spec()
    x, y = fid().features(images(6, 0)), kid().features(images(6, 1))
    videos = np.repeat([0, 1, 2], 2)
    assert x.dtype == np.float32
    assert abs(fid().estimate(x, x, videos, videos).value) < 1e-6 * np.var(x, axis=0).sum()
    assert fid().estimate(x, y, videos, videos).value > 0
    assert np.isfinite(kid().estimate(x, y, videos, videos).se)


def test_without_the_file_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for metric in (fid(), kid()):
        assert "thbench weights fetch fid-inception" in (metric.unavailable() or "")
    assert not list(tmp_path.iterdir())
