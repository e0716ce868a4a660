"""Episodes a second from plain files, the prepared store and mp4, side by side; and what an episode
costs with 100 to 150,000 videos.

    python benchmarks/store_speed.py [--videos FOLDER] [--out benchmarks/results/store_speed.json]

An episode is nine frames of one video (K = 8) and their landmarks, read and decoded at 256 pixels.
All ways hold the same frames of the same clips and take turns in one process: the plain files are
those of the store, unpacked, and the landmarks one array a video. FOLDER holds clips in VoxCeleb2's
layout; without it synthetic heads are rendered. Landmarks are drawn at random: nothing here depends
on where they are.
"""

from __future__ import annotations

import argparse
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from store_scale import write_store

from thbench.data.dataset import Dataset, Video
from thbench.data.episodes import EpisodeSampler
from thbench.data.open import open_dataset
from thbench.data.prepare.extract import Recipe
from thbench.data.prepare.listing import list_source
from thbench.data.prepare.prepare import prepare
from thbench.data.splits import SplitRule
from thbench.data.store.prepared import PreparedStore
from thbench.data.synthetic.export import export_synth
from thbench.data.video import read_timeline
from thbench.environment import hardware, versions
from thbench.files import write_json
from thbench.method import Frames

SHOTS, EPISODES_AT_ONCE = 8, 20
COUNTS = (100, 1_000, 10_000, 150_000)
Read = Callable[[Video, Sequence[int]], Frames]


@dataclass(frozen=True)
class Row:
    """Median wall and CPU milliseconds of an episode, and the spread of the rounds' wall times."""

    what: str
    wall_ms: float
    wall_spread_ms: tuple[float, float]
    cpu_ms: float
    episodes_per_s: float
    megabytes: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        ways = by_way(Path(folder), options.videos, options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        counts = by_count(Path(folder), options.counts, options.rounds)

    for row in (*ways, *counts):
        print(
            f"{row.what:34} {row.wall_ms:7.2f} ms an episode (CPU {row.cpu_ms:6.2f})  "
            f"{row.episodes_per_s:7.1f} a second  {row.megabytes:7.2f} MB"
        )
    result = {
        "clips_from": "files" if options.videos else "synthetic heads",
        "load_average": os.getloadavg(),
        "ways": [asdict(row) for row in ways],
        "number_of_videos": [asdict(row) for row in counts],
    }
    if options.out:
        write_json(options.out, {**result, "hardware": hardware(), "versions": versions()})


def by_way(folder: Path, videos: Path | None, rounds: int) -> list[Row]:
    """Plain files, stores of JPEG and of PNG, and mp4, with the same episodes in each round."""
    source = videos or folder / "source"
    if videos is None:
        export_synth("vox2", source, persons=6, videos=2, frames=50, size_px=224)
    random_landmarks(source, folder / "landmarks")

    stores = {
        "store, JPEG": {},
        "store, PNG": {"lossless": True},
        "mp4, not prepared": {"in_videos": True},
    }
    readers: dict[str, Read] = {}
    sizes: dict[str, float] = {}
    for number, (what, chosen) in enumerate(stores.items()):
        out = folder / f"store{number}"
        landmarks = f"import:{folder / 'landmarks'}"
        recipe = Recipe("vox-mp4", landmarks=landmarks, **chosen)  # type: ignore[arg-type]
        prepare(source, out, recipe, SplitRule(test_fraction=0))
        dataset = open_dataset(str(out))
        readers[what], sizes[what] = dataset.read, megabytes(out)
        if number == 0:
            jpegs = dataset
            readers["plain files, JPEG"] = plain_files(out, dataset, folder / "plain")
            sizes["plain files, JPEG"] = megabytes(folder / "plain")
    sizes["mp4, not prepared"] += megabytes(source)

    sampler = EpisodeSampler(jpegs, SHOTS, seed=0)
    return in_turns({what: (read, sampler) for what, read in readers.items()}, rounds, sizes)


def by_count(folder: Path, counts: Sequence[int], rounds: int) -> list[Row]:
    """A store of each number of videos of three tiny frames: sampling and reading two of them."""
    readers: dict[str, tuple[Read, EpisodeSampler]] = {}
    for count in counts:
        write_store(folder / str(count), count)
        dataset = PreparedStore(folder / str(count))
        readers[f"{count} videos of tiny frames"] = (dataset.read, EpisodeSampler(dataset, 2, 0))
    return in_turns(readers, rounds, {})


def in_turns(
    readers: dict[str, tuple[Read, EpisodeSampler]], rounds: int, sizes: dict[str, float]
) -> list[Row]:
    timed: dict[str, list[tuple[float, float]]] = {what: [] for what in readers}
    for episodes in range(rounds + 1):
        for what, (read, sampler) in readers.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for step in range(EPISODES_AT_ONCE):
                _, video, frames = sampler.draw(episodes * EPISODES_AT_ONCE + step, 0)
                read(video, frames)
            spent = time.perf_counter() - wall, time.process_time() - cpu
            if episodes:  # the first round warms up
                timed[what].append((spent[0] / EPISODES_AT_ONCE, spent[1] / EPISODES_AT_ONCE))
    return [row(what, times, sizes.get(what, 0.0)) for what, times in timed.items()]


def row(what: str, times: list[tuple[float, float]], size_mb: float) -> Row:
    walls, cpus = (np.array(column) * 1000 for column in zip(*times, strict=True))
    low, high = np.percentile(walls, [25, 75])
    wall_ms = float(np.median(walls))
    spread = (float(low), float(high))
    return Row(what, wall_ms, spread, float(np.median(cpus)), 1000 / wall_ms, size_mb)


def random_landmarks(source: Path, folder: Path) -> None:
    """One face in the middle of every frame, as files for `import:`."""
    listing = list_source("vox-mp4", source)
    for video in listing.videos:
        for clip in video.clips:
            frames = len(read_timeline(listing.root / clip.path))
            points = np.random.default_rng(frames).uniform(60, 160, (frames, 68, 2))
            file = (folder / clip.path).with_suffix(".npy")
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, points.astype(np.float32))


def plain_files(store: Path, dataset: Dataset, folder: Path) -> Read:
    """The store unpacked: a file for each frame, an array of landmarks for each video."""
    for shard in store.glob("shards/*.tar"):
        with tarfile.open(shard) as tar:
            tar.extractall(folder, filter="data")
    names = {}
    for video in dataset.videos:
        names[video.key] = [f"{name}.jpg" for name in dataset.frame_names(video)]
        landmarks = dataset.read(video, range(video.n_frames)).landmarks.numpy()
        np.save(folder / video.key / "landmarks.npy", landmarks)

    def read(video: Video, frames: Sequence[int]) -> Frames:
        root, files = folder / video.key, names[video.key]
        paths = [str(root / files[frame]) for frame in frames]
        images = [np.asarray(cv2.imread(path, cv2.IMREAD_COLOR_RGB)) for path in paths]
        landmarks = np.load(root / "landmarks.npy")[list(frames)]
        stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
        return Frames(stacked, torch.from_numpy(landmarks))

    return read


def megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


if __name__ == "__main__":
    main()
