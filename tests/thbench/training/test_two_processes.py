"""Meta-learning in two processes: E and G are one network, each discriminator its own (appendix A.4)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TWO_PROCESSES = """
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from tiny import TINY, FewHeads
from thbench.data.episodes import EpisodeBatches, EpisodeSampler
from thbench.training.meta import OursTrainer

fabric = Fabric(accelerator="cpu", devices=2, strategy=DDPStrategy(broadcast_buffers=False))
fabric.launch()
torch.manual_seed(fabric.global_rank)
dataset = FewHeads()
sampler = EpisodeSampler(dataset, TINY.shots, 0, fabric.global_rank, 2)
training = OursTrainer(TINY, 3, fabric)
for step in range(2):
    training.step(EpisodeBatches(dataset, sampler, 2)[step].split(2))
for module in (training.embedder, training.generator, training.discriminator):
    weights = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    both = fabric.all_gather(weights)
    if fabric.global_rank == 0:
        print("equal" if torch.equal(both[0], both[1]) else "different")
"""


@pytest.mark.slow
def test_embedder_and_generator_stay_equal_and_discriminators_differ(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False,
                         env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"})
    assert ran.stdout.split()[-3:] == ["equal", "equal", "different"], ran.stderr[-2000:]
