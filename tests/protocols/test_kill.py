"""A run that is killed again and again, at moments of its own choosing, ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = int(os.environ.get("THBENCH_TEST_KILLS", "3"))


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from cli import main; main()", "run-protocol", "--dataset", "synth:64",
               "--T", "1", "4", "--methods", "copy-nearest", "--metrics", "l1", "ssim",
               "--videos", "8", "--holdout", "4", "--device", "cpu", "--workers", "1", "--out", str(out)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})


def results(out: Path) -> dict[str, bytes]:
    """Every byte that a finished run must repeat."""
    files = [*(out / "images").rglob("*.*"), out / "frames.parquet", out / "summary.json"]
    return {str(file.relative_to(out)): file.read_bytes() for file in files if file.is_file()}


def written(out: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(out))   # folders may vanish meanwhile


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    assert start(tmp_path / "quiet").wait(timeout=300) == 0
    total, out, dice = written(tmp_path / "quiet"), tmp_path / "killed", random.Random(0)
    killed = 0
    for _ in range(KILLS):
        # Moments are numbers of files, not seconds: on a slow machine they lie all over the run as well.
        moment, process = written(out) + dice.randint(1, max(1, total // KILLS)), start(out)
        while process.poll() is None and written(out) < moment:
            time.sleep(0.002)
        time.sleep(dice.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed > KILLS // 2
    assert start(out).wait(timeout=300) == 0
    assert results(out) == results(tmp_path / "quiet")
