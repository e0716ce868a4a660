"""X2Face behind the contract: weights from every place they may lie in, heads of any frame size."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from support.random_frames import random_frames

from baselines.x2face.method import AUTHORS_FILE, X2Face
from baselines.x2face.network import PRESETS, X2FaceConfig, build
from thbench.errors import ThbenchError
from thbench.method import MethodOptions
from thbench.training.checkpoints import save_model

SMALL = X2FaceConfig(size_px=32, ngf=4, depth=5, bottleneck=8)


@pytest.fixture
def authors_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the authors' layout, of a thin network so that the test is quick."""
    monkeypatch.setitem(PRESETS, "paper", SMALL)
    torch.manual_seed(0)
    net = build(SMALL)
    net.initialise()
    file = tmp_path / AUTHORS_FILE
    torch.save(
        {"state_dict": net.state_dict(), "epoch": 7}, file, _use_new_zipfile_serialization=False
    )
    return file


@pytest.fixture
def head_maker(authors_file: Path) -> X2Face:
    return X2Face(MethodOptions(checkpoint=authors_file))


def test_render_is_the_networks_forward_rounded(head_maker: X2Face) -> None:
    shots, drive = random_frames(3, 32), random_frames(2, 32, seed=1)
    with torch.no_grad():
        expected = torch.cat(
            [head_maker.net(frame[None] / 255, shots.images[None] / 255) for frame in drive.images]
        )
    rendered = head_maker.adapt(shots).render(drive)
    assert rendered.dtype == torch.uint8
    assert (rendered - expected * 255).abs().max() <= 0.5 + 1e-3


def test_shots_are_embedded_once(head_maker: X2Face, monkeypatch: pytest.MonkeyPatch) -> None:
    head = head_maker.adapt(random_frames(3, 32))
    monkeypatch.setattr(head_maker.net, "embed", None)
    assert head.render(random_frames(9, 32)).shape == (9, 3, 32, 32)


def test_frames_of_another_size_are_resized_there_and_back(head_maker: X2Face) -> None:
    rendered = head_maker.adapt(random_frames(2, 64)).render(random_frames(3, 64, seed=1))
    assert rendered.shape == (3, 3, 64, 64)
    assert rendered.float().std() > 1


def test_it_looks_at_the_driving_image(head_maker: X2Face) -> None:
    head, drive = head_maker.adapt(random_frames(2, 32)), random_frames(2, 32, seed=1)
    assert head_maker.drives_with == "image"
    assert not torch.equal(head.render(drive), head.render(drive.without_images()))


@pytest.mark.parametrize("new_format", [True, False])
def test_the_authors_zip_is_read(
    authors_file: Path, head_maker: X2Face, tmp_path: Path, new_format: bool
) -> None:
    torch.save(
        torch.load(authors_file, weights_only=True),
        authors_file,
        _use_new_zipfile_serialization=new_format,
    )
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.write(authors_file, f"release_x2face/models/{AUTHORS_FILE}")
        zipped.writestr("release_x2face/readme.txt", "")
    shots, drive = random_frames(2, 32), random_frames(2, 32, seed=1)
    for place in (archive, authors_file):
        loaded = X2Face(MethodOptions(checkpoint=place))
        assert torch.equal(loaded.adapt(shots).render(drive), head_maker.adapt(shots).render(drive))


def test_our_own_model_file_brings_its_sizes(tmp_path: Path) -> None:
    net = build(SMALL)
    save_model(
        tmp_path / "model.safetensors",
        net.state_dict(),
        {
            "kind": "x2face",
            "step": 5,
            "dataset": {"name": "some"},
            "config": {"net": {"size_px": 32, "ngf": 4, "depth": 5, "bottleneck": 8}},
        },
    )
    loaded = X2Face(MethodOptions(checkpoint=tmp_path))
    assert loaded.config == SMALL
    assert loaded.provenance["config"]["step"] == 5
    assert torch.equal(
        loaded.net.state_dict()["pix2pixSampler.netG.model.down.0.weight"],
        net.state_dict()["pix2pixSampler.netG.model.down.0.weight"],
    )


def test_missing_weights_name_file_url_and_option(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(ThbenchError) as caught:
        X2Face(MethodOptions())
    for part in (
        AUTHORS_FILE,
        "https://www.robots.ox.ac.uk/~vgg/research/unsup_learn_watch_faces/",
        "--checkpoint x2face=",
    ):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}q\x00.", b"text", b"PK\x05\x06" + bytes(18)])
def test_files_of_something_else_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(ThbenchError, match=r"weights\.pth (cannot be read|holds)") as caught:
        X2Face(MethodOptions(checkpoint=file))
    assert "\n" not in str(caught.value)


def test_a_damaged_zip_is_refused(authors_file: Path, tmp_path: Path) -> None:
    archive = tmp_path / "release.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(authors_file, AUTHORS_FILE)
    content = bytearray(archive.read_bytes())
    content[5000:5100] = bytes(100)
    archive.write_bytes(content)
    with pytest.raises(ThbenchError, match=r"release\.zip is damaged"):
        X2Face(MethodOptions(checkpoint=archive))


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"state_dict": {}, "evil": Evil(str(tmp_path / "ran"))}, file)
    with pytest.raises(ThbenchError):
        X2Face(MethodOptions(checkpoint=file))
    assert not (tmp_path / "ran").exists()


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": build(SMALL).state_dict()}, tmp_path / AUTHORS_FILE)
    with pytest.raises(ThbenchError, match="does not fit this network"):
        X2Face(MethodOptions(checkpoint=tmp_path / AUTHORS_FILE))


def test_a_path_to_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="no X2Face weights at"):
        X2Face(MethodOptions(checkpoint=tmp_path / "no.pth"))
