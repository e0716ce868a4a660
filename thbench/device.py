"""The device that a command works on."""

from __future__ import annotations

from thbench.errors import ThbenchError


def chosen_device(device: str) -> str:
    """ "auto" is the GPU where there is one; raises `ThbenchError` for a GPU that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ThbenchError("no CUDA GPU is usable here; say --device cpu")
    return device
