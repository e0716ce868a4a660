"""A prepared store of a million clips: how large its index is, how fast it opens, what it holds in
memory, and how many random episodes a second it gives: from disk, from `memory://` and over HTTP
from a server that is slow and fails now and then.

    python benchmarks/store_scale.py FOLDER [--clips 1000000] [--out benchmarks/results/FILE.json]

Writes about 7 GB into FOLDER for a million clips, and deletes them unless --keep. Every clip is a
video of three frames, which are noise of 16 pixels: what is measured is what is done per clip, not
decoding. Each figure comes from a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.slow_server import Manners, serving  # type: ignore[import-not-found]

from thbench.data.episodes import EpisodeSampler
from thbench.data.prepare.finish import finish
from thbench.data.splits import SplitRule
from thbench.data.store.format import DROPPED_SCHEMA, SCHEMA, shard_file
from thbench.data.store.prepared import PreparedStore
from thbench.data.store.shards import ShardMark, is_committed, write_table
from thbench.environment import hardware, versions
from thbench.files import atomic_path, sha256_file, write_json

FRAMES, SIZE_PX, SHOTS = 3, 16, 2
VIDEOS_PER_SHARD, VIDEOS_PER_PERSON, PERSONS_PER_SHARD = 256, 128, 2
PICTURES = 64  # different ones
BLOCK = tarfile.BLOCKSIZE
UNSPLIT = SCHEMA.remove(SCHEMA.get_field_index("split"))


@dataclass(frozen=True)
class Opened:
    """Of a process that opens the store and draws episodes.

    open_s: until it can be read. held_bytes: resident memory more than before it was opened, right
    after; grown_bytes: after the episodes, their working set and caches among it. setup_s, setup
    memory: of the sampler of episodes over all videos.
    """

    where: str
    clips: int
    open_s: float
    held_bytes: int
    bytes_per_clip: float
    sampler_s: float
    with_sampler_bytes_per_clip: float
    episodes: int
    episodes_per_s: float
    episodes_per_cpu_s: float
    again_per_s: float
    grown_bytes: int
    requests: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--episodes", type=int, default=3000)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        warm = options.folder / "part"
        print(json.dumps(asdict(measure(options.measure, warm, options.episodes))))
        return

    large, part = options.folder / "large", options.folder / "part"
    written_s = write_store(large, options.clips)
    write_store(part, min(options.clips, 20 * VIDEOS_PER_SHARD))
    index = [large / "videos.parquet", large / "dataset.json", *large.glob("index/*.parquet")]

    rows = [
        measured(str(large), options.folder, options.episodes),
        measured(f"memory:{part}", options.folder, options.episodes),
        over_http(large, options.episodes // 20),
    ]
    for row in rows:
        print(row)
    sizes = {file.name: file.stat().st_size for file in index[:2]}
    result = {
        "clips": options.clips,
        "frames": options.clips * FRAMES,
        "write_s": written_s,
        "bytes": {
            **sizes,
            "index": sum(file.stat().st_size for file in index[2:]),
            "shards": sum(file.stat().st_size for file in large.glob("shards/*.tar")),
        },
        "load_average": os.getloadavg(),
        "rows": rows,
    }
    print(json.dumps(result["bytes"]))
    if options.out:
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})
    if not options.keep:
        shutil.rmtree(options.folder)


def measured(where: str, folder: Path, episodes: int) -> dict[str, object]:
    """`measure` in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--measure", where]
    command += ["--episodes", str(episodes)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return row


def over_http(folder: Path, episodes: int) -> dict[str, object]:
    """From a server that takes 20 ms for each answer and fails at one of fifty requests."""
    manners = Manners(delay_s=0.02, fails=0.02)
    os.environ["THBENCH_CACHE"] = str(folder.parent / "cache")
    with serving(folder.parent, manners) as url:
        row = measured(f"{url}/{folder.name}", folder.parent, episodes)
    return {**row, "where": "http, 20 ms, 2 % failures", "requests": len(manners.requests)}


def measure(where: str, warm: Path, episodes: int) -> Opened:
    """Opens a store and draws random episodes from it, two times the same ones.

    warm: a small store that is read first, so that what is imported does not count.
    """
    small = PreparedStore(warm)
    small.read(small.videos[0], [0])
    location = in_memory(Path(where.removeprefix("memory:"))) if "memory:" in where else where
    before = resident_bytes()

    started = time.perf_counter()
    store = PreparedStore(location)
    open_s, held = time.perf_counter() - started, resident_bytes() - before

    started = time.perf_counter()
    sampler = EpisodeSampler(store, SHOTS, seed=0)
    sampler_s, with_sampler = time.perf_counter() - started, resident_bytes() - before

    seconds, cpu_s = draw(store, sampler, episodes)
    again_s, _ = draw(store, sampler, episodes)
    clips = len(store.videos)
    return Opened(
        where.split("/")[0] or "disk",
        clips,
        open_s,
        held,
        held / clips,
        sampler_s,
        with_sampler / clips,
        episodes,
        episodes / seconds,
        episodes / cpu_s,
        episodes / again_s,
        resident_bytes() - before,
    )


def draw(store: PreparedStore, sampler: EpisodeSampler, episodes: int) -> tuple[float, float]:
    """Wall and CPU seconds of so many episodes."""
    wall, cpu = time.perf_counter(), time.process_time()
    for step in range(episodes):
        _, video, frames = sampler.draw(step, 0)
        store.read(video, frames)
    return time.perf_counter() - wall, time.process_time() - cpu


def in_memory(folder: Path) -> str:
    import fsspec

    memory = fsspec.filesystem("memory")
    for file in folder.rglob("*"):
        if file.is_file():
            memory.pipe_file(f"/scale/{file.relative_to(folder).as_posix()}", file.read_bytes())
    return "memory://scale"


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def write_store(out: Path, clips: int) -> float | None:
    """Writes the files of the shards as `thbench prepare` lays them out, then finishes as it does;
    the seconds that took, None where the store was there.

    Begun again after a kill, it goes on with the shards that are missing.
    """
    if (out / "dataset.json").exists():
        return None
    started = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)
    shards = -(-clips // VIDEOS_PER_SHARD)
    pictures = encoded_pictures()

    for shard in range(shards):
        if not is_committed(out, shard):
            count = min(VIDEOS_PER_SHARD, clips - shard * VIDEOS_PER_SHARD)
            write_shard(out, shard, count, pictures)

    recipe = {"layout": "noise", "size_px": SIZE_PX, "lossless": False}
    finish(out, shards, recipe, {"source": "noise"}, SplitRule(test_fraction=0), [])
    return time.perf_counter() - started


def encoded_pictures() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (PICTURES, SIZE_PX, SIZE_PX, 3), np.uint8)
    return [bytes(cv2.imencode(".jpg", image)[1]) for image in noise]


def write_shard(out: Path, shard: int, count: int, pictures: list[bytes]) -> None:
    names = [
        (f"p{shard * PERSONS_PER_SHARD + n // VIDEOS_PER_PERSON:07d}", f"v{shard:05d}-{n:05d}", f)
        for n in range(count)
        for f in range(FRAMES)
    ]
    chosen = np.random.default_rng(shard).integers(0, PICTURES, len(names))
    tar, offsets = tar_of(names, [pictures[picture] for picture in chosen])
    (out / shard_file(shard)).parent.mkdir(exist_ok=True)
    with atomic_path(out / shard_file(shard)) as temporary:
        temporary.write_bytes(tar)

    write_table(
        out / f"parts/{shard:05d}.rows.parquet", rows_of(shard, names, offsets, pictures, chosen)
    )
    write_table(out / f"parts/{shard:05d}.dropped.parquet", DROPPED_SCHEMA.empty_table())
    digests = [
        sha256_file(out / f"parts/{shard:05d}.{what}.parquet") for what in ("rows", "dropped")
    ]
    ShardMark(hashlib.sha256(tar).hexdigest(), *digests).write(out, shard)


def tar_of(
    names: list[tuple[str, str, int]], encoded: list[bytes]
) -> tuple[bytes, NDArray[np.int64]]:
    """An uncompressed tar and where each member's bytes begin in it."""
    parts, offsets, at = [], [], 0
    headers: dict[int, bytes] = {}
    for (person, video, frame), data in zip(names, encoded, strict=True):
        if len(data) not in headers:
            member = tarfile.TarInfo("")
            member.size = len(data)
            headers[len(data)] = member.tobuf(tarfile.PAX_FORMAT)
        name = f"{person}/{video}/c/{frame}.jpg".encode()
        header = bytearray(headers[len(data)])
        header[: len(name)] = name
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        padded = data + bytes(-len(data) % BLOCK)
        parts += [bytes(header), padded]
        offsets.append(at + BLOCK)
        at += BLOCK + len(padded)
    return b"".join(parts) + bytes(2 * BLOCK), np.array(offsets)


def rows_of(
    shard: int,
    names: list[tuple[str, str, int]],
    offsets: NDArray[np.int64],
    pictures: list[bytes],
    chosen: NDArray[np.int64],
) -> pa.Table:
    import zlib

    count = len(names)
    random = np.random.default_rng(shard)
    sizes = np.array([len(picture) for picture in pictures])
    checks = np.array([zlib.crc32(picture) for picture in pictures], np.uint32)

    def lists(values: NDArray[np.float32] | NDArray[np.int32], length: int) -> pa.Array:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), length)

    columns = {
        "person": [person for person, _, _ in names],
        "video": [video for _, video, _ in names],
        "clip": ["c"] * count,
        "frame": [str(frame) for _, _, frame in names],
        "crop": lists(np.zeros((count, 3), np.int32), 3),
        "box": lists(np.zeros((count, 4), np.float32), 4),
        "faces": pa.array(np.ones(count, np.int16)),
        "landmarks": lists(random.uniform(0, 16, (count, 136)).astype(np.float32), 136),
        "landmark_source": ["noise"] * count,
        "shard": pa.array(np.full(count, shard, np.int32)),
        "offset": pa.array(offsets),
        "size": pa.array(sizes[chosen].astype(np.int32)),
        "crc32": pa.array(checks[chosen]),
        "time_s": pa.array(np.tile(np.arange(FRAMES) / 25, count // FRAMES)),
        "pupils": pa.nulls(count, SCHEMA.field("pupils").type),
    }
    return pa.table(columns).cast(UNSPLIT)


if __name__ == "__main__":
    main()
