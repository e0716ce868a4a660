"""The source of landmarks by its name."""

from __future__ import annotations

from pathlib import Path

from thbench.data.landmarks.detector import LandmarkDetector
from thbench.data.landmarks.dlib import DlibLandmarks
from thbench.data.landmarks.face_alignment import FaceAlignmentLandmarks, weights_are_here
from thbench.data.landmarks.imported import ImportedLandmarks
from thbench.errors import ThbenchError


def load_detector(spec: str = "auto", device: str = "cpu") -> LandmarkDetector:
    """The detector named "dlib", "face-alignment", "face-alignment-3d" or "import:DIR".

    "auto" is the first whose files are here of face-alignment-3d (the paper's), face-alignment and
    dlib. Raises `ThbenchError` for an unknown name, a missing package or missing weights.
    """
    name, _, folder = spec.partition(":")
    if name == "auto":
        name = _best_that_is_here(weights_are_here("3D"), weights_are_here("2D"))
    if name == "dlib":
        return DlibLandmarks()
    if name == "face-alignment":
        return FaceAlignmentLandmarks("2D", device)
    if name == "face-alignment-3d":
        return FaceAlignmentLandmarks("3D", device)
    if name == "import" and folder:
        return ImportedLandmarks(Path(folder))
    raise ThbenchError(
        f"no landmark source named {spec!r}: choose auto, dlib, face-alignment, "
        "face-alignment-3d or import:DIR"
    )


def _best_that_is_here(with_3d: bool, with_2d: bool) -> str:
    if with_3d:
        return "face-alignment-3d"
    return "face-alignment" if with_2d else "dlib"
