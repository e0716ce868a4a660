"""Identity: cosine similarity of face descriptors (CSIM) and the identity error built on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench import weights
from thbench.metrics import arcface, detection, dlib_face
from thbench.metrics.base import MetricCard

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

_ARCFACE_SETTINGS = {
    "alignment": "similarity transform of landmarks (5 points of iBUG-68) to 112x112: a generated "
    "frame by those that drove it, a real one by its own",
    "detector": "none on generated frames",
}


class CSIM:
    """Cosine similarity of ArcFace embeddings of a generated frame and the true one."""

    card = MetricCard(
        name="csim",
        label="CSIM",
        higher_is_better=True,
        unit="",
        value_range="-1 to 1, 1 for equal frames",
        formula="cos(f(x), f(y)) with f = ArcFace of the aligned crop",
        settings=_ARCFACE_SETTINGS,
        source="Deng et al., CVPR 2019; alignment by the true frame's landmarks as in Zakharov et al., ECCV 2020",
        policy="error",
        network="ArcFace R50 (buffalo_l)",
        compares="identity",
        valid_on="photographs",
    )

    def __init__(self, device: str = "cpu") -> None:
        """`device` is ignored: onnxruntime runs on the CPU, where the result is reproducible."""

    def unavailable(self) -> str | None:
        return weights.missing(arcface.WEIGHTS)

    def score(self, generated: Tensor, real: Frames) -> NDArray[np.float64]:
        """uint8 [N, 3, H, W] against the true frames -> [N]. Cannot fail on a frame: nothing is
        detected.
        """
        ours, true = _embedded(generated, real.landmarks), _embedded(real.images, real.landmarks)
        return np.asarray(np.sum(ours * true, 1, dtype=np.float64), np.float64)

    def score_identity(self, generated: Frames, shots: Frames) -> NDArray[np.float64]:
        """The mean cosine between a frame and the shots -> [N]; each is aligned by its own
        landmarks.
        """
        ours, theirs = (
            _embedded(generated.images, generated.landmarks),
            _embedded(shots.images, shots.landmarks),
        )
        return np.asarray(ours.astype(np.float64) @ theirs.astype(np.float64).mean(0), np.float64)


class IdentityError:
    """One minus the similarity of a generated frame to the mean descriptor of the person's true
    frames.
    """

    card = MetricCard(
        name="identity-error",
        label="ID error",
        higher_is_better=False,
        unit="",
        value_range="0 to 2",
        formula="1 - f(x) . mean over the video's true frames of f(y), f = unit ArcFace embedding; the mean is not "
        "normalised again",
        settings=_ARCFACE_SETTINGS,
        source="Burkov et al., CVPR 2020 (latent pose descriptors), with alignment by the true frame's landmarks",
        policy="error",
        network="ArcFace R50 (buffalo_l)",
        compares="identity",
        valid_on="photographs",
    )

    def __init__(self, device: str = "cpu") -> None:
        """`device` is ignored, as in `CSIM`."""

    def unavailable(self) -> str | None:
        return weights.missing(arcface.WEIGHTS)

    def score(self, generated: Tensor, real: Frames) -> NDArray[np.float64]:
        """uint8 [N, 3, H, W] against the true frames of one video -> [N]."""
        return self.score_identity(_with_landmarks(generated, real), real)

    def score_identity(self, generated: Frames, shots: Frames) -> NDArray[np.float64]:
        """One minus the similarity to the mean descriptor of the shots -> [N]."""
        ours, theirs = (
            _embedded(generated.images, generated.landmarks),
            _embedded(shots.images, shots.landmarks),
        )
        return np.asarray(
            1 - ours.astype(np.float64) @ theirs.astype(np.float64).mean(0), np.float64
        )


class CSIMDlib:
    """Cosine similarity of dlib's face descriptors: works without a download, and is never printed
    as CSIM.

    Its cosines lie in a narrow band (about 0.95 for one person, 0.81 for two), so no value of it
    compares with ArcFace.
    """

    card = MetricCard(
        name="csim-dlib",
        label="CSIM (dlib)",
        higher_is_better=True,
        unit="",
        value_range="-1 to 1, in practice 0.75 to 1; 0 where a generated frame shows no face",
        formula="cos(f(x), f(y)) with f = dlib's 128-d face descriptor",
        settings={
            "alignment": "each frame by its own detected landmarks to 150x150; a true frame without a detected "
            "face by the dataset's landmarks",
            "detector": detection.DETECTOR,
        },
        source="King, dlib_face_recognition_resnet_model_v1",
        policy="score-zero",
        network="dlib ResNet",
        stand_in=True,
        compares="identity",
        valid_on="photographs",
    )

    def __init__(self, device: str = "cpu") -> None:
        """`device` is ignored: dlib runs on the CPU."""

    def unavailable(self) -> str | None:
        return detection.unavailable()

    def score(self, generated: Tensor, real: Frames) -> NDArray[np.float64]:
        """uint8 [N, 3, H, W] against the true frames -> [N]; NaN where no face is detected in the
        generated frame.
        """
        ours, true = generated.permute(0, 2, 3, 1).numpy(), real.images.permute(0, 2, 3, 1).numpy()
        found = detection.landmarks(ours)
        scores = np.full(len(ours), np.nan)
        faces = np.isfinite(found).all((1, 2))
        if faces.any():
            a = dlib_face.descriptors(ours[faces], found[faces])
            b = dlib_face.descriptors(true[faces], detection.true_landmarks(real)[faces])
            scores[faces] = np.sum(_unit(a) * _unit(b), 1)
        return scores

    def score_identity(self, generated: Frames, shots: Frames) -> NDArray[np.float64]:
        """The mean cosine between a frame and the shots -> [N]; NaN where no face is detected in
        the frame.
        """
        ours, theirs = (frames.images.permute(0, 2, 3, 1).numpy() for frames in (generated, shots))
        found = detection.landmarks(ours)
        scores = np.full(len(ours), np.nan)
        faces = np.isfinite(found).all((1, 2))
        if faces.any():
            mean = _unit(dlib_face.descriptors(theirs, detection.true_landmarks(shots))).mean(0)
            scores[faces] = _unit(dlib_face.descriptors(ours[faces], found[faces])) @ mean
        return scores


def _embedded(images: Tensor, landmarks: Tensor) -> NDArray[np.float32]:
    return arcface.arcface_embeddings(images.permute(0, 2, 3, 1).numpy(), landmarks.numpy())


def _with_landmarks(generated: Tensor, real: Frames) -> Frames:
    from thbench.method import Frames

    return Frames(generated, real.landmarks)


def _unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    vectors = np.asarray(vectors, np.float64)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float64)
