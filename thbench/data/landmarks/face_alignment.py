"""face-alignment, the paper's choice: S3FD detects, the FAN of Bulat and Tzimiropoulos aligns.

The paper draws "3D face landmarks" (its Figure 6): points of a 3D face, projected into the image.
They differ from 2D landmarks on the far cheek of a turned head, which 2D landmarks follow along
the visible contour.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
from thbench.weights import find, missing, weight_file, weight_path, weight_sha256

Kind = Literal["2D", "3D"]
WEIGHTS: dict[Kind, tuple[str, str]] = {"2D": ("fan-2d", "s3fd"), "3D": ("fan-3d", "s3fd")}
SOURCES: dict[Kind, str] = {"2D": "face-alignment", "3D": "face-alignment-3d"}
BATCH = 16


def weights_are_here(kind: Kind) -> bool:
    """Whether both weight files of a kind of landmarks lie where face-alignment looks for them."""
    return all(find(weight_file(name)) for name in WEIGHTS[kind])


class FaceAlignmentLandmarks:
    """Landmarks of face-alignment, without its mirrored second pass and without torch.compile.

    kind "3D" is the projection of 3D landmarks into the image; their depth is not computed.
    """

    def __init__(self, kind: Kind = "2D", device: str = "cpu") -> None:
        """Raises `ThbenchError` naming the weight files that are missing; nothing is downloaded."""
        faults = [fault for fault in map(missing, WEIGHTS[kind]) if fault]
        if faults:
            raise ThbenchError(
                f"{'; '.join(faults)}; or choose --landmarks dlib, which needs no download"
            )
        import face_alignment

        self.source = SOURCES[kind]
        types = face_alignment.LandmarksType
        self._fan = face_alignment.FaceAlignment(
            types.TWO_D if kind == "2D" else types.TWO_HALF_D,
            device=device,
            flip_input=False,
            compile=False,
            face_detector="sfd",
            face_detector_kwargs={"path_to_detector": str(weight_path("s3fd"))},
        )
        self.provenance = {
            "source": self.source,
            "version": getattr(face_alignment, "__version__", ""),
            "type": kind,
            "detector": "sfd",
            "flip_input": False,
            "sha256": {name: weight_sha256(name) for name in WEIGHTS[kind]},
        }

    def detect(self, images: Sequence[Image], keys: Sequence[FrameKey]) -> list[list[Face]]:
        """See `LandmarkDetector.detect`. Boxes and landmarks are computed in batches."""
        small = [scaled(image, detection_scale(*image.shape[:2])) for image in images]
        boxes = self._boxes(small)
        pairs = [(image, box) for image, own in zip(small, boxes, strict=True) for box in own]
        points = iter(self.landmarks(pairs))

        detected = []
        for image, mini, own in zip(images, small, boxes, strict=True):
            faces = []
            for box in own:
                edges = unscaled(box[:4].reshape(2, 2), mini, image).reshape(4)
                faces.append(Face(edges, unscaled(next(points), mini, image)))
            detected.append(largest_first(faces))
        return detected

    def landmarks(
        self, faces: Sequence[tuple[Image, NDArray[np.float32]]]
    ) -> list[NDArray[np.float32]]:
        """float32 [68, 2] of each (image, box): face-alignment's own crops and read-out around one
        batched forward.

        The library itself runs its network once per image.
        """
        import torch
        from face_alignment.utils import crop, get_preds_fromhm

        found: list[NDArray[np.float32]] = []
        for chunk in _batched(faces):
            windows = [self._window(box) for _, box in chunk]
            crops = [
                crop(image, centre, scale)
                for (image, _), (centre, scale) in zip(chunk, windows, strict=True)
            ]
            batch = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)
            with torch.no_grad():
                maps = self._fan.face_alignment_net(batch.to(self._fan.device, torch.float32) / 255)

            last = maps[-1] if isinstance(maps, list) else maps
            for heatmap, (centre, scale) in zip(last.cpu().float().numpy(), windows, strict=True):
                _, points = get_preds_fromhm(heatmap[None], centre, scale)[:2]
                found.append(points.reshape(68, 2).astype(np.float32))
        return found

    def _boxes(self, images: Sequence[Image]) -> list[list[NDArray[np.float32]]]:
        """S3FD boxes of each image, float32 [5], the score last; images of a size in one batch."""
        import torch

        found: list[list[NDArray[np.float32]]] = []
        for _, same in itertools.groupby(images, key=lambda image: image.shape):
            for chunk in _batched(list(same)):
                batch = torch.from_numpy(np.stack(chunk)).permute(0, 3, 1, 2)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # it warns of every image without a face
                    found += [
                        [np.asarray(box, np.float32) for box in boxes]
                        for boxes in self._fan.face_detector.detect_from_batch(batch)
                    ]
        return found

    def _window(self, box: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
        """(centre, scale) of FAN's square, as in its training: the box's, moved up by 12 %."""
        left, top, right, bottom = (float(edge) for edge in box[:4])
        # In this order of operations: FAN's crop truncates to whole pixels, so the last bit can
        # count.
        centre = np.array(
            [right - (right - left) / 2, bottom - (bottom - top) / 2 - (bottom - top) * 0.12]
        )
        return centre, (right - left + bottom - top) / self._fan.face_detector.reference_scale


def _batched(items: Sequence[Any]) -> list[Sequence[Any]]:
    return [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
