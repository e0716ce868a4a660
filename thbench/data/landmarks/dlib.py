"""dlib's HOG face detector and 68-point shape predictor: offline, from a package's model file.

The 68-point model was trained on iBUG 300-W, which excludes commercial use.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from thbench.data.landmarks.detector import (
    Face,
    FrameKey,
    Image,
    detection_scale,
    largest_first,
    scaled,
    unscaled,
)
from thbench.errors import ThbenchError
from thbench.files import sha256_file

FILE = "shape_predictor_68_face_landmarks.dat"


class DlibLandmarks:
    """Detects on the image resized to a short side of at least 256 pixels, and once more at twice
    that size where nothing was found.
    """

    source = "dlib"

    def __init__(self) -> None:
        """Raises `ThbenchError` when dlib or the model file is missing."""
        try:
            import dlib
        except ImportError:
            raise ThbenchError("the package dlib is missing: `pip install dlib-bin`") from None
        path = model_file(FILE)
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(path))
        self.provenance = {
            "source": self.source,
            "version": dlib.__version__,
            "file": FILE,
            "sha256": sha256_file(path),
            "licence": "trained on iBUG 300-W: non-commercial",
        }

    def detect(self, images: Sequence[Image], keys: Sequence[FrameKey]) -> list[list[Face]]:
        """See `LandmarkDetector.detect`."""
        return [self._faces(image) for image in images]

    def _faces(self, image: Image) -> list[Face]:
        small = scaled(image, detection_scale(*image.shape[:2]))
        boxes = self._detector(small, 0) or self._detector(small, 1)
        faces = []
        for box in boxes:
            shape = self._predictor(small, box)
            points = np.array([(point.x, point.y) for point in shape.parts()], np.float32)
            corners = np.array([(box.left(), box.top()), (box.right(), box.bottom())], np.float32)
            edges = unscaled(corners, small, image).reshape(4)
            faces.append(Face(edges, unscaled(points, small, image)))
        return largest_first(faces)


def model_file(name: str) -> Path:
    """A model file of the package face_recognition_models. Raises `ThbenchError` when it is not
    installed.
    """
    # Found by path: importing the package needs pkg_resources, which new Pythons no longer bring.
    spec = find_spec("face_recognition_models")
    folders = list(spec.submodule_search_locations or []) if spec else []
    path = Path(folders[0]) / "models" / name if folders else None
    if path is None or not path.is_file():
        raise ThbenchError(f"{name} is missing: `pip install face_recognition_models`")
    return path
