"""Contact sheets: a page of crops with their landmarks, to judge a dataset by eye."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from thbench.data.dataset import Dataset, Video
from thbench.data.landmarks.image import draw_landmarks
from thbench.errors import ThbenchError
from thbench.files import atomic_path

TILE_PX, GAP_PX, LABEL_PX = 144, 4, 22


def write_contact_sheet(dataset: Dataset, path: Path, per_video: int = 8, videos: int = 40) -> None:
    """Writes a PNG with one row per video (at most `videos`, evenly chosen): `per_video` frames,
    evenly chosen.

    Each row is labelled with person, video, split and number of frames. Raises `ThbenchError` for a
    dataset without videos.
    """
    chosen = [dataset.videos[row] for row in _even(len(dataset.videos), videos)]
    if not chosen:
        raise ThbenchError(f"{dataset.name} holds no videos")

    rows = [_row(dataset, video, per_video) for video in chosen]
    title = f"{dataset.name}: {len(dataset.videos)} videos, {dataset.size_px} pixels"
    header = _label(title, rows[0].shape[1])
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate([header, *rows])).save(temporary, format="PNG")


def _row(dataset: Dataset, video: Video, per_video: int) -> NDArray[np.uint8]:
    positions = _even(video.n_frames, per_video)
    frames = dataset.read(video, positions)
    sheet = np.full((TILE_PX + GAP_PX, per_video * (TILE_PX + GAP_PX), 3), 255, np.uint8)
    for slot, (image, landmarks) in enumerate(zip(frames.images, frames.landmarks, strict=True)):
        left = slot * (TILE_PX + GAP_PX)
        tile = _tile(image.permute(1, 2, 0).numpy(), landmarks.numpy())
        sheet[:TILE_PX, left : left + TILE_PX] = tile

    label = f"{video.key}   {video.split}, {video.n_frames} frame{'s' * (video.n_frames > 1)}"
    return np.concatenate([_label(label, sheet.shape[1]), sheet])


def _tile(image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    scale = TILE_PX / len(image)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(image, (TILE_PX, TILE_PX), interpolation=method)
    tile = np.ascontiguousarray(resized, np.uint8)

    points = np.rint((landmarks + 0.5) * scale - 0.5).astype(np.int32)
    draw_landmarks(tile, points, thickness=1)
    return tile


def _label(words: str, width_px: int) -> NDArray[np.uint8]:
    strip = Image.new("RGB", (width_px, LABEL_PX), "white")
    ImageDraw.Draw(strip).text((2, 4), words, "black", ImageFont.load_default(13))
    return np.asarray(strip)


def _even(count: int, wanted: int) -> list[int]:
    """`wanted` positions among `count`, evenly spread, all of them when there are fewer."""
    taken = min(wanted, count)
    return [int((part + 0.5) * count / taken) for part in range(taken)]
