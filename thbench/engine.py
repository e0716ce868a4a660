"""Where work that is shared out is done: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Literal

from thbench.errors import ThbenchError

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Engine:
    """What does the work; the results are the same bytes.

    address: "HOST:PORT" of the head of a Ray cluster that this machine belongs to; None: a cluster
    of this machine alone, which begins and ends with the work. gpu_share: how much of a GPU each
    unit has, on a Ray cluster: with 0.5, two share a card.

    Raises `ThbenchError` for what makes no sense, and where Ray is not installed.
    """

    name: EngineName = "local"
    address: str | None = None
    gpu_share: float = 0.0

    def __post_init__(self) -> None:
        if self.name == "local" and (self.address is not None or self.gpu_share):
            raise ThbenchError("--ray-address and --gpu-share are for --engine ray: add that")
        if self.address is not None and "://" in self.address:
            raise ThbenchError(
                f"--ray-address {self.address}: run the command on a machine of the cluster and "
                "write the HOST:PORT of its head"
            )
        if self.gpu_share > 1 and self.gpu_share != int(self.gpu_share):
            raise ThbenchError(
                f"--gpu-share {self.gpu_share:g}: write a part of one GPU, such as 0.5, or a whole "
                "number of them"
            )
        if self.name == "ray" and find_spec("ray") is None:
            raise ThbenchError("--engine ray needs Ray: pip install 'thbench[ray]'")


LOCAL = Engine()


def on_device(engine: Engine, device: str) -> Engine:
    """The engine for work on a device: a unit has a GPU where it needs one, if nothing is said.

    Raises `ThbenchError` where Ray cannot give what the device asks for.
    """
    if engine.name == "local":
        return engine
    if device.startswith("cuda:"):
        raise ThbenchError(f"--device {device}: Ray chooses among the GPUs; say --device cuda")
    if device == "cpu" and engine.gpu_share:
        raise ThbenchError("--gpu-share is for work on a GPU: add --device cuda")
    return replace(engine, gpu_share=engine.gpu_share or float(device == "cuda"))
