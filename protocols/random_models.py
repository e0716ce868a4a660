"""Model files with untrained weights: enough to time a method, whose speed does not depend on what
it learned.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.plugins import plugin_names
from thbench.training.start import ENTRY_POINTS, load_trainer

PRESETS = ("paper", "paper-224", "small")


def trainer_of(spec: str) -> str | None:
    """The trainer whose models a method loads ("ours" for ours-ff and ours-ft); None where nothing
    is trained.
    """
    name = re.sub("-f[ft]$", "", spec.partition(":")[0])
    return name if name in plugin_names(ENTRY_POINTS) else None


def write_random_model(trainer: str, size_px: int, path: Path, seed: int) -> None:
    """Writes what `thbench train` would leave after no step at all, in the preset for frames of
    `size_px`.

    Perceptual networks get seeded weights where the pretrained ones would have to be fetched: the
    same arithmetic.
    """
    import torch
    from lightning.fabric import Fabric

    from thbench.training.checkpoints import save_model

    trainer_class = load_trainer(trainer)
    config = _config(trainer_class, size_px)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fabric = Fabric(accelerator="cpu", devices=1)
        fabric.launch()
        tensors = trainer_class(config, 1, fabric).model()
    save_model(
        path,
        tensors,
        {
            "kind": trainer_class.kind,
            "config": asdict(config),
            "step": 0,
            "seed": seed,
            "dataset": {"name": "nothing", "sha256": ""},
        },
    )


def _config(trainer_class: Any, size_px: int) -> Any:
    configs = []
    for preset in PRESETS:
        try:
            configs.append(trainer_class.configure(preset))
        except ThbenchError:
            continue  # X2Face has no paper-224: it resizes its frames
    config = next((config for config in configs if config.size_px == size_px), configs[0])
    return (
        replace(config, content="random")
        if getattr(config, "content", "heads") != "heads"
        else config
    )
