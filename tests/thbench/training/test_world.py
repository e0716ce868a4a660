"""How many processes a training has, and who says so."""

from __future__ import annotations

import pytest

from thbench.errors import ThbenchError
from thbench.training.world import World, world_of

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "8"}
SLURM = {"SLURM_NTASKS": "16", "SLURM_NTASKS_PER_NODE": "8", "SLURM_NNODES": "2"}


@pytest.mark.parametrize(
    ("devices", "nodes", "environment", "world"),
    [
        (None, None, {}, World(1, 1)),
        (2, None, {}, World(2, 1)),
        (2, 3, {"MASTER_ADDR": "a", "NODE_RANK": "1"}, World(2, 3)),
        (None, None, TORCHRUN, World(4, 2)),
        (4, 2, TORCHRUN, World(4, 2)),
        (None, None, SLURM, World(8, 2)),
        (8, None, SLURM, World(8, 2)),
        (2, None, {**SLURM, "SLURM_JOB_NAME": "interactive"}, World(2, 1)),
        (None, None, {"SLURM_NTASKS": "1", "SLURM_NNODES": "1"}, World(1, 1)),
        (None, None, {**SLURM, **TORCHRUN}, World(4, 2)),  # torchrun, started by Slurm
    ],
)
def test_processes_are_those_that_were_asked_for_or_started(
    devices: int | None, nodes: int | None, environment: dict[str, str], world: World
) -> None:
    assert world_of(devices, nodes, environment) == world


@pytest.mark.parametrize(
    ("devices", "nodes", "environment", "told"),
    [
        (8, None, TORCHRUN, "torchrun started 4 processes on each of 2 nodes, and --devices 8"),
        (None, 4, SLURM, "Slurm started 8 processes on each of 2 nodes, and --devices 8 --nodes 4"),
        (None, None, {"SLURM_NTASKS": "16", "SLURM_NNODES": "2"}, "with --ntasks-per-node"),
        (None, None, {**SLURM, "SLURM_NTASKS": "3"}, "started 3 tasks, not 8 on each of 2 nodes"),
        (None, 2, {"MASTER_ADDR": "a"}, "--nodes 2 needs NODE_RANK in the environment"),
    ],
)
def test_what_does_not_fit_is_told(
    devices: int | None, nodes: int | None, environment: dict[str, str], told: str
) -> None:
    with pytest.raises(ThbenchError, match=told):
        world_of(devices, nodes, environment)
