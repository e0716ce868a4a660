"""Preparation: resumes after a kill with the same bytes, shares work, drops and counts what it
cannot use.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from support.prepared_samples import VOX1, VOX2, contents, make_frames, noise, points, recipe

from cli import thbench
from thbench.data.prepare.clips import read_image
from thbench.data.prepare.contact_sheet import write_contact_sheet
from thbench.data.prepare.prepare import Part, prepare
from thbench.data.show import description, text
from thbench.data.splits import SplitRule
from thbench.data.store.prepared import PreparedStore
from thbench.data.store.verify import verify
from thbench.data.video import write_video
from thbench.errors import ThbenchError


def command(root: Path, out: Path) -> list[str]:
    return [
        sys.executable,
        "-m",
        "cli",
        "prepare",
        "frames",
        str(root / "frames"),
        str(out),
        "--size",
        "48",
        "--crop",
        "as-is",
        "--lossless",
        "--landmarks",
        f"import:{root / 'landmarks'}",
        "--workers",
        "1",
    ]


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=30, videos=1, frames=16)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    prepare(tmp_path / "frames", whole, recipe(tmp_path), SplitRule())
    process = subprocess.Popen(
        command(tmp_path, killed),
        cwd=Path(__file__).parents[4],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (killed / "parts/00002.json").exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "dataset.json").exists()
    made = {path.name: path.stat().st_mtime_ns for path in (killed / "shards").glob("0*.tar")}
    prepare(tmp_path / "frames", killed, recipe(tmp_path), SplitRule())
    assert contents(killed) == contents(whole)
    kept = [
        name
        for name, time_ns in made.items()
        if (killed / "shards" / name).stat().st_mtime_ns == time_ns
    ]
    assert len(kept) >= 3  # done before the kill, not done again


def test_machines_share_the_work_and_the_last_one_finishes(tmp_path: Path) -> None:
    make_frames(tmp_path)
    prepare(tmp_path / "frames", tmp_path / "one", recipe(tmp_path), SplitRule())
    for index, finished in ((2, False), (0, False), (1, True)):
        assert (
            prepare(
                tmp_path / "frames",
                tmp_path / "many",
                recipe(tmp_path),
                SplitRule(),
                part=Part(index, 3),
            )
            is finished
        )
    assert contents(tmp_path / "many") == contents(tmp_path / "one")
    with pytest.raises(
        ThbenchError, match="--shard-index 3 must lie between 0 and --num-shards - 1 = 2"
    ):
        Part(3, 3)


@pytest.mark.slow
def test_processes_make_the_same_bytes_as_one(tmp_path: Path) -> None:
    make_frames(tmp_path)
    prepare(tmp_path / "frames", tmp_path / "one", recipe(tmp_path), SplitRule())
    prepare(tmp_path / "frames", tmp_path / "two", recipe(tmp_path), SplitRule(), workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_finished_store_is_left_alone_and_other_options_are_refused(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1)
    out = tmp_path / "out"
    prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule())
    before = contents(out)
    assert prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule())
    assert contents(out) == before
    with pytest.raises(
        ThbenchError, match=r"was begun with other size_px \(48, now 32\): use a new folder"
    ):
        prepare(tmp_path / "frames", out, recipe(tmp_path, size_px=32), SplitRule())
    with pytest.raises(ThbenchError, match=r"was begun with other seed \(0, now 1\)"):
        prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule(seed=1))


def test_overwrite_makes_a_store_of_other_options_anew_and_keeps_other_files(
    tmp_path: Path,
) -> None:
    make_frames(tmp_path, persons=1)
    out = tmp_path / "out"
    prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule())
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ThbenchError, match="or --overwrite to make it anew"):
        prepare(tmp_path / "frames", out, recipe(tmp_path, size_px=32), SplitRule())
    prepare(tmp_path / "frames", out, recipe(tmp_path, size_px=32), SplitRule(), overwrite=True)
    prepare(tmp_path / "frames", tmp_path / "new", recipe(tmp_path, size_px=32), SplitRule())
    assert (out / "notes.txt").read_text() == "mine"
    assert {**contents(tmp_path / "new"), "notes.txt": b"mine"} == contents(out)


def test_a_flipped_bit_in_a_part_never_ends_in_another_dataset(
    tmp_path: Path, interrupted: Path, whole: dict[str, bytes]
) -> None:
    """Before parts had checksums, 33 of 60 flips gave another dataset that `data verify` called
    whole.
    """
    random = np.random.default_rng(0)
    parts = sorted(path.name for path in (interrupted / "parts").iterdir())
    for flip in range(30):
        out = tmp_path / f"flipped-{flip}"
        shutil.copytree(interrupted, out)
        part = out / "parts" / random.choice(parts)
        content = bytearray(part.read_bytes())
        content[random.integers(len(content))] ^= 1 << random.integers(8)
        part.write_bytes(content)
        prepare(interrupted.parent / "frames", out, recipe(interrupted.parent), SplitRule())
        assert contents(out) == whole, part.name


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preparation of which another machine has made every second shard."""
    root = tmp_path_factory.mktemp("interrupted")
    make_frames(root)
    prepare(root / "frames", root / "begun", recipe(root), SplitRule(), part=Part(0, 2))
    return root / "begun"


@pytest.fixture(scope="module")
def whole(interrupted: Path) -> dict[str, bytes]:
    root = interrupted.parent
    prepare(root / "frames", root / "whole", recipe(root), SplitRule())
    return contents(root / "whole")


def test_verify_sees_every_flipped_bit_of_the_index(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1)
    out = tmp_path / "out"
    prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule())
    assert "is whole" in verify(out)
    file = out / "index/00001.parquet"
    index = file.read_bytes()
    caught = 0
    for position in range(4, len(index) - 12, len(index) // 20):
        flipped = bytearray(index)
        flipped[position] ^= 1
        file.write_bytes(flipped)
        with pytest.raises(ThbenchError):
            verify(out)
        caught += 1
    assert caught >= 15


def test_a_dry_run_lists_what_it_would_take_and_writes_nothing(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=2, videos=1)
    (tmp_path / "frames/p0/v0/1.png").write_bytes(b"no picture")
    (tmp_path / "frames/p0/clip.gif").write_bytes(b"GIF89a")
    ran = CliRunner().invoke(
        thbench, ["prepare", "frames", str(tmp_path / "frames"), str(tmp_path / "out"), "--dry-run"]
    )
    assert ran.exit_code == 0
    assert ran.output.splitlines() == [
        "take   p0/v0: 3 frames in 1 clips",
        "take   p1/v0: 4 frames in 1 clips",
        "leave  p0/clip.gif: a file of another kind (.gif)",
        "leave  p0/v0/frames/1.png: unreadable frame",
        "2 persons, 2 videos, 7 frames",
        "left out: 1 a file of another kind (.gif), 1 unreadable frame",
        "nothing was written; faces are looked for when it is prepared",
    ]
    assert not (tmp_path / "out").exists()


def test_flat_photos_become_a_video_of_one_frame_for_each_person(tmp_path: Path) -> None:
    for number, name in enumerate(("ann", "bob")):
        Image.fromarray(noise(number)).save(tmp_path / f"{name}.png")
        (tmp_path / "landmarks").mkdir(exist_ok=True)
        np.save(tmp_path / f"landmarks/{name}.npy", points(number))
    prepare(tmp_path, tmp_path / "out", recipe(tmp_path, layout="photos-flat"), SplitRule())
    store = PreparedStore(tmp_path / "out")
    assert [(video.key, video.n_frames) for video in store.videos] == [
        ("ann/photo", 1),
        ("bob/photo", 1),
    ]
    assert np.array_equal(
        store.read(store.videos[1], [0]).images[0].permute(1, 2, 0).numpy(), noise(1)
    )


def test_16_bit_grey_pictures_keep_their_greys(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 48 * 48).reshape(48, 48).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    image = read_image(tmp_path / "grey.png")
    assert image is not None
    assert np.array_equal(image[..., 0], np.rint(grey / 257).astype(np.uint8))
    assert np.array_equal(image[..., 0], image[..., 2])


def test_a_folder_with_other_files_is_refused_and_kept(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.tex").write_text("years of work")
    with pytest.raises(ThbenchError, match="exists and is not a prepared dataset"):
        prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path), SplitRule())
    assert contents(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_what_cannot_be_used_is_dropped_counted_and_named(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1, videos=1, frames=6)
    folder = tmp_path / "frames/p0/v0"
    cut = (folder / "1.png").read_bytes()
    (folder / "1.png").write_bytes(cut[: len(cut) // 2])
    Image.fromarray(noise(2)).save(folder / "2.jpg")  # the same stem as 2.png
    (tmp_path / "landmarks/p0/v0/3.npy").unlink()
    np.save(tmp_path / "landmarks/p0/v0/4.npy", np.full((68, 2), np.nan, np.float32))
    (folder / "5\x07.png").write_bytes(cut)
    prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path), SplitRule())
    store = PreparedStore(tmp_path / "out")
    assert store.frame_names(store.videos[0]) == ["frames/0", "frames/2", "frames/5"]
    assert store.info.dropped == {
        "no face found": 2,
        "another frame has the same name but for its suffix": 1,
        "name holds control or undecodable characters": 1,
        "unreadable frame": 1,
    }
    named = {
        (row["reason"], row["video"], row["frame"])
        for row in pq.read_table(tmp_path / "out/dropped.parquet").to_pylist()
    }
    assert ("unreadable frame", "v0", "1") in named
    assert ("no face found", "v0", "3") in named


def test_a_jpeg_cut_in_the_middle_is_not_half_grey(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1, videos=1, frames=2)
    jpeg = tmp_path / "frames/p0/v0/0.jpg"
    Image.fromarray(noise(0)).save(jpeg)
    (tmp_path / "frames/p0/v0/0.png").unlink()
    jpeg.write_bytes(jpeg.read_bytes()[:-900])
    prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path), SplitRule())
    assert PreparedStore(tmp_path / "out").info.dropped == {"unreadable frame": 1}


def test_truncated_videos_are_dropped_and_whole_ones_sampled(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / f"frames/ann/{name}").mkdir(parents=True)
        path = tmp_path / f"frames/ann/{name}/00001.mp4"
        write_video(path, torch.from_numpy(np.stack([noise(1)] * 50)).permute(0, 3, 1, 2), 25)
        (tmp_path / f"landmarks/ann/{name}").mkdir(parents=True)
        np.save(
            tmp_path / f"landmarks/ann/{name}/00001.npy", np.stack([points(n) for n in range(50)])
        )
    path.write_bytes(path.read_bytes()[:-3000])
    prepare(
        tmp_path / "frames",
        tmp_path / "out",
        recipe(tmp_path, layout="vox-mp4", fps=5.0),
        SplitRule(),
    )
    store = PreparedStore(tmp_path / "out")
    assert store.info.dropped == {"video is truncated or not a video": 1}
    assert store.frame_names(store.videos[0]) == [f"00001/{frame:06d}" for frame in range(0, 50, 5)]
    assert np.array_equal(store.read(store.videos[0], [3]).landmarks[0].numpy(), points(15))


def test_no_face_at_all_leaves_nothing_behind(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1)
    shutil.rmtree(tmp_path / "landmarks/p0")
    with pytest.raises(
        ThbenchError, match=r"no frame was kept \(8 no face found\): .*out was not made"
    ):
        prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path), SplitRule())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fps": 5.0}, "--fps needs videos"),
        ({"fps": 0.0, "layout": "videos"}, "--fps must be more than 0"),
        ({"size_px": 8}, "--size 8 is too small"),
        ({"max_outside": 2.0}, "--max-outside 2.0 is a share"),
        ({"crop": "tight"}, "no crop policy named 'tight'"),
        ({"landmarks": "guess"}, "no landmark source named 'guess'"),
        ({"landmarks": "import:/none"}, "/none is not a folder of landmark files"),
    ],
)
def test_senseless_options_end_before_anything_is_written(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    make_frames(tmp_path, persons=1)
    if settings.get("layout") == "videos":
        (tmp_path / "frames/p0/v0.mp4").write_bytes(b"")
    with pytest.raises(ThbenchError, match=message):
        prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path, **settings), SplitRule())
    assert not (tmp_path / "out").exists()


@contextmanager
def without_root() -> Iterator[None]:
    """Root may write anywhere: for a moment, be somebody else."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_output_folder_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_frames(root, persons=1)
        (root / "locked").mkdir(mode=0o555)
        root.chmod(0o755)
        told = r"cannot write .*locked/out: Permission denied"
        with without_root(), pytest.raises(ThbenchError, match=told):
            prepare(root / "frames", root / "locked/out", recipe(root), SplitRule())


def test_a_full_disk_is_told_and_the_run_goes_on_later(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=2, videos=1, frames=8)
    out = tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(
            ThbenchError, match=r"cannot write .*00000\.tar: .*free space or choose another folder"
        ):
            prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(contents(out)) == ["plan.json"]
    assert prepare(tmp_path / "frames", out, recipe(tmp_path), SplitRule())


def test_landmarks_move_with_a_per_frame_crop(tmp_path: Path) -> None:
    folder = tmp_path / "frames/ann/walk"
    folder.mkdir(parents=True)
    (tmp_path / "landmarks/ann/walk").mkdir(parents=True)
    image = np.zeros((200, 300, 3), np.uint8)
    image[96:105, 146:155] = 255
    Image.fromarray(image).save(folder / "0.png")
    face = np.tile(np.array([[150, 100]], np.float32), (68, 1))
    face[0] -= 20
    face[1] += 20
    np.save(tmp_path / "landmarks/ann/walk/0.npy", face)
    prepare(
        tmp_path / "frames",
        tmp_path / "out",
        recipe(tmp_path, crop="per-frame", size_px=160),
        SplitRule(),
    )
    store = PreparedStore(tmp_path / "out")
    frames = store.read(store.videos[0], [0])
    x, y = frames.landmarks[0, 2].tolist()
    rows, columns = np.nonzero(frames.images[0, 0].numpy() > 128)
    assert (x, y) == pytest.approx((columns.mean(), rows.mean()), abs=0.3)
    assert pq.read_table(tmp_path / "out/index")["crop"].to_pylist()[0][2] == 80


def test_frames_whose_face_leaves_the_crop_are_dropped_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "frames/ann/talk"
    folder.mkdir(parents=True)
    (tmp_path / "landmarks/ann/talk").mkdir(parents=True)
    for frame in range(9):
        Image.fromarray(noise(frame, 200, 300)).save(folder / f"{frame}.png")
        face = np.random.default_rng(frame).uniform(-20, 20, (68, 2)) + [220, 120]
        if frame == 4:  # somebody else
            face -= [180, 80]
        if frame == 7:
            face[:10] -= [90, 0]  # more than half the width of the crop
        np.save(tmp_path / f"landmarks/ann/talk/{frame}.npy", face.astype(np.float32))

    def shown(out: str, **settings: object) -> str:
        chosen = recipe(tmp_path, crop="per-clip", size_px=80, **settings)
        prepare(tmp_path / "frames", tmp_path / out, chosen, SplitRule())
        return text(description(str(tmp_path / out)))

    assert "dropped    1 face outside its crop" in shown("strict")
    assert PreparedStore(tmp_path / "strict").videos[0].n_frames == 8
    lost = pq.read_table(tmp_path / "strict/dropped.parquet").to_pylist()
    assert [row["frame"] for row in lost] == ["4"]
    assert "2 frames have landmarks outside: at most 68 of 68" in shown("kept", max_outside=1.0)
    assert "dropped    nothing" in shown("all", max_outside=1.0)


def test_a_clip_of_many_sizes_cannot_share_one_crop(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1, videos=1)
    Image.fromarray(noise(0, 64, 48)).save(tmp_path / "frames/p0/v0/0.png")
    with pytest.raises(
        ThbenchError, match=r"frames/p0/v0: frames of one clip differ in size: use the crop policy"
    ):
        prepare(
            tmp_path / "frames", tmp_path / "out", recipe(tmp_path, crop="per-clip"), SplitRule()
        )
    assert list(contents(tmp_path / "out")) == ["plan.json"]


def test_the_command_line_prepares_shows_draws_and_verifies(tmp_path: Path) -> None:
    make_frames(tmp_path)
    out = str(tmp_path / "out")
    runner = CliRunner()

    def said(*args: str) -> str:
        result = runner.invoke(thbench, [*args], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    report = said(*command(tmp_path, tmp_path / "out")[3:], "--test-persons", "p0", "p2")
    assert "test   2 persons, 4 videos, 16 frames (4 to 4 a video)" in report
    assert "dropped    nothing" in report
    assert "outside    no landmark lies outside its frame" in report
    shown = json.loads(said("data", "show", out, "--json"))
    assert shown["split"] == {"rule": "named", "test_persons": ["p0", "p2"]}
    assert shown["counts"]["train"]["frames"] == 8
    assert "is whole" in said("data", "verify", out)
    said("data", "sheet", out, "-o", str(tmp_path / "sheet.png"), "--per-video", "3")
    assert Image.open(tmp_path / "sheet.png").width == 3 * 148


def test_a_contact_sheet_draws_landmarks_on_the_frames(tmp_path: Path) -> None:
    make_frames(tmp_path, persons=1, videos=1, frames=1)
    Image.fromarray(np.full((48, 48, 3), 60, np.uint8)).save(tmp_path / "frames/p0/v0/0.png")
    prepare(tmp_path / "frames", tmp_path / "out", recipe(tmp_path), SplitRule())
    write_contact_sheet(PreparedStore(tmp_path / "out"), tmp_path / "sheet.png", per_video=1)
    colours = {
        tuple(pixel)
        for pixel in np.asarray(Image.open(tmp_path / "sheet.png"))[46:180, :144].reshape(-1, 3)
    }
    assert {(60, 60, 60), (255, 0, 0), (0, 255, 0), (255, 255, 0)} <= colours


@pytest.mark.slow
@pytest.mark.skipif(not VOX1.is_dir(), reason="the VoxCeleb1 sample is not here")
def test_real_voxceleb1_frames_have_faces(tmp_path: Path) -> None:
    prepare(
        VOX1,
        tmp_path / "out",
        recipe(tmp_path, layout="vox1-frames", size_px=64, landmarks="dlib", frames_per_clip=3),
        SplitRule(),
    )
    store = PreparedStore(tmp_path / "out")
    assert sum(video.n_frames for video in store.videos) == 15
    assert store.info.dropped == {}
    for video in store.videos:
        landmarks = store.read(video, range(video.n_frames)).landmarks
        eyes, mouth = landmarks[:, 36:48].mean(1), landmarks[:, 48:].mean(1)
        assert (mouth[:, 1] - eyes[:, 1] > 8).all()
        assert ((landmarks > -10) & (landmarks < 74)).all()


@pytest.mark.slow
@pytest.mark.skipif(not VOX2.is_dir(), reason="the VoxCeleb2 sample is not here")
def test_real_voxceleb2_clips_have_faces(tmp_path: Path) -> None:
    prepare(
        VOX2,
        tmp_path / "out",
        recipe(tmp_path, layout="vox-mp4", size_px=64, landmarks="dlib", fps=0.5),
        SplitRule(),
    )
    store = PreparedStore(tmp_path / "out")
    assert len(store.videos) == 13
    assert store.info.dropped == {}
    assert store.info.split["rule"] == "seeded"
