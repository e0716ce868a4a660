"""The device that a command works on, and what makes work fast on a GPU.

TF32 is turned off by NVIDIA's own `NVIDIA_TF32_OVERRIDE=0`; `precision` and `compiled` are
settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, TypeVar

import torch
from torch import nn

from thbench.errors import ThbenchError

# bf16: products of convolutions and matrices at 8 bits, all weights and sums at 24.
Precision = Literal["float32", "bf16"]
Function = TypeVar("Function", bound=Callable[..., object])
Network = TypeVar("Network", bound=nn.Module)


def chosen_device(device: str) -> str:
    """ "auto" is the GPU where there is one; raises `ThbenchError` for a GPU that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ThbenchError("no CUDA GPU is usable here; say --device cpu")
    return device


@contextmanager
def tensor_cores() -> Iterator[None]:
    """Inside, a GPU multiplies float32 at TF32's 11 bits, convolutions and matrices alike.

    Processors do not know TF32. Networks that measure stay outside: their numbers are compared
    between machines.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            benchmark=torch.backends.cudnn.benchmark,
            deterministic=torch.backends.cudnn.deterministic,
            allow_tf32=True,
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def arithmetic(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Autocast for "bf16", nothing for "float32"."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def laid_out(network: Network, device: torch.device) -> Network:
    """The network on the device; on a GPU channels come last, as tensor cores read them.

    On a processor that would cost half as much again (see the page on performance).
    """
    if device.type == "cuda":
        return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
    return network.to(device)


def compiled(function: Function, on: bool, replayed: bool = False) -> Function:
    """The function by `torch.compile`, if `on`: operations fused, for each new shape a compilation
    that takes up to a minute.

    replayed: on a GPU, calls are recorded once and replayed as CUDA graphs. Only for results that
    are used up before the next call, which overwrites them.
    """
    if not on:
        return function
    mode = "reduce-overhead" if replayed and torch.cuda.is_available() else "default"
    return torch.compile(function, dynamic=False, mode=mode)  # type: ignore[return-value]
