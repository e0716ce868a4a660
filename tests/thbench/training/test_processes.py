"""A training in two processes that is killed, asked to stop and resumed: nothing is lost, and the
losses are those of a training that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.processes import Family, start

from thbench.training import checkpoints
from thbench.training.start import start_training

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]
STEPS = 6
TINY = {
    "net.channels": 8,
    "net.max_channels": 16,
    "net.embedding": 16,
    "net.bottleneck_px": 16,
    "net.attention_down_px": 16,
    "net.attention_up_px": 16,
    "warmup_steps": 0,
    "batch": 2,
    "shots": 1,
    "shots_min": "none",
    "ema": 0.9,
    "discriminator_steps": 1,
}


def begin(out: Path, *options: str) -> Family:
    settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    options = ("--accelerator", "cpu", "--workers", "0", "--quiet", *options)
    dataset = ("--dataset", "synth:64", "--preset", "small")
    every = ["--checkpoint-every", "2", "--steps", str(STEPS), "--out", str(out)]
    return start(["train", "ours", *dataset, *settings, *every, *options], stderr=-1)


def finish(family: Family) -> tuple[int, str]:
    """The exit code, and what was said."""
    try:
        _, told = family.process.communicate(timeout=600)
        assert family.left_after(5) == []
        return family.process.returncode, told.decode()
    finally:
        family.end()


def await_step(family: Family, out: Path, step: int) -> None:
    while len(losses(out, 0)) < step:
        assert family.process.poll() is None, family.process.communicate()
        time.sleep(0.02)


def await_resumed(family: Family, out: Path, step: int) -> None:
    """Until the steps after the checkpoint of `step` are dropped, and one is taken again."""
    while len(losses(out, 0)) > step:
        assert family.process.poll() is None, family.process.communicate()
        time.sleep(0.02)
    await_step(family, out, step + 1)


def losses(out: Path, rank: int) -> Sequence[dict[str, float]]:
    file = out / f"losses.rank{rank}.jsonl"
    whole = file.read_text().rpartition("\n")[0].splitlines() if file.exists() else []
    return [json.loads(line) for line in whole]


def other_process(family: Family) -> int:
    (other,) = [member for member in family.members() if member != family.process.pid]
    return other


def test_two_processes_go_on_to_the_same_losses_after_a_kill_and_a_stop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    quiet = begin(undisturbed, "--devices", "2")
    killed = begin(out, "--devices", "2")

    await_step(killed, out, 3)
    os.kill(other_process(killed), signal.SIGKILL)
    begun = time.monotonic()
    code, told = finish(killed)
    assert time.monotonic() - begun < 60
    assert code == 1
    assert "process 1 (number" in told.splitlines()[-1]
    assert "was ended by SIGKILL, perhaps for lack of memory" in told.splitlines()[-1]
    assert told.splitlines()[-1].endswith("run the same command with --resume")
    assert finish(quiet)[0] == 0

    stopped = begin(out, "--devices", "2", "--resume")
    newest = checkpoints.latest(out / "checkpoints")
    assert newest is not None
    await_resumed(stopped, out, newest.step)
    os.kill(other_process(stopped), signal.SIGUSR1)
    code, told = finish(stopped)
    newest = checkpoints.latest(out / "checkpoints")
    assert newest is not None
    assert code == 128 + signal.SIGUSR1
    assert told.splitlines()[-1].startswith(
        f"stopped: SIGUSR1 came; the checkpoint of step {newest.step} of {STEPS} is in"
    )

    assert finish(begin(out, "--devices", "2", "--resume"))[0] == 0
    for rank in range(2):
        assert losses(out, rank) == losses(undisturbed, rank)
        assert [line["step"] for line in losses(out, rank)] == list(range(1, STEPS + 1))
    assert losses(out, 0) != losses(out, 1)
    model = "model.safetensors"
    assert (out / model).read_bytes() == (undisturbed / model).read_bytes()

    # Any other number of processes goes on, too.
    start_training(
        "ours",
        "synth:64",
        out,
        preset="small",
        settings=[f"{name}={value}" for name, value in TINY.items()],
        steps=STEPS + 1,
        workers=0,
        accelerator="cpu",
        resume=True,
    )
    assert "2 processes wrote the checkpoint, 1 goes on" in capsys.readouterr().err
    assert [line["step"] for line in losses(out, 0)] == list(range(1, STEPS + 2))
    assert [line["step"] for line in losses(out, 1)] == list(range(1, STEPS + 1))
