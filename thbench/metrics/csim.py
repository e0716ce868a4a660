"""Identity: cosine similarity of face descriptors (CSIM) and the identity error built on it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench import weights
from thbench.metrics import arcface, detection, dlib_face
from thbench.metrics.base import MetricCard
from thbench.metrics.formula import IdentityFormula, Scores

if TYPE_CHECKING:
    from thbench.method import Frames


def arcface_to_true(generated: Frames, true: Frames) -> Scores:
    """cos(f(x), f(y)) of each frame and its true one -> [N]. Cannot fail: nothing is detected."""
    return np.asarray(np.sum(_arcface(generated) * _arcface(true), 1, dtype=np.float64))


def arcface_to_shots(generated: Frames, shots: Frames) -> Scores:
    """The mean of cos(f(x), f(y)) over the shots y -> [N]; each by its own landmarks."""
    mean = _arcface(shots).astype(np.float64).mean(0)
    return np.asarray(_arcface(generated).astype(np.float64) @ mean, np.float64)


def identity_error(generated: Frames, shots: Frames) -> Scores:
    """One minus the similarity to the mean descriptor of true frames or shots -> [N]."""
    return np.asarray(1 - arcface_to_shots(generated, shots), np.float64)


def dlib_to_true(generated: Frames, true: Frames) -> Scores:
    """cos(f(x), f(y)) of each frame and its true one -> [N]; NaN where no face is detected in x."""
    scores, faces, ours = _detected(generated)
    if faces.any():
        landmarks = detection.true_landmarks(true)[faces]
        theirs = _unit(dlib_face.descriptors(_channels_last(true)[faces], landmarks))
        scores[faces] = np.sum(ours * theirs, 1)
    return scores


def dlib_to_shots(generated: Frames, shots: Frames) -> Scores:
    """The mean of cos(f(x), f(y)) over the shots y -> [N]; NaN where no face is detected in x."""
    scores, faces, ours = _detected(generated)
    if faces.any():
        landmarks = detection.true_landmarks(shots)
        theirs = _unit(dlib_face.descriptors(_channels_last(shots), landmarks))
        scores[faces] = ours @ theirs.mean(0)
    return scores


def _arcface(frames: Frames) -> NDArray[np.float32]:
    return arcface.arcface_embeddings(_channels_last(frames), frames.landmarks.numpy())


def _detected(generated: Frames) -> tuple[Scores, NDArray[np.bool_], NDArray[np.float64]]:
    """Scores [N] still NaN, which of the frames show a face, and the unit descriptors of those."""
    images = _channels_last(generated)
    found = detection.landmarks(images)
    faces = np.asarray(np.isfinite(found).all((1, 2)), np.bool_)

    ours = np.empty((0, 0))
    if faces.any():
        ours = _unit(dlib_face.descriptors(images[faces], found[faces]))
    return np.full(len(images), np.nan), faces, ours


def _channels_last(frames: Frames) -> NDArray[np.uint8]:
    return frames.images.permute(0, 2, 3, 1).numpy()


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    vectors = np.asarray(vectors, np.float64)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)


_ARCFACE_SETTINGS = {
    "alignment": "similarity transform of landmarks (5 points of iBUG-68) to 112x112: a generated "
    "frame by those that drove it, a real one by its own",
    "detector": "none on generated frames",
}

CSIM = IdentityFormula(
    MetricCard(
        name="csim",
        label="CSIM",
        higher_is_better=True,
        unit="",
        value_range="-1 to 1, 1 for equal frames",
        formula="cos(f(x), f(y)) with f = ArcFace of the aligned crop",
        settings=_ARCFACE_SETTINGS,
        source=(
            "Deng et al., CVPR 2019; alignment by the true frame's landmarks as in Zakharov et "
            "al., ECCV 2020"
        ),
        policy="error",
        network="ArcFace R50 (buffalo_l)",
        compares="identity",
        valid_on="photographs",
    ),
    arcface_to_true,
    arcface_to_shots,
    partial(weights.missing, arcface.WEIGHTS),
)

IDENTITY_ERROR = IdentityFormula(
    MetricCard(
        name="identity-error",
        label="ID error",
        higher_is_better=False,
        unit="",
        value_range="0 to 2",
        formula=(
            "1 - f(x) . mean over the video's true frames of f(y), f = unit ArcFace embedding; the "
            "mean is not normalised again"
        ),
        settings=_ARCFACE_SETTINGS,
        source=(
            "Burkov et al., CVPR 2020 (latent pose descriptors), with alignment by the true "
            "frame's landmarks"
        ),
        policy="error",
        network="ArcFace R50 (buffalo_l)",
        compares="identity",
        valid_on="photographs",
    ),
    identity_error,
    identity_error,
    partial(weights.missing, arcface.WEIGHTS),
)

# Works without a download, and is never printed as CSIM: its cosines lie in a narrow band (about
# 0.95 for one person, 0.81 for two), so no value of it compares with ArcFace.
CSIM_DLIB = IdentityFormula(
    MetricCard(
        name="csim-dlib",
        label="CSIM (dlib)",
        higher_is_better=True,
        unit="",
        value_range="-1 to 1, in practice 0.75 to 1; 0 where a generated frame shows no face",
        formula="cos(f(x), f(y)) with f = dlib's 128-d face descriptor",
        settings={
            "alignment": (
                "each frame by its own detected landmarks to 150x150; a true frame without a "
                "detected face by the dataset's landmarks"
            ),
            "detector": detection.DETECTOR,
        },
        source="King, dlib_face_recognition_resnet_model_v1",
        policy="score-zero",
        network="dlib ResNet",
        stand_in=True,
        compares="identity",
        valid_on="photographs",
    ),
    dlib_to_true,
    dlib_to_shots,
    detection.unavailable,
)
