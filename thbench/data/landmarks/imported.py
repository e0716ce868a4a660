"""Landmarks that were computed elsewhere, read from files laid out like the source folder.

For the frame `person/video/0000001.jpg` the file is `person/video/0000001.npy`, `.pts` or `.csv`;
for the video `person/video/00001.mp4` it is `person/video/00001.npy` or `.csv`, one row per frame.
Coordinates are pixels of the source frame.

    .npy   [68, 2 or 3] or [frames, 68, 2 or 3]; the third coordinate is left out
    .pts   300-W annotation, whose first pixel is (1, 1)
    .csv   OpenFace output: columns x_0 .. x_67, y_0 .. y_67, and `success` where there is one

Pupils come along where a file has them: as points 68 and 69 of 70 (`.npy` and `.pts`; the order of
OpenPose, the eye of landmarks 36-41 first), or as OpenFace's eye landmarks, columns eye_lmk_x_0 ..
eye_lmk_y_55. A pupil that is NaN is one that lids hide.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thbench.arrays import read_array
from thbench.data.landmarks.detector import Face, FrameKey, Image
from thbench.errors import ThbenchError
from thbench.files import inside


class ImportedLandmarks:
    """One face per frame that has landmarks; a frame without a file, or with NaN, has none."""

    source = "imported"

    def __init__(self, folder: Path) -> None:
        """Raises `ThbenchError` when the folder does not exist."""
        if not folder.is_dir():
            raise ThbenchError(f"{folder} is not a folder of landmark files")
        self.folder = folder
        self.provenance = {"source": self.source}
        self._read = lru_cache(maxsize=4)(_read)

    def detect(self, images: Sequence[Image], keys: Sequence[FrameKey]) -> list[list[Face]]:
        """See `LandmarkDetector.detect`."""
        return [self._faces(key) for key in keys]

    def _faces(self, key: FrameKey) -> list[Face]:
        path = self._file(key.path)
        if path is None:
            return []

        landmarks = self._read(path)
        if key.position >= len(landmarks):
            raise ThbenchError(
                f"{path} holds landmarks of {len(landmarks)} frames, "
                f"frame {key.position} of {key.path} has none: import landmarks of the same video"
            )

        points, pupils = landmarks[key.position, :68], landmarks[key.position, 68:]
        if not np.isfinite(points).all():
            return []
        box = np.concatenate([points.min(0), points.max(0)])
        return [Face(box, points, pupils if len(pupils) else None)]

    def _file(self, source: str) -> Path | None:
        stem = source.rpartition(".")[0]
        candidates = (inside(self.folder, stem + suffix) for suffix in _READERS)
        return next((path for path in candidates if path.is_file()), None)


def _read(path: Path) -> NDArray[np.float32]:
    """float32 [frames, 68 or 70, 2]."""
    try:
        landmarks = _READERS[path.suffix](path)
    except (ValueError, KeyError, TypeError, OSError, EOFError, csv.Error, ThbenchError) as error:
        raise ThbenchError(f"{path} is not a landmark file thbench can read ({error})") from error

    if landmarks.ndim == 2:
        landmarks = landmarks[None]
    if (
        landmarks.ndim != 3
        or landmarks.shape[1] not in (68, 70)
        or landmarks.shape[2] not in (2, 3)
    ):
        raise ThbenchError(
            f"{path} holds an array {list(landmarks.shape)}, not [68, 2] or [frames, 68, 2] (70 "
            "with pupils)"
        )
    return np.ascontiguousarray(landmarks[..., :2], np.float32)


def _read_npy(path: Path) -> NDArray[np.float64]:
    found = read_array(path, "import the landmarks again")
    if found.dtype.kind not in "fiu":
        raise ValueError(f"an array of {found.dtype}")
    return np.asarray(found, np.float64)


def _read_pts(path: Path) -> NDArray[np.float64]:
    text = path.read_text(encoding="utf-8", errors="replace")
    body = text.partition("{")[2].partition("}")[0]
    points = [[float(number) for number in line.split()] for line in body.strip().splitlines()]
    return np.array(points) - 1


def _read_csv(path: Path) -> NDArray[np.float64]:
    frames = []
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.DictReader(file, skipinitialspace=True)
        eyes = len(_EYES) if "eye_lmk_x_0" in (rows.fieldnames or ()) else 0
        for row in rows:
            if float(row.get("success", 1)) > 0:
                face = [_point(row, "", number) for number in range(68)]
                frames.append(face + [_pupil(row, eye) for eye in _EYES[:eyes]])
            else:
                frames.append([[np.nan, np.nan]] * (68 + eyes))
    return np.array(frames)


# OpenFace's 28 landmarks of the eye on the left of the image, then of the other; the first 8 of
# each lie on the iris, and the pupil is their mean.
_EYES = (range(8), range(28, 36))


def _pupil(row: Mapping[str, str], iris: range) -> list[float]:
    points = np.array([_point(row, "eye_lmk_", number) for number in iris])
    return [float(value) for value in points.mean(axis=0)]


def _point(row: Mapping[str, str], part: str, number: int) -> list[float]:
    return [float(row[f"{part}x_{number}"]), float(row[f"{part}y_{number}"])]


_READERS = {".npy": _read_npy, ".pts": _read_pts, ".csv": _read_csv}
