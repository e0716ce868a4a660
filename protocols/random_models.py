"""Model files with untrained weights: enough to time a method, whose speed does not depend on what
it learned.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thbench.training.trainer import Trainer, TrainingConfig


def write_random_model(trainer: str, size_px: int, path: Path, seed: int) -> None:
    """Writes what `thbench train` would leave after no step at all, in the preset for frames of
    `size_px`.

    Perceptual networks get seeded weights where the pretrained ones would have to be fetched: the
    same arithmetic.
    """
    import torch
    from lightning.fabric import Fabric

    from thbench.training.checkpoints import save_model
    from thbench.training.trainer import VideoShare, load_trainer

    trainer_class = load_trainer(trainer)
    config = _config(trainer_class, size_px)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fabric = Fabric(accelerator="cpu", devices=1)
        fabric.launch()
        tensors = trainer_class(config, VideoShare.whole(1), fabric).model()
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


def _config(trainer: type[Trainer], size_px: int) -> TrainingConfig:
    """The preset for frames of this size; the first one for a method that resizes its frames."""
    configs = [trainer.configure(preset) for preset in trainer.presets]
    config = next((config for config in configs if config.size_px == size_px), configs[0])
    return config.without_fetched_weights()
