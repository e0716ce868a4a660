"""Work whose parent process is killed again and again ends as if nothing had happened.

There are two workers, and only the parent is killed. THBENCH_TEST_KILLS=20 kills as often; once
is what keeps the test short.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.prepared_samples import make_frames
from support.processes import Family, start

KILLS = int(os.environ.get("THBENCH_TEST_KILLS", "1"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]


@dataclass(frozen=True)
class Work:
    """A command that reads `root.parent` and writes `root`, and what must survive a kill there."""

    arguments: Callable[[Path], Sequence[str]]
    result: str  # the folder of the bytes that must repeat
    committed: Sequence[str]  # globs of files that are not written again


RUN = Work(
    lambda root: [
        "run-protocol",
        "--dataset",
        "synth:64",
        "--T",
        "1",
        "4",
        "--methods",
        "copy-nearest",
        "--metrics",
        "l1",
        "ssim",
        "--videos",
        "8",
        "--holdout",
        "4",
        "--device",
        "cpu",
        "--workers",
        "2",
        "--out",
        f"{root}/run",
    ],
    "run",
    ["units/**/*.json"],
)
SCORE = Work(
    lambda root: [
        "score",
        f"{root}/run",
        "--metrics",
        "l1",
        "ssim",
        "psnr",
        "--device",
        "cpu",
        "--workers",
        "2",
    ],
    "run",
    ["units/**/*.json"],
)  # scores that no record vouches for yet are made again
PACK = Work(
    lambda root: [
        "data",
        "pack",
        "synth:64",
        f"{root}/store",
        "--videos",
        "1",
        "--frames",
        "2",
        "--workers",
        "2",
    ],
    "store",
    [],
)
PREPARE = Work(
    lambda root: [
        "prepare",
        "frames",
        f"{root.parent}/frames",
        f"{root}/store",
        "--size",
        "48",
        "--crop",
        "as-is",
        "--lossless",
        "--landmarks",
        f"import:{root.parent}/landmarks",
        "--workers",
        "2",
    ],
    "store",
    [],
)


def contents(folder: Path) -> dict[str, bytes]:
    """Every byte that must repeat: not the commit marks and run.json, which hold times."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "run.json"]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in files
        if "units" not in file.relative_to(folder).parts
    }


def written(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))  # folders may vanish meanwhile


def committed(folder: Path, work: Work) -> dict[Path, int]:
    """Files that are not to be written again, with their times."""
    files = [file for pattern in work.committed for file in folder.glob(pattern)]
    shards = [folder / "shards" / f"{mark.stem}.tar" for mark in folder.glob("parts/*.json")]
    return {file: file.stat().st_mtime_ns for file in [*files, *shards]}


def finish(work: Work, root: Path) -> None:
    family = start(work.arguments(root))
    try:
        assert family.process.wait(timeout=600) == 0
    finally:
        family.end()


def kill_at_some_moment(family: Family, folder: Path, dice: random.Random, most: int) -> bool:
    """Kills the parent while its workers begin, or some files later; False when it had ended."""
    if dice.random() < 0.3:
        while len(family.members()) < 3 and family.process.poll() is None:
            time.sleep(0.002)
        time.sleep(dice.random())
    else:
        # Numbers of files, not seconds: on a slow machine they lie all over the work as well.
        moment = written(folder) + dice.randint(1, most)
        while family.process.poll() is None and written(folder) < moment:
            time.sleep(0.002)
        time.sleep(dice.random() * 0.02)
    family.process.send_signal(signal.SIGKILL)
    return family.process.wait() == -signal.SIGKILL


def check(work: Work, quiet: Path, killed: Path, files: int) -> None:
    """Kills `work` in the folder `killed` again and again and compares with `quiet`."""
    dice, folder, kills = random.Random(KILLS), killed / work.result, 0

    for _ in range(KILLS):
        family = start(work.arguments(killed))
        try:
            kills += kill_at_some_moment(family, folder, dice, max(1, 2 * files // KILLS))
            assert family.left_after(60) == []
        finally:
            family.end()
    kept = committed(folder, work)

    finish(work, killed)
    assert contents(folder) == contents(quiet / work.result)
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    print(f"{work.arguments(killed)[0]}: {kills} of {KILLS} kills came before the end")
    assert kills > KILLS // 3


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(RUN, folder)
    return folder


def test_a_killed_run_leaves_no_process_and_goes_on_to_the_same_bytes(
    undisturbed: Path, tmp_path: Path
) -> None:
    check(RUN, undisturbed, tmp_path / "killed", written(undisturbed / "run"))


def test_killed_scoring_leaves_no_process_and_goes_on_to_the_same_bytes(
    undisturbed: Path, tmp_path: Path
) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    shutil.copytree(undisturbed, killed)
    shutil.rmtree(killed / "run/scores")
    shutil.copytree(undisturbed, quiet)
    finish(SCORE, quiet)

    check(SCORE, quiet, killed, written(quiet / "run/scores"))


@pytest.mark.parametrize("work", [PACK, PREPARE], ids=["pack", "prepare"])
def test_a_killed_writer_of_stores_leaves_no_process_and_goes_on_to_the_same_bytes(
    work: Work, tmp_path: Path
) -> None:
    quiet, killed = tmp_path / "quiet", tmp_path / "killed"
    make_frames(tmp_path, persons=32, videos=2, frames=8)
    finish(work, quiet)

    check(work, quiet, killed, written(quiet / work.result))
