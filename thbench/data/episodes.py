"""Episodes of K-shot learning: stateless, so that any step can be drawn again exactly."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from thbench.data.dataset import Dataset, Video, videos_of
from thbench.data.landmarks.image import drawn
from thbench.data.video_table import frame_counts
from thbench.errors import ThbenchError
from thbench.freed_memory import keep_freed_memory
from thbench.workers import end_with_parent


@dataclass(frozen=True)
class Episodes:
    """A batch of episodes: K shots and one target frame of one video each.

    shots, shot_landmarks: uint8 [B, K, 3, S, S]; target, target_landmarks: uint8 [B, 3, S, S]; the
    landmarks are landmark images. video: int64 [B], the row of W.
    """

    shots: Tensor
    shot_landmarks: Tensor
    target: Tensor
    target_landmarks: Tensor
    video: Tensor

    def to(self, device: torch.device) -> Episodes:
        """On the device; from pinned memory the copy goes on while the caller does."""
        return Episodes(*(tensor.to(device, non_blocking=True) for tensor in self._tensors()))

    def pin_memory(self) -> Episodes:
        """In memory that a GPU reads by itself; the loader calls it in a thread of its own."""
        return Episodes(*(tensor.pin_memory() for tensor in self._tensors()))

    def split(self, parts: int) -> list[Episodes]:
        """Equal micro-batches, for gradient accumulation."""
        chunks = [tensor.chunk(parts) for tensor in self._tensors()]
        return [Episodes(*chunk) for chunk in zip(*chunks, strict=True)]

    def _tensors(self) -> list[Tensor]:
        return [getattr(self, name) for name in self.__dataclass_fields__]


class EpisodeSampler:
    """Which frames each episode takes, as a pure function of (seed, step, slot).

    A training video is drawn uniformly, then a target frame t and K frames s_1..s_K, all distinct
    and never t (section 3.2). A video with fewer than K + 1 frames repeats shots, still never the
    target; a video with a single frame cannot make an episode and is left out (`left_out`). With
    several processes, process r draws from the videos r, r + world, ... only, so that each row of W
    is trained by one process's discriminator.
    """

    def __init__(
        self, dataset: Dataset, shots: int, seed: int, rank: int = 0, world: int = 1
    ) -> None:
        self.shots, self.seed, self.rank = shots, seed, rank
        self.training = videos_of(dataset, "train")

        usable = np.flatnonzero(frame_counts(self.training) >= 2)
        self.left_out = len(self.training) - len(usable)

        self.rows: list[int] = usable[rank::world].tolist()
        if not self.rows:
            raise ThbenchError(
                f"{dataset.name} has {len(usable)} training videos of 2 or more frames, "
                f"process {rank} of {world} needs at least one; prepare more videos or use fewer "
                "processes"
            )

    def draw(self, step: int, slot: int) -> tuple[int, Video, list[int]]:
        """(row of W, video, [target, s_1, ..., s_K]) of one episode."""
        random = np.random.default_rng([self.seed, self.rank, step, slot])
        row = self.rows[random.integers(len(self.rows))]
        video = self.training[row]

        target = int(random.integers(video.n_frames))
        n_others = video.n_frames - 1
        others = random.choice(n_others, self.shots, replace=n_others < self.shots)
        shots = [int(frame) + (frame >= target) for frame in others]  # numbered past the target
        return row, video, [target, *shots]


class EpisodeBatches(TorchDataset[Episodes]):
    """Item `step` is the whole batch of that step, read and drawn by one worker of the loader."""

    def __init__(
        self, dataset: Dataset, sampler: EpisodeSampler, batch: int, pupils: bool = False
    ) -> None:
        """pupils: whether landmark images show them. Raises `ThbenchError` where a first frame has
        none.
        """
        self.dataset, self.sampler, self.batch = dataset, sampler, batch
        self.pupils = pupils
        if pupils:
            drawn(dataset.read(sampler.training[0], [0]), pupils)

    def __getitem__(self, step: int) -> Episodes:
        rows, images, landmarks = [], [], []
        for slot in range(self.batch):
            row, video, frames = self.sampler.draw(step, slot)
            read = self.dataset.read(video, frames)
            rows.append(row)
            images.append(read.images)
            landmarks.append(drawn(read, self.pupils))

        x, y = torch.stack(images), torch.stack(landmarks)
        return Episodes(
            shots=x[:, 1:],
            shot_landmarks=y[:, 1:],
            target=x[:, 0],
            target_landmarks=y[:, 0],
            video=torch.tensor(rows),
        )


_READER_KILLED = (
    "a process that reads frames was killed, perhaps for lack of memory: "
    "go on with --resume, and with fewer --workers if it happens again"
)


def episode_loader(
    batches: EpisodeBatches, first_step: int, last_step: int, workers: int, pinned: bool = False
) -> Iterator[Episodes]:
    """The batches of steps first_step .. last_step - 1, in order, whatever the number of workers.

    pinned: for batches that go to a GPU. The workers end with this process. Raises `ThbenchError`
    when one of them is killed.
    """
    # A generator of its own: the loader must not draw from the stream that a resumed training goes
    # on with.
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(first_step, last_step),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),
        pin_memory=pinned,
        worker_init_fn=partial(_begin_worker, os.getpid()),
    )

    try:
        yield from loader
    except RuntimeError as error:  # all that torch has for it
        if not str(error).startswith("DataLoader worker"):
            raise
        raise ThbenchError(_READER_KILLED) from None
    except (ConnectionError, EOFError):  # killed in the middle of handing over a batch
        raise ThbenchError(_READER_KILLED) from None


def _begin_worker(parent: int, number: int) -> None:
    end_with_parent(parent)
    keep_freed_memory()
    # A cluster sends them to all processes; the training still takes a step, and then ends these.
    for stop in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(stop, signal.SIG_IGN)
