"""Lists a source folder in one of the layouts, with a reason for everything that is not taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from thbench.data.prepare.layouts import LAYOUTS
from thbench.data.prepare.source import (
    IMAGE_SUFFIXES,
    LINK_LEAVES,
    VIDEO_SUFFIXES,
    Clip,
    Dropped,
    Folder,
    Listing,
    SourceVideo,
)
from thbench.errors import ThbenchError


def list_source(layout: str, source: Path, follow_links: bool = False) -> Listing:
    """Lists `source` in one of `LAYOUTS`; no frame is opened.

    Whatever is not taken is listed as dropped, with its reason: names with control characters,
    files of other kinds or in other places, and, unless `follow_links`, links that leave the
    folder. Hidden files are passed over. Raises `ThbenchError` for an unknown layout, a missing
    folder, and a folder without a single video of that layout, saying what might be meant.
    """
    if layout not in LAYOUTS:
        raise ThbenchError(f"no layout named {layout!r}: choose {', '.join(LAYOUTS)}")
    if not source.is_dir():
        raise ThbenchError(
            f"{source} is not a folder: name the folder that holds the {layout} dataset"
        )

    chosen = LAYOUTS[layout]
    inner = source / chosen.inner
    root = (inner if chosen.inner and inner.is_dir() else source).resolve()
    listing = Listing(root)
    found: dict[tuple[str, str], SourceVideo] = {}
    clips: list[Clip] = []
    for video in chosen.videos(Folder(root, root, listing.dropped, follow_links)):
        clips += video.clips
        _add(found, video, listing.dropped)
    if not found:
        raise ThbenchError(_nothing_found(source, layout, listing))

    listing.videos = [found[key] for key in sorted(found)]
    listing.dropped += _not_taken(root, clips, follow_links)
    return listing


def _add(
    found: dict[tuple[str, str], SourceVideo], video: SourceVideo, dropped: list[Dropped]
) -> None:
    """Adds a video to those found, or to the dropped where it cannot be told from one of them."""
    key = (video.person, video.video)
    if not video.clips:
        dropped.append(Dropped("no frames or videos in the folder", *key))
        return
    if key in found:
        dropped.append(Dropped("another video of the person has the same name", *key))
        return

    clips: dict[str, Clip] = {}
    for clip in video.clips:
        if clip.name in clips:
            reason = "another clip has the same name but for its suffix"
            dropped.append(Dropped(reason, *key, clip.name))
        else:
            clips[clip.name] = clip
    found[key] = SourceVideo(*key, tuple(clips.values()))


def _nothing_found(source: Path, layout: str, listing: Listing) -> str:
    """Why a source is empty, with the option or layout that was perhaps meant."""
    problem = f"{source} holds nothing laid out as {LAYOUTS[layout].looks} (layout {layout})"
    links = [drop.frame for drop in listing.dropped if drop.reason == LINK_LEAVES]
    top = Folder(listing.root, listing.root, [], follow_links=True)
    if links:
        more = f" and {len(links) - 3} more" if len(links) > 3 else ""
        return (
            f"{problem}, but links that leave it: {', '.join(links[:3])}{more}; add "
            "--follow-links to follow them"
        )
    if layout != "videos-flat" and top.files(VIDEO_SUFFIXES):
        return f"{problem}, but videos that lie directly in it: take the layout videos-flat"
    if layout != "photos-flat" and top.files(IMAGE_SUFFIXES):
        return f"{problem}, but pictures that lie directly in it: take the layout photos-flat"
    return f"{problem}: check the folder and the layout"


def _not_taken(root: Path, clips: Sequence[Clip], follow_links: bool) -> Iterator[Dropped]:
    """Every visible file that is in no clip: its kind or its place is not one of the layout."""
    files = {clip.path for clip in clips if clip.kind != "images"}
    folders = {clip.path for clip in clips if clip.kind == "images"}
    for folder, name in _visible_files(Folder(root, root, [], follow_links)):
        path = f"{folder}/{name}" if folder != "." else name
        suffix = Path(name).suffix.lower()
        if path not in files and not (folder in folders and suffix in IMAGE_SUFFIXES):
            yield Dropped(_reason_of(suffix), frame=path)


def _reason_of(suffix: str) -> str:
    if suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
        return "a file at another place than the layout's"
    return f"a file of another kind ({suffix or 'no suffix'})"


def _visible_files(folder: Folder, depth: int = 8) -> Iterator[tuple[str, str]]:
    """(folder, name) of every file, down to a depth at which loops of followed links end too."""
    for name in folder.all_files:
        yield folder.relative, name
    if depth:
        for inner in folder.folders:
            yield from _visible_files(inner, depth - 1)
