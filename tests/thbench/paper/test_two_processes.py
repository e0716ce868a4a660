"""Meta-learning in several processes: E and G are one network, each discriminator its own after an
equal start (A.4).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Prints how far the gradients of E and G are from those of one process on all episodes, as a share
# of the largest, in double precision: a ReLU or an L1 that rounding tips over would hide an error;
# then, after each of 0 and 2 steps, which networks all processes have in common.
PROCESSES = """
import copy
import sys
from dataclasses import replace

import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy
from support.datasets import FakeDataset, held, synthetic_heads
from support.tiny import TINY
from thbench.data.dataset import videos_of
from thbench.data.episodes import EpisodeBatches, Episodes, EpisodeSampler
from thbench.data.synthetic import synth
from thbench.images import to_signed
from thbench.paper import meta
from thbench.paper.meta import OursTrainer
from thbench.paper.nets.discriminator import VideoEmbeddings
from thbench.training.trainer import VideoShare

torch.set_default_dtype(torch.float64)
meta.to_signed = lambda images: to_signed(images).double()
option, processes = sys.argv[1], int(sys.argv[2])
fabric = Fabric(
    accelerator="cpu", devices=processes, strategy=DDPStrategy(broadcast_buffers=False)
)
fabric.launch()
torch.manual_seed(fabric.global_rank)
videos = [replace(video, n_frames=6) for video in videos_of(synth(64), "train")[::5][:5]]
dataset = held(FakeDataset(videos, synthetic_heads))
sampler = EpisodeSampler(dataset, TINY.shots, 0, fabric.global_rank, processes)
config = replace(TINY, sync_discriminator=option == "sync")
training = OursTrainer(config, VideoShare(sampler.rows, 5), fabric)
training.content.double()
batches = EpisodeBatches(dataset, sampler, 2)


def equal(module):
    flat = torch.cat([value.flatten() for value in module.state_dict().values()])
    return all(torch.equal(one, flat) for one in fabric.all_gather(flat))


def gradients(training, part):
    fake, embeddings = training._reconstruct(part)
    training._take_gradients(fake, embeddings, part, warm_up=False, share=1.0)
    parameters = [*training.embedder.parameters(), *training.generator.parameters()]
    return torch.cat([parameter.grad.flatten() for parameter in parameters])


def of_all(part):
    names = part.__dataclass_fields__
    return Episodes(*(fabric.all_gather(getattr(part, name)).flatten(0, 1) for name in names))


alone = copy.copy(training)
alone.embedder = copy.deepcopy(training.embedder.module)
alone.generator = copy.deepcopy(training.generator.module)
alone.discriminator = copy.deepcopy(training.discriminator)
alone.videos = VideoEmbeddings(range(5), config.net.embedding)
joined = of_all(batches[0])
together, whole = gradients(training, batches[0]), gradients(alone, joined)
for optimiser in (training.optimiser, training.optimiser_d, training.optimiser_w):
    optimiser.zero_grad()
if fabric.global_rank == 0:
    print(len(joined.video), float((together - whole).abs().max() / whole.abs().max()))

for steps in (0, 2):
    for step in range(steps):
        training.step(batches[step].split(2))
    for module in (training.embedder, training.generator, training.discriminator):
        answer = equal(module)
        if fabric.global_rank == 0:
            print("equal" if answer else "different")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "processes", "after"),
    [("own", 4, "different"), ("sync", 2, "equal")],
)
def test_processes_share_gradients_and_networks_of_e_and_g_and_start_with_one_d(
    tmp_path, option, processes, after
):
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    ran = subprocess.run(
        [sys.executable, str(script), option, str(processes)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            ),
            "OMP_NUM_THREADS": "1",
        },
    )
    assert len(ran.stdout.split()) == 8, ran.stderr[-2000:]
    episodes, difference, *networks = ran.stdout.split()
    print(f"{processes} processes: gradients differ by {difference}")
    assert int(episodes) == 2 * processes
    assert float(difference) < 1e-10
    assert networks == ["equal"] * 5 + [after]
