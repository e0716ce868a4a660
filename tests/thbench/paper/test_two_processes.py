"""Meta-learning in two processes: E and G are one network, each discriminator its own after an
equal start (A.4).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Prints, after each of 0 and 2 steps, which networks both processes have in common.
TWO_PROCESSES = """
import sys
from dataclasses import replace

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from support.datasets import few_heads
from support.tiny import TINY
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.paper.meta import OursTrainer

fabric = Fabric(accelerator="cpu", devices=2, strategy=DDPStrategy(broadcast_buffers=False))
fabric.launch()
torch.manual_seed(fabric.global_rank)
dataset = few_heads()
sampler = EpisodeSampler(dataset, TINY.shots, 0, fabric.global_rank, 2)
training = OursTrainer(replace(TINY, sync_discriminator=sys.argv[1] == "sync"), 3, fabric)


def equal(module):
    both = fabric.all_gather(torch.cat([value.flatten() for value in module.state_dict().values()]))
    return torch.equal(both[0], both[1])


for steps in (0, 2):
    for step in range(steps):
        training.step(EpisodeBatches(dataset, sampler, 2)[step].split(2))
    for module in (training.embedder, training.generator, training.discriminator):
        answer = equal(module)
        if fabric.global_rank == 0:
            print("equal" if answer else "different")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("option", "after"), [("own", "different"), ("sync", "equal")])
def test_embedder_and_generator_stay_equal_and_discriminators_start_equal(tmp_path, option, after):
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    ran = subprocess.run(
        [sys.executable, str(script), option],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            ),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert ran.stdout.split()[-6:] == ["equal"] * 5 + [after], ran.stderr[-2000:]
