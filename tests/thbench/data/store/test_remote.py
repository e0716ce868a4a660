"""Stores behind a URL: the same frames as here, few bytes asked for, patience, and a cache."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from support.prepared_samples import make_frames, recipe
from support.slow_server import Manners, serving

from cli import thbench
from thbench.data.open import open_dataset, open_sources
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.data.store import remote
from thbench.data.store.frame_index import IndexFile, RangeFile
from thbench.data.store.prepared import PreparedStore
from thbench.data.store.verify import verify
from thbench.errors import ThbenchError


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> PreparedStore:
    root = tmp_path_factory.mktemp("remote")
    make_frames(root)
    prepare(root / "frames", root / "data", recipe(root), SplitRule(("p1",)))
    return PreparedStore(root / "data")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "DELAYS_S", (0.01,) * 7)


@pytest.fixture
def manners() -> Manners:
    return Manners()


@pytest.fixture
def url(local: PreparedStore, manners: Manners) -> Iterator[str]:
    with serving(Path(str(local.place)).parent, manners) as root:
        yield f"{root}/data"


def in_memory(local: PreparedStore) -> str:
    memory, folder = fsspec.filesystem("memory"), Path(str(local.place))
    for file in folder.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"/kept/data/{file.relative_to(folder).as_posix()}", file.read_bytes())
    return "memory://kept/data"


def assert_the_same(one: PreparedStore, other: PreparedStore) -> None:
    assert (one.name, one.sha256, one.pictures) == (other.name, other.sha256, other.pictures)
    assert list(one.videos) == list(other.videos)
    for video in one.videos:
        mine, theirs = one.read(video, [3, 0, 1]), other.read(video, [3, 0, 1])
        assert torch.equal(mine.images, theirs.images)
        assert torch.equal(mine.landmarks, theirs.landmarks)
        assert one.frame_names(video) == other.frame_names(video)
        assert one.frame_times_s(video) == other.frame_times_s(video)


def test_a_store_is_the_same_behind_every_kind_of_url(local: PreparedStore, url: str) -> None:
    for location in (url, url + "/", in_memory(local), f"file://{local.place}"):
        dataset = open_dataset(location)
        assert isinstance(dataset, PreparedStore)
        assert_the_same(dataset, local)
        assert_the_same(pickle.loads(pickle.dumps(dataset)), local)
    assert open_sources(url, 48).sha256 == local.sha256


def test_of_shards_only_the_frames_asked_for_are_sent(
    local: PreparedStore, url: str, manners: Manners
) -> None:
    store = PreparedStore(url)
    assert {path for path, *_ in manners.requests} == {"/data/dataset.json", "/data/videos.parquet"}
    video = local.videos[2]
    store.read(video, [1, 3])
    sent = [request for request in manners.requests if "/shards/" in request[0]]
    offsets, sizes = local.index.columns(2, torch.tensor([1, 3]).numpy(), ["offset", "size"])
    wanted = zip(offsets.tolist(), sizes.tolist(), strict=True)
    assert sorted(sent) == [("/data/shards/00002.tar", *place) for place in wanted]


def test_what_was_read_once_comes_from_the_cache(
    local: PreparedStore, url: str, manners: Manners
) -> None:
    PreparedStore(url).read(local.videos[0], [0, 2])
    before = len(manners.requests)
    again = PreparedStore(url).read(local.videos[0], [2, 0])
    assert [path for path, *_ in manners.requests[before:]] == ["/data/dataset.json"]
    assert torch.equal(again.images, local.read(local.videos[0], [2, 0]).images)


def test_another_store_at_the_same_url_is_not_mixed_up_with_what_is_cached(tmp_path: Path) -> None:
    served, manners = tmp_path / "served", Manners()
    for persons in (1, 2):
        root = tmp_path / str(persons)
        make_frames(root, persons, videos=persons, frames=4 - persons)
        prepare(root / "frames", served / f"data{persons}", recipe(root), SplitRule())
    first, second = (PreparedStore(served / f"data{persons}") for persons in (1, 2))
    (served / "data1").rename(served / "data")
    with serving(served, manners) as root_url:
        assert list(PreparedStore(f"{root_url}/data").videos) == list(first.videos)
        (served / "data").rename(served / "data1")
        (served / "data2").rename(served / "data")
        store = PreparedStore(f"{root_url}/data")
        assert list(store.videos) == list(second.videos)
        frames = store.read(store.videos[0], [0, 1])
    (served / "data").rename(served / "data2")
    assert torch.equal(frames.images, second.read(second.videos[0], [0, 1]).images)


def test_a_server_that_often_fails_is_asked_again(
    local: PreparedStore, url: str, manners: Manners
) -> None:
    manners.fails = 0.3
    assert_the_same(PreparedStore(url), local)
    assert verify(url) == verify(str(local.place)).replace(str(local.place), url)


@pytest.mark.parametrize(("status", "tries"), [(503, 8), (403, 1)])
def test_a_server_that_keeps_failing_is_told_with_its_url(
    url: str, manners: Manners, status: int, tries: int
) -> None:
    manners.status = status
    several = f" after {tries} tries" if tries > 1 else ""
    with pytest.raises(
        ThbenchError,
        match=rf"^cannot read {url}/dataset\.json{several} \(the server answers {status}",
    ):
        PreparedStore(url)


def test_nobody_there_and_nothing_there_are_told(url: str) -> None:
    with pytest.raises(ThbenchError, match=r"none is not a prepared dataset \(no dataset\.json"):
        open_dataset(url.replace("/data", "/none"))
    with pytest.raises(ThbenchError, match=r"cannot read http://127\.0\.0\.1:1/x/dataset\.json"):
        open_dataset("http://127.0.0.1:1/x")


def test_a_server_without_ranges_is_told(url: str, manners: Manners) -> None:
    store = PreparedStore(url)
    manners.ranges = False
    with pytest.raises(ThbenchError, match="does not answer requests for ranges"):
        store.read(store.videos[0], [0])


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://me:secret@host/data", "holds a password"),
        ("https://host/data?token=1", "is followed by a query"),
        ("nothing-known://host/data", "is no URL that thbench reads"),
    ],
)
def test_urls_that_cannot_be_used_are_told(location: str, told: str) -> None:
    with pytest.raises(ThbenchError, match=told) as raised:
        open_dataset(location)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs")])
def test_a_missing_package_is_one_line(
    scheme: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ThbenchError, match=rf"pip install 'thbench\[{extra}\]'"):
        open_dataset(f"{scheme}://bucket/data")


def test_a_damaged_frame_that_was_cached_is_fetched_again(local: PreparedStore, url: str) -> None:
    store, video = PreparedStore(url), local.videos[1]
    whole = store.read(video, [2])
    place = store.place
    assert isinstance(place, remote.RemotePlace)
    cache = place._cache
    assert cache is not None
    offsets, sizes = local.index.columns(1, torch.tensor([2]).numpy(), ["offset", "size"])
    key = f"{place._version} {url}/shards/00001.tar {offsets[0]}+{sizes[0]}"
    assert len(cache.get([key])[key]) == sizes[0]
    cache.put({key: bytes(int(sizes[0]))})
    assert torch.equal(store.read(video, [2]).images, whole.images)
    assert cache.get([key])[key] != bytes(int(sizes[0]))


_INHERITED: dict[str, PreparedStore] = {}


def test_forked_processes_read_together(
    local: PreparedStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PreparedStore(url)
    store.read(store.videos[0], [0])
    monkeypatch.setitem(_INHERITED, "remote", store)
    monkeypatch.setitem(_INHERITED, "local", local)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert all(pool.map(_reads_right, range(24), chunksize=1))
        pool.close()
        pool.join()


def _reads_right(number: int) -> bool:
    store, local = _INHERITED["remote"], _INHERITED["local"]
    video = store.videos[number % 6]
    mine, theirs = store.read(video, [number % 4]), local.read(video, [number % 4])
    return torch.equal(mine.images, theirs.images)


class _Bytes:
    """A place of one file."""

    name = "bytes"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def ranges(self, file: str, ranges: list[tuple[int, int]], fresh: bool = False) -> list[bytes]:
        return [self.data[start : start + size] for start, size in ranges]


@settings(deadline=None)
@given(
    st.integers(0, 400_000), st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 200_000)))
)
def test_a_file_read_by_blocks_is_the_file(size: int, reads: list[tuple[int, int]]) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    file = RangeFile(_Bytes(data[:size]), IndexFile("x", size))  # type: ignore[arg-type]
    for start, count in reads:
        file.seek(start)
        assert file.read(count) == data[:size][start : start + count]
    file.seek(0)
    assert file.read() == data[:size]


def test_the_commands_take_a_url(url: str, manners: Manners) -> None:
    for command, told in (("show", "not counted behind a URL"), ("verify", "is whole")):
        ran = CliRunner().invoke(thbench, ["data", command, url])
        assert ran.exit_code == 0, ran.output
        assert told in ran.output
    sent = {path for path, *_ in manners.requests}
    shown = CliRunner().invoke(thbench, ["data", "show", url, "--json"])
    assert json.loads(shown.output)["landmarks_outside"] is None
    assert sent >= {"/data/shards/00005.tar", "/data/index/00005.parquet"}
