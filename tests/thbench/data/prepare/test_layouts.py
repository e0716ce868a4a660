"""Layouts: what is found, in which order, and what hostile names do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from thbench.data.prepare.listing import list_source
from thbench.data.prepare.source import Clip
from thbench.errors import ThbenchError


def touch(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def keys(layout: str, root: Path) -> list[tuple[str, str, list[str]]]:
    return [
        (video.person, video.video, [clip.path for clip in video.clips])
        for video in list_source(layout, root).videos
    ]


@pytest.mark.parametrize("above", ["", "unzippedFaces/"])
def test_vox1_frames(tmp_path: Path, above: str) -> None:
    touch(
        tmp_path,
        f"{above}B/1.6/vid/0000025.jpg",
        f"{above}A.J._Buckley/1.6/vid/0000050.jpg",
        f"{above}A.J._Buckley/1.3/other/0000050.jpg",
        f"{above}.hidden/1.6/v/1.jpg",
    )
    assert keys("vox1-frames", tmp_path) == [
        ("A.J._Buckley", "vid", ["A.J._Buckley/1.6/vid"]),
        ("B", "vid", ["B/1.6/vid"]),
    ]


def test_vox_mp4_gathers_the_clips_of_a_recording(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "mp4/id00017/rec/00010.mp4",
        "mp4/id00017/rec/00009.mp4",
        "mp4/id00017/rec/notes.txt",
    )
    assert keys("vox-mp4", tmp_path) == [
        ("id00017", "rec", ["id00017/rec/00009.mp4", "id00017/rec/00010.mp4"])
    ]


def test_videos_at_either_depth(tmp_path: Path) -> None:
    touch(tmp_path, "ann/party.mov", "ann/walk/2.mp4", "ann/walk/10.mp4")
    listing = list_source("videos", tmp_path)
    assert [(video.video, video.clips) for video in listing.videos] == [
        ("party", (Clip("video", "ann/party.mov", "video"),)),
        ("walk", (Clip("2", "ann/walk/2.mp4", "video"), Clip("10", "ann/walk/10.mp4", "video"))),
    ]


def test_frames_at_either_depth(tmp_path: Path) -> None:
    touch(tmp_path, "ann/walk/1.jpg", "bob/run/part2/1.png", "bob/run/part1/1.png")
    assert keys("frames", tmp_path) == [
        ("ann", "walk", ["ann/walk"]),
        ("bob", "run", ["bob/run/part1", "bob/run/part2"]),
    ]


def test_same_names_are_dropped_and_said(tmp_path: Path) -> None:
    touch(tmp_path, "ann/walk.mp4", "ann/walk/1.mp4", "ann/run/1.mp4", "ann/run/1.mov")
    listing = list_source("videos", tmp_path)
    assert len(listing.videos) == 2
    assert [len(video.clips) for video in listing.videos] == [1, 1]
    assert {drop.reason for drop in listing.dropped} == {
        "another video of the person has the same name",
        "another clip has the same name but for its suffix",
    }


def test_hostile_names_are_dropped_and_said(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "ann/ok/1.jpg",
        "ann/new\nline/1.jpg",
        "ann/\x1b[31mred/1.jpg",
        f"ann/{'x' * 230}/1.jpg",
        "ann/$(rm -rf x); <script>/1.jpg",
        "ann/-rf/1.jpg",
        "ann/..hidden/1.jpg",
    )
    bad = os.fsencode(tmp_path) + b"/ann/bytes\xff"
    os.mkdir(bad)
    Path(os.fsdecode(bad), "1.jpg").write_bytes(b"x")
    listing = list_source("frames", tmp_path)
    assert [video.video for video in listing.videos] == ["$(rm -rf x); <script>", "-rf", "ok"]
    reasons = [drop.reason for drop in listing.dropped]
    assert reasons.count("name holds control or undecodable characters") == 3
    assert reasons.count("name is longer than 200 bytes") == 1
    assert all(drop.frame.isprintable() and drop.frame.isascii() for drop in listing.dropped)


def test_links_out_of_the_folder_are_dropped(tmp_path: Path) -> None:
    touch(tmp_path, "outside/vid/1.jpg", "data/ann/vid/1.jpg")
    (tmp_path / "data/eve").symlink_to(tmp_path / "outside")
    (tmp_path / "data/twin").symlink_to(tmp_path / "data/ann")
    listing = list_source("frames", tmp_path / "data")
    assert [video.person for video in listing.videos] == ["ann", "twin"]
    assert [(drop.reason, drop.frame) for drop in listing.dropped] == [
        ("link leaves the source folder", "'eve'")
    ]


def test_a_linked_dataset_folder_is_followed(tmp_path: Path) -> None:
    touch(tmp_path, "disk/id00017/rec/1.mp4")
    (tmp_path / "vox").mkdir()
    (tmp_path / "vox/mp4").symlink_to(tmp_path / "disk")
    assert keys("vox-mp4", tmp_path / "vox") == [("id00017", "rec", ["id00017/rec/1.mp4"])]


def test_missing_and_empty_sources_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="is not a folder"):
        list_source("frames", tmp_path / "none")
    with pytest.raises(ThbenchError, match=r"holds nothing laid out as <id>/<video>/<clip>\.mp4"):
        list_source("vox-mp4", tmp_path)
    with pytest.raises(ThbenchError, match="no layout named 'vox3'"):
        list_source("vox3", tmp_path)


def test_links_are_followed_when_asked(tmp_path: Path) -> None:
    touch(tmp_path, "outside/vid/1.jpg", "data/readme.txt")
    (tmp_path / "data/eve").symlink_to(tmp_path / "outside")
    (tmp_path / "data/loop").symlink_to(tmp_path / "data/loop")
    with pytest.raises(ThbenchError, match=r"but links that leave it: 'eve'; add --follow-links"):
        list_source("frames", tmp_path / "data")
    listing = list_source("frames", tmp_path / "data", follow_links=True)
    assert [(video.person, video.video) for video in listing.videos] == [("eve", "vid")]


def test_a_loop_of_folders_ends(tmp_path: Path) -> None:
    touch(tmp_path, "data/ann/walk/1.jpg")
    (tmp_path / "data/ann/walk/again").symlink_to(tmp_path / "data")
    assert list_source("frames", tmp_path / "data", follow_links=True).videos


def test_each_file_of_a_flat_folder_is_a_person(tmp_path: Path) -> None:
    touch(tmp_path, "d1.mp4", "d2.webm", "d1.jpg", "d3.png", "notes.gif")
    assert keys("videos-flat", tmp_path) == [
        ("d1", "video", ["d1.mp4"]),
        ("d2", "video", ["d2.webm"]),
    ]
    assert keys("photos-flat", tmp_path) == [
        ("d1", "photo", ["d1.jpg"]),
        ("d3", "photo", ["d3.png"]),
    ]


@pytest.mark.parametrize(("name", "layout"), [("a.mp4", "videos-flat"), ("a.png", "photos-flat")])
def test_an_empty_listing_names_the_flat_layout_that_would_work(
    tmp_path: Path, name: str, layout: str
) -> None:
    touch(tmp_path, name)
    with pytest.raises(ThbenchError, match=f"lie directly in it: take the layout {layout}"):
        list_source("frames", tmp_path)


def test_files_that_no_clip_takes_are_listed_once_with_their_reason(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "ann/walk/1.jpg",
        "ann/walk/2.gif",
        "ann/notes",
        "ann/stray.png",
        "ann/run/a.mp4",
        ".hidden",
    )
    dropped = {
        drop.frame: drop.reason for drop in list_source("frames", tmp_path).dropped if drop.frame
    }
    assert dropped == {
        "ann/notes": "a file of another kind (no suffix)",
        "ann/run/a.mp4": "a file at another place than the layout's",
        "ann/stray.png": "a file at another place than the layout's",
        "ann/walk/2.gif": "a file of another kind (.gif)",
    }
