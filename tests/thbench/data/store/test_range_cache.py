"""The cache of remote ranges: whole or absent, bounded, shared by processes."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thbench.data.store.range_cache import RangeCache, shared_cache
from thbench.errors import ThbenchError

LIMIT_BYTES = 400_000


def content(key: str, size: int = 9000) -> bytes:
    return hashlib.shake_256(key.encode()).digest(size)


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir())


def test_the_least_recently_used_go_when_it_is_full(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path / "ranges.sqlite", LIMIT_BYTES)
    clock = iter(range(10, 10_000, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(clock)))
        for number in range(100):
            cache.put({str(number): content(str(number))})
            assert cache.get(["0"]) == {"0": content("0")}  # used all the time
            assert cache.size_bytes() <= LIMIT_BYTES
    kept = [number for number in range(100) if cache.get([str(number)])]
    assert kept == [0, *range(kept[1], 100)]
    assert 20 < len(kept) < 45


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 150_000)), max_size=30))
def test_whatever_is_kept_is_what_was_put(
    tmp_path_factory: pytest.TempPathFactory, puts: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("cache") / "ranges.sqlite"
    cache = RangeCache(path, LIMIT_BYTES)
    last = {}
    for number, size in puts:
        last[str(number)] = content(str(number), size)
        cache.put({str(number): last[str(number)]})
        assert cache.size_bytes() <= LIMIT_BYTES
    for key, data in cache.get([str(key) for key in range(10)]).items():
        # Too large to be kept: what was there before stays.
        assert data == last[key] or len(last[key]) > LIMIT_BYTES // 4
    cache.close()


def test_what_was_just_put_is_kept_when_older_ranges_must_go(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path / "ranges.sqlite", LIMIT_BYTES)
    for number in range(20):
        cache.put({str(number): content(str(number), 50_000)})
        assert cache.get([str(number)]) == {str(number): content(str(number), 50_000)}
        assert cache.size_bytes() <= LIMIT_BYTES


def _write(path: Path, first: int) -> None:
    cache = RangeCache(path, LIMIT_BYTES)
    for number in range(first, first + 150):
        cache.put({str(number): content(str(number))})
        found = cache.get([str(number), str(number - 7), "0"])
        assert all(data == content(key) for key, data in found.items())
        assert cache.size_bytes() <= LIMIT_BYTES


def test_several_processes_write_and_stay_within_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "ranges.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write, args=(path, 100 * part)) for part in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert on_disk(path) < LIMIT_BYTES * 1.1 + 5 * 2**20  # with SQLite's journal of 4 MiB


def test_a_process_killed_while_it_writes_leaves_nothing_half(tmp_path: Path) -> None:
    path = tmp_path / "ranges.sqlite"
    for kill in range(3):
        told, tell = os.pipe()
        pid = os.fork()
        if not pid:
            cache = RangeCache(path, LIMIT_BYTES)
            number = 0
            while True:
                cache.put({str(number): content(str(number), 50_000)})
                number = (number + 1) % 50
                os.write(tell, b".")
        os.read(told, 1)
        time.sleep(0.01 * kill)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

        found = RangeCache(path, LIMIT_BYTES).get([str(number) for number in range(50)])
        assert found
        assert all(data == content(key, 50_000) for key, data in found.items())


def test_a_damaged_cache_and_a_folder_that_cannot_be_written_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ranges.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(ThbenchError, match=r"ranges\.sqlite cannot be used .*: delete it"):
        RangeCache(tmp_path / "ranges.sqlite", LIMIT_BYTES).get(["a"])
    (tmp_path / "file").write_text("")
    with pytest.raises(ThbenchError, match=r"cannot be written .*THBENCH_CACHE_BYTES=0"):
        RangeCache(tmp_path / "file" / "ranges.sqlite", LIMIT_BYTES).get(["a"])

    monkeypatch.setenv("THBENCH_CACHE_BYTES", "10 GB")
    with pytest.raises(ThbenchError, match="THBENCH_CACHE_BYTES=10 GB is not a number of bytes"):
        shared_cache()
    monkeypatch.setenv("THBENCH_CACHE_BYTES", "0")
    assert shared_cache() is None
