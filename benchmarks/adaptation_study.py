"""Whose face a driver's landmarks show, with and without --adapt-landmarks, on real clips.

    thbench prepare vox-mp4 CLIPS data --size 224 --frames-per-clip 24 --landmarks dlib
    python benchmarks/adaptation_study.py data [--out benchmarks/results/adaptation.json]

Every clip of a person drives the head of every other person, whose shots are the first 8 frames of
one clip and whose own face is the median of another clip, or of the later half of the only one.
Landmarks are turned to the front by the fit of one 3D face. Distances are of shape alone, after the
best shift and scale, in hundredths of the distance of the outer eye corners.

Since the adaptation itself uses that fit, a second distance does without: of frames that are near
frontal by the place of the nose's tip, laid over each other by the outer eye corners alone.

The floor is the person's own other clip: as far as two clips of one face are apart. The pose is
compared with that of the driver's own landmarks, in degrees; the mouth by the correlation of its
opening over time. Intervals are over persons who are driven, of which there are few.
"""

from __future__ import annotations

import argparse
import json
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from thbench.adaptation import adapted_landmarks
from thbench.data.dataset import Video
from thbench.data.open import open_dataset
from thbench.files import write_json
from thbench.metrics.face_fit import head_pose
from thbench.metrics.statistics import difference_from_zero, video_mean

Floats = NDArray[np.float64]
SHOTS = 8


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()

    dataset = open_dataset(asked.dataset)
    clips = {
        video: dataset.read(video, range(video.n_frames)).landmarks for video in dataset.videos
    }
    people = {
        person: list(own) for person, own in groupby(dataset.videos, key=lambda video: video.person)
    }

    rows: dict[str, list[float]] = {}
    driven: list[str] = []
    for person, own in people.items():
        shots, rest = _shots_and_rest(own, clips)
        true = _neutral(rest, dataset.size_px)
        flat = _flat(rest)
        floors = {
            "shape, floor": _shape_distance(_neutral(shots, dataset.size_px), true),
            "flat shape, floor": _shape_distance(_flat(shots), flat),
        }
        for driver in (video for video in dataset.videos if video.person != person):
            driven.append(person)
            found = _measured(clips[driver], shots, true, flat, dataset.size_px)
            for name, value in (found | floors).items():
                rows.setdefault(name, []).append(value)

    persons = np.array(driven)
    told = {name: _told(np.array(values), persons) for name, values in rows.items()}
    for shape in ("shape", "flat shape"):
        gap = np.array(rows[f"{shape}, adapted"]) - np.array(rows[f"{shape}, as driven"])
        overall = difference_from_zero(video_mean(gap, persons))
        told[f"{shape}, adapted - as driven"] = {
            "value": overall.difference,
            "ci95": list(overall.ci95),
            "better": int((gap < 0).sum()),
        }

    print(json.dumps(told, indent=1))
    if asked.out:
        write_json(asked.out, {"pairs": len(driven), "persons": len(people), "found": told})


def _shots_and_rest(own: list[Video], clips: dict[Video, Tensor]) -> tuple[Tensor, Tensor]:
    """The shots of a person, and frames of another clip (or of later) that are the true face."""
    first = clips[own[0]]
    half = len(first) // 2
    rest = clips[own[1]] if len(own) > 1 else first[half:]
    return first[:SHOTS], rest


def _measured(
    driving: Tensor, shots: Tensor, true: Floats, flat: Floats, size_px: int
) -> dict[str, float]:
    adapted = adapted_landmarks(driving, shots, size_px)
    before, after = (head_pose(points.numpy(), size_px) for points in (driving, adapted))
    openings = [
        (points[:, 66] - points[:, 62]).norm(dim=1).numpy() for points in (driving, adapted)
    ]
    return {
        "shape, as driven": _shape_distance(_neutral(driving, size_px), true),
        "shape, adapted": _shape_distance(_neutral(adapted, size_px), true),
        "flat shape, as driven": _shape_distance(_flat(driving), flat),
        "flat shape, adapted": _shape_distance(_flat(adapted), flat),
        "yaw moved by": float(np.abs(after.yaw - before.yaw).mean()),
        "pitch moved by": float(np.abs(after.pitch - before.pitch).mean()),
        "roll moved by": float(np.abs(after.roll - before.roll).mean()),
        "correlation of mouth opening": float(np.corrcoef(*openings)[0, 1]),
    }


def _neutral(landmarks: Tensor, size_px: int) -> Floats:
    """The median face of these frames from the front, [68, 2]."""
    points = landmarks.numpy()
    return np.asarray(np.median(head_pose(points, size_px).to_front(points), 0)[:, :2])


def _flat(landmarks: Tensor) -> Floats:
    """The median [68, 2] of the third of the frames that are nearest to frontal, the outer eye
    corners at (-0.5, 0) and (0.5, 0).
    """
    points = landmarks.numpy().astype(np.float64)
    left, right = points[:, 36], points[:, 45]
    placed = (
        (points - ((left + right) / 2)[:, None]) @ (1, 1j) / ((right - left) @ (1, 1j))[:, None]
    )
    nearest = np.argsort(np.abs(placed[:, 30].real))[: max(4, len(placed) // 3)]
    face = np.median(placed[nearest].real, 0) + 1j * np.median(placed[nearest].imag, 0)
    return np.stack([face.real, face.imag], 1)


def _shape_distance(face: Floats, true: Floats) -> float:
    """The mean distance of points after the best shift and scale, in hundredths of the distance of
    the outer eye corners.
    """
    a, b = face - face.mean(0), true - true.mean(0)
    scaled = a * (a * b).sum() / (a * a).sum()
    return float(100 * np.linalg.norm(scaled - b, axis=1).mean() / np.linalg.norm(b[36] - b[45]))


def _told(values: Floats, persons: NDArray[np.str_]) -> dict[str, object]:
    estimate = video_mean(values, persons)
    return {"value": estimate.value, "ci95": list(estimate.interval())}


if __name__ == "__main__":
    main()
