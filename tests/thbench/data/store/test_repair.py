"""A damaged store has its damaged files made anew, byte by byte the same, and no other."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.prepared_samples import contents, make_frames, points, recipe, with_one_index

from cli import thbench
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.data.store.pack import pack
from thbench.data.store.prepared import PreparedStore
from thbench.data.store.verify import verify
from thbench.errors import ThbenchError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repair")
    make_frames(root)
    prepare(root / "frames", root / "data", recipe(root), SplitRule(("p1",)))
    return root


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root / "data", tmp_path / "store")
    return tmp_path / "store"


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def old(store: Path) -> dict[str, tuple[int, int]]:
    """When and where each file was written."""
    return {
        str(file): (file.stat().st_mtime_ns, file.stat().st_ino)
        for file in store.rglob("*")
        if file.is_file()
    }


def repair(store: Path, source: Path | str) -> Result:
    return CliRunner().invoke(thbench, ["data", "repair", str(store), str(source), "--quiet"])


def refusal(store: Path, source: Path | str) -> str:
    """The one line with which a repair ends."""
    ran = repair(store, source)
    assert isinstance(ran.exception, ThbenchError)
    return str(ran.exception)


@pytest.mark.parametrize("source", ["frames", "data"])
@pytest.mark.parametrize(
    "damaged",
    [
        ["shards/00002.tar"],
        ["index/00001.parquet"],
        ["videos.parquet"],
        ["shards/00000.tar", "index/00000.parquet", "shards/00005.tar", "videos.parquet"],
    ],
)
@pytest.mark.parametrize("gone", [False, True])
def test_only_what_is_damaged_is_made_anew(
    root: Path, store: Path, source: str, damaged: list[str], gone: bool
) -> None:
    whole, before = contents(store), old(store)
    for file in damaged:
        os.unlink(store / file) if gone else flip(store / file)
    with pytest.raises(ThbenchError, match=f"{damaged[0]} is {'missing' if gone else 'damaged'}"):
        verify(store)

    ran = repair(store, root / source)
    assert ran.exit_code == 0, ran.output
    assert ran.output.count("made anew") == len(damaged)
    assert contents(store) == whole
    assert "is whole" in verify(store)
    now = old(store)
    changed = {
        Path(file).relative_to(store).as_posix() for file in now if now[file] != before[file]
    }
    assert changed == set(damaged)


def test_a_whole_store_is_left_alone(root: Path, store: Path) -> None:
    before = old(store)
    assert "nothing to repair" in repair(store, root / "frames").output
    assert old(store) == before


def test_verify_lists_every_damaged_file(store: Path) -> None:
    for shard in (1, 4):
        flip(store / f"shards/{shard:05d}.tar")
    with pytest.raises(ThbenchError, match=r"shards/00001\.tar .*, shards/00004\.tar .* repair"):
        verify(store)


def test_a_source_that_changed_is_not_taken(root: Path, store: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "frames", tmp_path / "frames")
    (tmp_path / "frames/p1/v0/2.png").write_bytes((root / "frames/p1/v0/1.png").read_bytes())
    flip(store / "shards/00002.tar")
    damaged = contents(store)
    assert "no longer gives" in refusal(store, tmp_path / "frames")
    assert contents(store) == damaged

    shutil.rmtree(tmp_path / "frames/p2/v1")
    assert "5 shards of videos, 6 were prepared" in refusal(store, tmp_path / "frames")


def test_a_copy_that_is_damaged_too_is_not_taken(root: Path, store: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "data", tmp_path / "copy")
    for place in (store, tmp_path / "copy"):
        flip(place / "shards/00003.tar")
    damaged = contents(store)
    assert "is damaged, too: name another copy" in refusal(store, tmp_path / "copy")
    assert contents(store) == damaged


def test_dropped_frames_come_from_a_copy_only(root: Path, store: Path) -> None:
    (store / "dropped.parquet").unlink()
    assert "name a copy" in refusal(store, root / "frames")
    assert repair(store, root / "data").exit_code == 0
    assert "is whole" in verify(store)


def test_a_packed_store_is_packed_again_from_the_same_dataset_only(
    root: Path, tmp_path: Path
) -> None:
    pack(PreparedStore(root / "data"), tmp_path / "packed", videos=1, frames=3)
    whole = contents(tmp_path / "packed")
    flip(tmp_path / "packed/shards/00000.tar")
    assert "is not what" in refusal(tmp_path / "packed", "synth:64")
    assert repair(tmp_path / "packed", root / "data").exit_code == 0
    assert contents(tmp_path / "packed") == whole


def test_the_shards_of_a_store_with_one_index_are_made_anew(root: Path, store: Path) -> None:
    with_one_index(store)
    whole = contents(store)
    flip(store / "shards/00004.tar")
    assert repair(store, root / "frames").exit_code == 0
    assert contents(store) == whole
    assert "is whole" in verify(store)


def test_other_landmarks_are_told(root: Path, store: Path) -> None:
    flip(store / "index/00000.parquet")
    file = root / "landmarks/p0/v0/1.npy"
    np.save(file, points(1) + 1)
    try:
        assert "no longer gives" in refusal(store, root / "frames")
    finally:
        np.save(file, points(1))
