"""Files are whole or absent, also after a power cut: bytes reach the disk before the name."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from thbench.errors import ThbenchError
from thbench.files import (
    atomic_folder,
    atomic_path,
    inside,
    parse_json,
    read_csv,
    write_json,
    write_text,
)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The order of flushes and renames, by the names of what they act on."""
    order: list[str] = []
    flush, rename = os.fsync, os.replace

    def recorded_flush(descriptor: int) -> None:
        order.append(f"flush {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        flush(descriptor)

    def recorded_rename(source: Path, target: Path) -> None:
        order.append(f"rename to {target.name}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", recorded_flush)
    monkeypatch.setattr(os, "replace", recorded_rename)
    return order


def test_the_bytes_of_a_file_are_on_the_disk_before_it_has_its_name(
    tmp_path: Path, calls: list[str]
) -> None:
    write_text(tmp_path / "run.json", "{}")
    flushed, renamed = calls[:2]
    assert flushed.startswith("flush .run.json.")
    assert renamed == "rename to run.json"


def test_the_files_of_a_folder_are_on_the_disk_before_it_has_its_name(
    tmp_path: Path, calls: list[str]
) -> None:
    with atomic_folder(tmp_path / "frames") as folder:
        (folder / "00.png").write_bytes(b"00")
        (folder / "deeper").mkdir()
        (folder / "deeper" / "01.png").write_bytes(b"01")
    assert sorted(calls[:2]) == ["flush 00.png", "flush 01.png"]
    assert calls[2:] == ["rename to frames", f"flush {tmp_path.name}"]


@pytest.mark.parametrize("name", [".", "folder"])
def test_a_folder_in_the_place_of_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(ThbenchError, match="is a folder; name a file"), atomic_path(Path(name)):
        pytest.fail("nothing is written")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    with suppress(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("in the middle")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with suppress(RuntimeError), atomic_folder(path) as temporary:
        (temporary / "half").touch()
        raise RuntimeError("in the middle")
    assert [file.name for file in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with atomic_folder(path) as temporary:
        (temporary / "new").touch()
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_machines_that_share_a_folder_never_share_a_half_written_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 77)  # numbers of processes repeat on other machines
    path = tmp_path / "rows.parquet"
    with atomic_path(path) as one, atomic_path(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"


def test_of_writers_of_one_folder_each_succeeds_and_one_is_left(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with atomic_folder(tmp_path / "frames") as folder:
            for name in ("00.png", "01.png"):
                (folder / name).write_text(str(number))

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(200)))
    left = tmp_path / "frames"
    assert list(tmp_path.iterdir()) == [left]
    assert (left / "00.png").read_text() == (left / "01.png").read_text()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_json_with_numbers_that_json_has_not_is_refused(number: str) -> None:
    with pytest.raises(ThbenchError, match="not a number in JSON"):
        parse_json(f"[{number}]", "where")


def test_a_path_that_leaves_its_root_is_refused(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/../b") == tmp_path.resolve() / "b"
    with pytest.raises(ThbenchError, match="leaves"):
        inside(tmp_path, "../b")


def test_json_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="not UTF-8; rename the file") as told:
        write_json(tmp_path / "run.json", {"path": "clips/b\udcff.mp4"})
    assert str(told.value).isprintable()
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / "run.json", {"path": "clips/\N{GRINNING FACE} \\ud800.mp4"})


def test_a_table_is_read_with_the_mark_of_spreadsheets_and_told_when_broken(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_bytes(b"\xef\xbb\xbfreal,fake\r\na,b\r\nc\r\n")
    assert read_csv(file) == (
        ["real", "fake"],
        [(2, {"real": "a", "fake": "b"}), (3, {"real": "c", "fake": None})],
    )
    file.write_text('real,fake\n"' + "a" * 200_000 + '",b\n')
    with pytest.raises(ThbenchError, match="is not CSV: field larger"):
        read_csv(file)


def test_a_path_with_a_zero_byte_is_told(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="is not the name of a file"):
        inside(tmp_path, "a\0b")
