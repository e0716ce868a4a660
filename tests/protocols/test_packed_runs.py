"""Packed runs: verified without frames, and refused where anything in them was changed."""

from __future__ import annotations

import resource
import shutil
import signal
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import thbench
from protocols.definition import load_definition, method_entry
from protocols.pack import MARK, opened_runs, pack_run, unpack_run
from protocols.run import RunOptions, run_protocol
from protocols.verify import verify_run
from thbench.data.open import open_dataset
from thbench.errors import ThbenchError
from thbench.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("runs") / "first"
    definition = load_definition("self-reenactment").with_values(
        T=(1,),
        videos=2,
        holdout=2,
        metrics=("l1", "fd-heads"),
        methods=(method_entry("copy-nearest"),),
    )
    assert not run_protocol(definition, open_dataset("synth:64"), out, RunOptions({})).failed
    return Run(out)


def repacked(source: Path, out: Path, change: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change.get(entry.filename, old.read(entry)))
        for name in change.keys() - {entry.filename for entry in old.infolist()}:
            new.writestr(name, change[name])
    return out


def test_a_packed_run_holds_no_frame_and_verifies(run: Run, tmp_path: Path) -> None:
    pack_run(run, tmp_path / "a.zip")
    pack_run(run, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert not [name for name in archive.namelist() if name.endswith((".png", ".npy"))]

    unpacked = unpack_run(tmp_path / "a.zip", tmp_path / "a")
    checked, wrong = verify_run(unpacked)
    assert wrong == []
    assert "only their hashes" in checked[0]
    assert unpacked.summary_record() == run.summary_record()


def test_a_board_is_made_of_packed_runs(run: Run, tmp_path: Path) -> None:
    told = CliRunner().invoke(
        thbench, ["runs", "pack", str(run.path), "-o", str(tmp_path / "x.zip")]
    )
    assert told.exit_code == 0, told.output
    told = CliRunner().invoke(
        thbench, ["leaderboard", str(tmp_path / "x.zip"), "-o", str(tmp_path / "site")]
    )
    assert told.exit_code == 0, told.output
    assert "copy-nearest" in (tmp_path / "site" / "index.html").read_text()


def test_what_was_changed_is_refused(run: Run, tmp_path: Path) -> None:
    pack_run(run, tmp_path / "a.zip")
    summary = run.summary_json.read_bytes().replace(b"0.", b"1.", 1)
    for change, told in (
        ({"summary.json": summary}, "is not the file that was packed"),
        ({"../outside": b"x"}, "leaves"),
        ({"extra.json": b"{}"}, "is not among its files"),
        ({MARK: b"{}"}, "in a form that this thbench does not know"),
    ):
        bad = repacked(tmp_path / "a.zip", tmp_path / "bad.zip", change)
        with pytest.raises(ThbenchError, match=told):
            unpack_run(bad, tmp_path / "bad")
        shutil.rmtree(tmp_path / "bad", ignore_errors=True)
    assert not (tmp_path / "outside").exists()
    with pytest.raises(ThbenchError, match="lies in the run itself"):
        pack_run(run, run.path / "run.json")
    (tmp_path / "c.zip").write_bytes(b"no zip")
    with pytest.raises(ThbenchError, match="not a packed run"):
        unpack_run(tmp_path / "c.zip", tmp_path / "c")


def test_a_run_that_does_not_verify_is_not_taken(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy)
    next((copy / "images" / "copy-nearest").rglob("*.png")).write_bytes(b"x")
    with pytest.raises(ThbenchError, match="does not verify"):
        opened_runs([copy], tmp_path / "unpacked")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_no_pack_writes_are_told_in_one_line(run: Run, tmp_path: Path) -> None:
    good = tmp_path / "a.zip"
    pack_run(run, good)

    twice, folder = tmp_path / "twice.zip", tmp_path / "folder.zip"
    for bad, name in ((twice, "run.json"), (folder, "empty/")):
        shutil.copy(good, bad)
        with zipfile.ZipFile(bad, "a") as archive:
            archive.writestr(name, b"")
    broken, bomb = tmp_path / "broken.zip", tmp_path / "bomb.zip"
    data = bytearray(good.read_bytes())
    data[60:90] = bytes(range(200, 230))  # in the first file's compressed bytes
    broken.write_bytes(data)
    data, at = bytearray(good.read_bytes()), 0
    for _ in range(2):  # two files that state almost 4 GiB each
        at = data.index(b"PK\x01\x02", at + 4)
        data[at + 24 : at + 28] = b"\xf0\xff\xff\xff"
    bomb.write_bytes(data)

    for bad, told in (
        (twice, "two files of the same name"),
        (folder, "holds a folder"),
        (broken, "not a packed run"),
        (bomb, "more than any run holds"),
        (tmp_path / "missing.zip", "not a packed run"),
        (tmp_path, "not a packed run"),
    ):
        with pytest.raises(ThbenchError, match=told) as caught:
            unpack_run(bad, tmp_path / "out" / bad.stem)
        assert "\n" not in str(caught.value)


def test_a_full_disk_is_told_as_such(run: Run, tmp_path: Path) -> None:
    pack_run(run, tmp_path / "a.zip")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(ThbenchError, match=r"cannot unpack .*free space"):
            unpack_run(tmp_path / "a.zip", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
