"""Locks: one process at a time, nothing left behind, and every refusal in one line."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from thbench.errors import ThbenchError
from thbench.locks import LOCK, holds_nothing, locked

HOLD = """
import sys, pathlib
from thbench.locks import locked
with locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_works_there(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"locked\n"
    told = (
        rf"another process is working on .* \(process {holder.pid} on .*\); wait for it or stop it"
    )
    with pytest.raises(ThbenchError, match=told), locked(tmp_path):
        pass

    holder.kill()
    holder.wait()
    assert (tmp_path / LOCK).exists()  # it locks nothing any more
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_folders_made_for_the_lock_stay_only_with_something_in_them(tmp_path: Path) -> None:
    with locked(tmp_path / "a/b"):
        pass
    assert list(tmp_path.iterdir()) == []

    with locked(tmp_path / "a/b"):
        (tmp_path / "a/b/result").touch()
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["result"]


def test_a_lock_file_that_its_last_owner_removed_meanwhile_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    real = fcntl.flock
    calls: list[object] = []

    def removed_meanwhile(file: object, how: int) -> None:
        real(file, how)  # type: ignore[arg-type]
        if not calls:
            (tmp_path / LOCK).unlink()
        calls.append(how)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with locked(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert len(calls) == 2


def test_a_read_only_folder_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        user = os.geteuid()
        os.seteuid(user or 65534)  # root may write anywhere
        try:
            with (
                pytest.raises(
                    ThbenchError, match=r"cannot write .*: Permission denied; make"
                ) as caught,
                locked(Path(folder)),
            ):
                pass
        finally:
            os.seteuid(user)
    assert "\n" not in str(caught.value)


def test_lock_files_are_nothing(tmp_path: Path) -> None:
    assert holds_nothing(tmp_path / "none")
    (tmp_path / LOCK).touch()
    (tmp_path / f"{LOCK}-1-of-3").touch()
    (tmp_path / ".plan.json.77.tmp").touch()  # of a process that was killed while it wrote it
    assert holds_nothing(tmp_path)
    (tmp_path / "thesis.tex").touch()
    assert not holds_nothing(tmp_path)
    assert not holds_nothing(tmp_path / "thesis.tex")


def test_storage_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(ThbenchError, match=r"knows no locks .*: mount it with them"),
        locked(tmp_path),
    ):
        raise AssertionError("nobody may work here")
