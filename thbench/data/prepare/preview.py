"""`thbench prepare --dry-run`: what a source holds and what of it cannot be used."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from PIL import Image

from thbench.data.prepare.clips import ClipReader
from thbench.data.prepare.finish import told
from thbench.data.prepare.listing import list_source
from thbench.data.prepare.source import Clip, Dropped, Listing, SourceVideo
from thbench.data.video import VideoError


def preview(layout: str, source: Path, follow_links: bool) -> str:
    """A line for each video that would be taken and for everything unusable, then the counts.

    Videos are opened and their frames counted, pictures are opened and not decoded; faces are not
    looked for. Raises `ThbenchError` as `list_source` does.
    """
    listing = list_source(layout, source, follow_links)
    lines, frames = [], 0
    for video in listing.videos:
        counts = [_frames(listing, video, clip, follow_links) for clip in video.clips]
        lines.append(
            f"take   {video.person}/{video.video}: {sum(counts)} frames in {len(counts)} clips"
        )
        frames += sum(counts)
    lines += [f"leave  {_place(drop)}: {drop.reason}" for drop in listing.dropped]

    reasons = Counter(drop.reason for drop in listing.dropped)
    persons = len({video.person for video in listing.videos})
    lines += [
        f"{persons} persons, {len(listing.videos)} videos, {frames} frames",
        f"left out: {told(dict(reasons.most_common())) or 'nothing'}",
        "nothing was written; faces are looked for when it is prepared",
    ]
    return "\n".join(lines)


def _frames(listing: Listing, video: SourceVideo, clip: Clip, follow_links: bool) -> int:
    """How many frames of a clip can be used; the others are added to the listing's drops."""
    here = Dropped("", video.person, video.video, clip.name)
    try:
        reader = ClipReader(listing.root, clip, follow_links)
    except VideoError as error:
        listing.dropped.append(replace(here, reason=f"video {error.reason}"))
        return 0

    broken = [path for path in reader.pictures if not _opens(listing.root / path)]
    listing.dropped += [
        replace(here, reason="unreadable frame", frame=Path(path).name) for path in broken
    ]
    return reader.n_frames - len(broken)


def _opens(path: Path) -> bool:
    try:
        with Image.open(path):
            return True
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _place(drop: Dropped) -> str:
    return "/".join(part for part in (drop.person, drop.video, drop.clip, drop.frame) if part)
