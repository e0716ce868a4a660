"""From the videos of one shard to its frames: read, find faces, crop, encode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from thbench.data.landmarks.detector import Face, LandmarkDetector
from thbench.data.prepare.clips import ClipReader, SourceFrame, sampled_positions
from thbench.data.prepare.crop import (
    CropPolicy,
    Square,
    crop_squares,
    cut,
    moved,
    share_outside,
)
from thbench.data.prepare.source import Clip, Dropped, SourceVideo
from thbench.data.store.format import IN_VIDEOS_SCHEMA
from thbench.data.store.shards import ShardWriter, commit_shard, shard_path
from thbench.data.video import VideoError
from thbench.data.video_seek import frame_places
from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_file, sha256_json

VOX1_FRAMES_PER_SECOND = 25  # VoxCeleb1 names each frame by its number in the video
_FRAMES_AT_ONCE = 32  # held in memory for a batched detector
_SAME_NAME = "another frame has the same name but for its suffix"


@dataclass(frozen=True)
class Recipe:
    """How frames are made. fps and frames_per_clip choose among the source's frames; None takes all
    of them.

    margin is the side of a per-frame or per-clip crop in extents of the landmarks. max_outside is
    the share of its landmarks that may lie outside a frame; a quarter is the whole jaw line.
    quality is JPEG's; lossless is PNG. in_videos: frames are not written, they stay in the videos
    of the source and are decoded when they are read.
    """

    layout: str
    size_px: int = 256
    crop: CropPolicy = "as-is"
    margin: float = 2.0
    max_outside: float = 0.25
    landmarks: str = "auto"
    fps: float | None = None
    frames_per_clip: int | None = None
    quality: int = 95
    lossless: bool = False
    follow_links: bool = False
    in_videos: bool = False

    def record(self) -> dict[str, Any]:
        """As plan.json and dataset.json hold it: stores of before `in_videos` stay the same."""
        written = asdict(self)
        if not self.in_videos:
            del written["in_videos"]
        return written


@dataclass(frozen=True)
class _Found:
    """A frame with a face. size: height and width of its image; faces: how many it shows.

    face is the largest of them.
    """

    name: str
    position: int
    size: tuple[int, int]
    faces: int
    face: Face


def prepare_shard(
    root: Path,
    out: Path,
    shard: int,
    videos: Sequence[SourceVideo],
    recipe: Recipe,
    detector: LandmarkDetector,
) -> int:
    """Makes one shard, whole or not at all, and returns its number of frames.

    Clips that cannot be read and frames without a face are left out and listed. Raises
    `ThbenchError` when the output cannot be written.
    """
    if recipe.in_videos:
        return _shard_in_videos(root, out, shard, videos, recipe, detector)

    dropped: list[Dropped] = []
    path = shard_path(out, shard)
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        writer = ShardWriter(file, shard)
        for video in videos:
            for clip in video.clips:
                for encoded, row in _clip_frames(root, video, clip, recipe, detector, dropped):
                    writer.add(encoded, ".png" if recipe.lossless else ".jpg", row)
        sha256 = writer.close()

    commit_shard(out, shard, writer.rows, dropped, sha256)
    return len(writer.rows)


def _shard_in_videos(
    root: Path,
    out: Path,
    shard: int,
    videos: Sequence[SourceVideo],
    recipe: Recipe,
    detector: LandmarkDetector,
) -> int:
    """`prepare_shard` for frames that stay where they are: rows that say so, and no tar."""
    dropped: list[Dropped] = []
    rows = []
    for video in videos:
        for clip in video.clips:
            found = _clip_rows(root, video, clip, recipe, detector, dropped)
            if not found:
                continue
            file = root / clip.path
            places = frame_places(file)
            of_file = {
                "shard": shard,
                "path": clip.path,
                "file_bytes": file.stat().st_size,
                "file_sha256": sha256_file(file),
            }
            for frame, _, row in found:
                place = places[frame.position]
                where = {"pts": place.pts, "key_pts": place.key_pts}
                rows.append({**row, **of_file, "position": frame.position, **where})

    commit_shard(out, shard, rows, dropped, made_of_sha256(rows, recipe.size_px), IN_VIDEOS_SCHEMA)
    return len(rows)


def made_of_sha256(rows: Iterable[Mapping[str, Any]], size_px: int) -> str:
    """The digest of what frames that stay in videos are made of: the files, places and crops."""
    made = [[row["file_sha256"], row["position"], list(row["crop"])] for row in rows]
    return sha256_json([size_px, made])


def _clip_frames(
    root: Path,
    video: SourceVideo,
    clip: Clip,
    recipe: Recipe,
    detector: LandmarkDetector,
    dropped: list[Dropped],
) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """(encoded frame, its row) for each frame of a clip that has a face. The clip is read twice,
    never held whole.
    """
    found = _clip_rows(root, video, clip, recipe, detector, dropped)
    if not found:
        return

    reader = ClipReader(root, clip, recipe.follow_links)
    images = reader.read([frame.position for frame, _, _ in found])
    for (_, square, row), source in zip(found, images, strict=True):
        if source.image is None:
            raise ThbenchError(
                f"{root / source.key.path} changed while it was read: run the same command again"
            )
        yield _encode(cut(source.image, square, recipe.size_px), recipe), row


def _clip_rows(
    root: Path,
    video: SourceVideo,
    clip: Clip,
    recipe: Recipe,
    detector: LandmarkDetector,
    dropped: list[Dropped],
) -> list[tuple[_Found, Square, dict[str, Any]]]:
    """(frame, what is cut from it, its row) for each frame of a clip that has a face."""
    here = Dropped("", video.person, video.video, clip.name)
    lost: list[Dropped] = []

    try:
        reader = ClipReader(root, clip, recipe.follow_links)
        positions = sampled_positions(
            reader.n_frames, reader.times_s, recipe.fps, recipe.frames_per_clip
        )
        found = list(_faces(reader, positions, detector, here, lost))
    except VideoError as error:
        dropped.append(replace(here, reason=f"video {error.reason}"))
        return []

    dropped += lost
    sizes, faces = [frame.size for frame in found], [frame.face for frame in found]
    try:
        squares = crop_squares(recipe.crop, sizes, faces, recipe.margin)
    except ThbenchError as error:
        raise ThbenchError(f"{root / clip.path}: {error}") from None

    kept = []
    for frame, square in zip(found, squares, strict=True):
        box = moved(frame.face.box.reshape(2, 2), square, recipe.size_px)
        landmarks = moved(frame.face.landmarks, square, recipe.size_px)
        if share_outside(landmarks, recipe.size_px) > recipe.max_outside:
            dropped.append(replace(here, reason="face outside its crop", frame=frame.name))
            continue

        row = {
            "person": video.person,
            "video": video.video,
            "clip": clip.name,
            "frame": frame.name,
            "crop": [square.left, square.top, square.side],
            "box": box.reshape(-1),
            "faces": frame.faces,
            "landmarks": landmarks.reshape(-1),
            "landmark_source": detector.source,
            "time_s": _time_s(recipe, reader, frame),
            "pupils": _pupils(frame.face, square, recipe.size_px),
        }
        kept.append((frame, square, row))
    return kept


def _time_s(recipe: Recipe, reader: ClipReader, frame: _Found) -> float | None:
    """When a frame was recorded, since the start of its clip; None where nobody knows."""
    if reader.times_s is not None:
        return float(reader.times_s[frame.position])
    if recipe.layout == "vox1-frames" and frame.name.isdecimal():
        return int(frame.name) / VOX1_FRAMES_PER_SECOND
    return None


def _pupils(face: Face, square: Square, size_px: int) -> NDArray[np.float32] | None:
    """The pupils [4] in the cut frame; None where the source of landmarks knows none."""
    return None if face.pupils is None else moved(face.pupils, square, size_px).reshape(-1)


def _faces(
    reader: ClipReader,
    positions: Sequence[int],
    detector: LandmarkDetector,
    here: Dropped,
    lost: list[Dropped],
) -> Iterator[_Found]:
    """The frames that show a face; the others are added to `lost`."""
    names: set[str] = set()
    for chunk in _chunks(zip(positions, reader.read(positions), strict=True)):
        usable = []
        for position, source in chunk:
            if source.image is None:
                lost.append(replace(here, reason="unreadable frame", frame=source.name))
            elif source.name in names:
                lost.append(replace(here, reason=_SAME_NAME, frame=source.name))
            else:
                names.add(source.name)
                usable.append((position, source, source.image))

        images, keys = [image for _, _, image in usable], [source.key for _, source, _ in usable]
        detected = detector.detect(images, keys)
        for (position, source, image), faces in zip(usable, detected, strict=True):
            if faces:
                size = (image.shape[0], image.shape[1])
                yield _Found(source.name, position, size, len(faces), faces[0])
            else:
                lost.append(replace(here, reason="no face found", frame=source.name))


def _chunks(items: Iterable[tuple[int, SourceFrame]]) -> Iterator[list[tuple[int, SourceFrame]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, _FRAMES_AT_ONCE)):
        yield chunk


def _encode(image: NDArray[np.uint8], recipe: Recipe) -> bytes:
    bgr = np.ascontiguousarray(image[..., ::-1])
    if recipe.lossless:
        return bytes(cv2.imencode(".png", bgr)[1])
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, recipe.quality])[1])
