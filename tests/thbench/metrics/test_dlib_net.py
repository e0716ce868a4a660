"""dlib's network in torch gives dlib's own descriptors, and a damaged file is refused."""

import dlib
import numpy as np
import pytest
import torch
from PIL import Image
from support.prepared_samples import VOX1

from thbench.data.landmarks.dlib import model_file
from thbench.errors import ThbenchError
from thbench.metrics import detection
from thbench.metrics.dlib_face import FILE, descriptors
from thbench.metrics.dlib_net import load_dlib_net


@pytest.fixture(scope="module")
def frames():
    """A frame each of four videos, uint8 RGB [256, 256, 3]."""
    if not VOX1.is_dir():
        pytest.skip(f"{VOX1} is not there")
    folders = sorted({file.parent for file in VOX1.rglob("*.jpg")})
    pictures = [Image.open(min(folder.glob("*.jpg"))) for folder in folders[:4]]
    # At this size nothing is enlarged before a face is aligned.
    return [np.array(picture.resize((256, 256))) for picture in pictures]


def test_descriptors_are_dlibs(frames):
    theirs = dlib.face_recognition_model_v1(str(model_file(FILE)))
    for frame in frames:
        landmarks = detection.landmarks(frame[None])
        points = [dlib.point(x, y) for x, y in np.rint(landmarks[0]).astype(int).tolist()]
        box = dlib.rectangle(0, 0, 1, 1)  # only the points decide
        face = dlib.full_object_detection(box, points)

        ours = descriptors(frame[None], np.rint(landmarks))
        np.testing.assert_allclose(
            ours[0], np.array(theirs.compute_face_descriptor(frame, face)), atol=1e-5
        )


def test_any_picture_is_described_as_dlib_does():
    theirs = dlib.face_recognition_model_v1(str(model_file(FILE)))
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    ours = load_dlib_net(model_file(FILE))(noise)
    np.testing.assert_allclose(ours, np.array(theirs.compute_face_descriptor(noise)), atol=1e-5)


def test_the_last_map_has_the_size_of_the_descriptor():
    assert load_dlib_net(model_file(FILE)).last.shape == torch.Size([256, 128])


@pytest.mark.parametrize(
    ("kept", "reason"), [(0, "no layer con_4"), (1000, "ends too early"), (300_000, "ends too")]
)
def test_a_cut_file_is_refused_with_the_remedy(tmp_path, kept, reason):
    cut = tmp_path / "cut.dat"
    cut.write_bytes(model_file(FILE).read_bytes()[:kept])
    with pytest.raises(ThbenchError, match=reason) as error:
        load_dlib_net(cut)
    assert "pip install" in str(error.value)


def test_another_network_is_refused(tmp_path):
    other = bytearray(model_file(FILE).read_bytes())
    size = other.index(b"con_4") + len("con_4") + 2  # behind the version: length and bytes
    other[size + 1] ^= 1
    file = tmp_path / "other.dat"
    file.write_bytes(bytes(other))
    with pytest.raises(ThbenchError, match="numbers where 4736 should be"):
        load_dlib_net(file)
