"""Copies trained models into the package, halved: python tools/bundle_models.py
NAME=TRAINING_FOLDER ...

Each becomes thbench/assets/models/NAME.safetensors, with the description of its training in its
header.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from thbench.training.checkpoints import load_model, read_description, save_model

MODELS = Path(__file__).parents[1] / "thbench" / "assets" / "models"


def bundle(name: str, folder: Path) -> Path:
    """Writes the model of a training folder under its bundled name, floats halved."""
    kind = read_description(folder / "model.safetensors")["kind"]
    tensors, description, _ = load_model(folder, kind)
    halved = {
        key: tensor.to(torch.float16) if tensor.is_floating_point() else tensor
        for key, tensor in tensors.items()
    }
    path = MODELS / f"{name}.safetensors"
    save_model(path, halved, description)
    return path


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        label, _, source = argument.partition("=")
        written = bundle(label, Path(source))
        print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")
