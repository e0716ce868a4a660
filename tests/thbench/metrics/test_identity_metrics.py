"""CSIM, identity error and the dlib stand-in: alignment and embedding against insightface, and real
faces.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from thbench.method import Frames
from thbench.metrics import arcface, detection
from thbench.metrics.arcface import TEMPLATE, aligned_face, five_points, similarity
from thbench.metrics.csim import CSIM, CSIM_DLIB, IDENTITY_ERROR

FACES = Path(__file__).parents[4] / "shared/data/vox1-sample/unzippedFaces"
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason="the real sample is not here")


def face_landmarks(shift_px: float = 0) -> NDArray[np.float32]:
    """68 points whose five are the template, scaled to a 224 frame."""
    points = np.full((68, 2), 112, np.float32)
    points[36:42], points[42:48], points[30], points[48], points[54] = TEMPLATE * 2
    return points + np.float32(shift_px)


@pytest.fixture
def recogniser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in network in place of the real file: average pooling to 7x7, so that place and
    colour both count.
    """
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("AveragePool", ["x"], ["pooled"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["pooled"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", floats, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("y", floats, ["n", 147])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "toy.onnx"
    onnx.save(model, path)
    monkeypatch.setattr(arcface, "weight_path", lambda name: path)
    monkeypatch.setattr(arcface, "_CACHE", arcface.FrameCache())
    return path


def noise(seed: int, n: int = 3) -> Tensor:
    small = torch.rand(n, 3, 14, 14, generator=torch.Generator().manual_seed(seed))
    return (
        (torch.nn.functional.interpolate(small, size=224, mode="bilinear") * 255)
        .round()
        .to(torch.uint8)
    )


def test_similarity_undoes_a_known_rotation_scale_and_shift() -> None:
    angle, scale, shift = 0.3, 1.7, np.array([5.0, -3.0])
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = similarity(TEMPLATE, TEMPLATE @ rotation.T + shift)
    np.testing.assert_allclose(found, np.column_stack([rotation, shift]), atol=1e-10)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_alignment_equals_insightface() -> None:
    face_align = pytest.importorskip("insightface.utils.face_align")
    image = noise(0)[0].permute(1, 2, 0).numpy().copy()
    landmarks = face_landmarks() + np.random.default_rng(0).normal(0, 5, (68, 2)).astype(np.float32)
    expected = face_align.norm_crop(image, five_points(landmarks).astype(np.float32))
    difference = np.abs(aligned_face(image, landmarks).astype(int) - expected.astype(int))
    assert difference.max() <= 1, (
        "interpolation weights are rounded to 1/32 pixel, so one grey level may differ"
    )


def test_embedding_equals_insightface(recogniser: Path) -> None:
    model_zoo = pytest.importorskip("insightface.model_zoo.arcface_onnx")
    images = noise(0).permute(0, 2, 3, 1).numpy()
    landmarks = np.stack([face_landmarks()] * 3)
    ours = arcface.arcface_embeddings(images, landmarks)
    crops = [
        np.ascontiguousarray(aligned_face(image, face_landmarks())[..., ::-1]) for image in images
    ]
    theirs = model_zoo.ArcFaceONNX(str(recogniser)).get_feat(crops)
    np.testing.assert_allclose(
        ours, theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.usefixtures("recogniser")
def test_csim_is_one_for_equal_frames_and_the_cosine_otherwise() -> None:
    real = Frames(noise(0), torch.from_numpy(np.stack([face_landmarks()] * 3)))
    assert CSIM.score(real.images, real) == pytest.approx(1)
    negative = CSIM.score(255 - real.images, real)
    assert negative == pytest.approx(-1, abs=1e-3), (
        "the input is centred, so a negative has the opposite embedding"
    )


@pytest.mark.usefixtures("recogniser")
def test_both_frames_are_aligned_by_the_true_frame() -> None:
    """A face rendered elsewhere is penalised: the generated frame is cut where the true face is."""
    real = Frames(noise(0), torch.from_numpy(np.stack([face_landmarks()] * 3)))
    moved = torch.roll(real.images, 40, dims=3)
    assert (CSIM.score(moved, real) < 0.9).all()


@pytest.mark.usefixtures("recogniser")
def test_identity_error_is_against_the_mean_of_the_true_frames_not_normalised() -> None:
    real = Frames(noise(0), torch.from_numpy(np.stack([face_landmarks()] * 3)))
    unit = arcface.arcface_embeddings(
        real.images.permute(0, 2, 3, 1).numpy(), real.landmarks.numpy()
    )
    expected = [1 - np.mean([u @ v for v in unit]) for u in unit]
    assert IDENTITY_ERROR.score(real.images, real) == pytest.approx(expected, abs=1e-6)


def test_without_the_weights_csim_says_what_to_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("THBENCH_CACHE", "TORCH_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for metric in (CSIM, IDENTITY_ERROR):
        assert "thbench weights fetch arcface-buffalo-l" in (metric.unavailable() or "")


def test_network_runs_once_per_frame(recogniser: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []
    embed = arcface._embed
    monkeypatch.setattr(
        arcface,
        "_embed",
        lambda session, crops: (rows.append(len(crops)), embed(session, crops))[1],
    )
    real = Frames(noise(0), torch.from_numpy(np.stack([face_landmarks()] * 3)))
    CSIM.score(noise(1), real)
    CSIM.score(noise(2), real)
    IDENTITY_ERROR.score(noise(1), real)
    assert rows == [3, 3, 3], "true frames once, each generated set once"


def real_frames(person: str, size_px: int) -> Frames:
    files = sorted((FACES / person).rglob("*.jpg"))[:3]
    images = np.stack(
        [
            cv2.resize(cv2.imread(str(file)), (size_px, size_px), interpolation=cv2.INTER_AREA)[
                ..., ::-1
            ]
            for file in files
        ]
    )
    return Frames(
        torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
        torch.from_numpy(detection.landmarks(np.ascontiguousarray(images))),
    )


@needs_faces
@pytest.mark.parametrize("size_px", [256, 64])
def test_dlib_prefers_the_same_person(size_px: int) -> None:
    capaldi, swift = real_frames("Peter_Capaldi", size_px), real_frames("Taylor_Swift", size_px)
    metric = CSIM_DLIB
    same = metric.score(capaldi[[1, 2, 0]].images, capaldi)
    other = metric.score(swift.images, capaldi)
    assert metric.score(capaldi.images, capaldi) == pytest.approx(1)
    assert same.min() > other.max() + 0.02


@needs_faces
def test_dlib_marks_a_frame_without_a_face_as_failed() -> None:
    real = real_frames("Peter_Capaldi", 128)
    generated = real.images.clone()
    generated[1] = 0
    scores = CSIM_DLIB.score(generated, real)
    assert np.isnan(scores).tolist() == [False, True, False]
    assert CSIM_DLIB.card.policy == "score-zero"
    assert CSIM_DLIB.card.stand_in
