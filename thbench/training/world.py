"""The processes of a training: how many there are, who starts them, and what is said when one of
them is lost.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch.distributed
from lightning.fabric import Fabric
from lightning.fabric.strategies.ddp import DDPStrategy

from thbench.errors import ThbenchError
from thbench.workers import end_with_parent

# How the libraries below say that the other end of a connection is gone.
_LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "gloo/transport")
_WAIT_S = 3.0  # for a process of ours that has just been lost to be seen as ended


@dataclass(frozen=True)
class World:
    """How many processes train together: one per device, on each of `nodes` machines."""

    devices: int = 1
    nodes: int = 1

    @property
    def processes(self) -> int:
        return self.devices * self.nodes


def world_of(
    devices: int | None, nodes: int | None, environment: Mapping[str, str] = os.environ
) -> World:
    """The processes that were asked for, or that torchrun or Slurm has started.

    devices, nodes: None where nothing was said; else they must be what torchrun or Slurm says.
    Raises `ThbenchError` where they are not, where Slurm does not say enough, and for several nodes
    whose processes nobody can bring together.
    """
    if "TORCHELASTIC_RUN_ID" in environment:
        started = _of_torchrun(environment)
        return _as_asked(started, devices, nodes, "torchrun", "--nproc-per-node and --nnodes")
    if _under_slurm(environment):
        started = _of_slurm(environment)
        return _as_asked(started, devices, nodes, "Slurm", "--ntasks-per-node and --nodes")

    asked = World(devices or 1, nodes or 1)
    missing = [name for name in ("MASTER_ADDR", "NODE_RANK") if name not in environment]
    if asked.nodes > 1 and missing:
        raise ThbenchError(
            f"--nodes {asked.nodes} needs {' and '.join(missing)} in the environment of each node; "
            "start the command with torchrun --nnodes or srun instead, which set what is needed"
        )
    return asked


def launched(world: World, accelerator: str, precision: str) -> Fabric:
    """This process as one of `world`, connected with all others; those of this machine that
    nobody has started yet are started.
    """
    # Several forwards precede one backward, so buffers must not be broadcast in between.
    strategy: Any = DDPStrategy(broadcast_buffers=False) if world.processes > 1 else "auto"
    fabric = Fabric(
        accelerator=accelerator,
        devices=world.devices,
        num_nodes=world.nodes,
        strategy=strategy,
        precision=precision,  # type: ignore[arg-type]
    )

    # The newest torch has another name for it, which the oldest that we take does not know.
    warnings.filterwarnings("ignore", message=".*broadcast_buffers. is deprecated")

    parent = os.getppid()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*srun. command is available")
        fabric.launch()
    if fabric.local_rank > 0:
        end_with_parent(parent)
    return fabric


@contextmanager
def telling_lost_processes(fabric: Fabric) -> Iterator[None]:
    """Raises `ThbenchError` in place of what a broken connection to another process raises."""
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not _is_lost(error):
            raise
        what = _ended(_children(fabric)) or "another process of this training has ended"
        raise ThbenchError(
            f"{what}, and this one (process {fabric.global_rank} of {fabric.world_size}) cannot go "
            "on without it; what it said stands above; run the same command with --resume"
        ) from error


def _of_torchrun(environment: Mapping[str, str]) -> World:
    devices = int(environment["LOCAL_WORLD_SIZE"])
    return World(devices, int(environment["WORLD_SIZE"]) // devices)


def _under_slurm(environment: Mapping[str, str]) -> bool:
    """Whether this process is a task of Slurm, and no shell that a person was given."""
    shell = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in environment and not shell


def _of_slurm(environment: Mapping[str, str]) -> World:
    tasks, nodes = int(environment["SLURM_NTASKS"]), int(environment.get("SLURM_NNODES", "1"))
    on_each = environment.get("SLURM_NTASKS_PER_NODE")
    if on_each is None and tasks > 1:
        raise ThbenchError(
            f"Slurm started {tasks} tasks and does not say how many on each node; ask for them "
            "with --ntasks-per-node, not with --ntasks"
        )

    devices = int(on_each or 1)
    if devices * nodes != tasks:
        raise ThbenchError(
            f"Slurm started {tasks} tasks, not {devices} on each of {nodes} nodes; start the "
            "command with srun, with all the tasks of the job"
        )
    return World(devices, nodes)


def _as_asked(
    started: World, devices: int | None, nodes: int | None, by: str, options: str
) -> World:
    asked = World(devices or started.devices, nodes or started.nodes)
    if asked != started:
        raise ThbenchError(
            f"{by} started {started.devices} processes on each of {started.nodes} nodes, and "
            f"--devices {asked.devices} --nodes {asked.nodes} asks for others; leave --devices and "
            f"--nodes out, and say it with {options}"
        )
    return started


def _is_lost(error: RuntimeError) -> bool:
    lost = isinstance(error, torch.distributed.DistError)
    return lost or any(sign in str(error) for sign in _LOST)


def _children(fabric: Fabric) -> Sequence[subprocess.Popen[bytes]]:
    """The processes of this machine that this one has started."""
    return getattr(fabric.strategy.launcher, "procs", ())


def _ended(children: Sequence[subprocess.Popen[bytes]]) -> str | None:
    """How the first child that ended did so, if one does within a moment."""
    deadline = time.monotonic() + _WAIT_S
    while children and time.monotonic() < deadline:
        for rank, child in enumerate(children, 1):
            code = child.poll()
            if code is not None and code < 0:
                name = signal.Signals(-code).name
                reason = ", perhaps for lack of memory" if name == "SIGKILL" else ""
                return f"process {rank} (number {child.pid}) was ended by {name}{reason}"
            if code:
                return f"process {rank} (number {child.pid}) has failed"
        time.sleep(0.05)
    return None
