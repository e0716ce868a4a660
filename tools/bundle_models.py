"""Copies trained models into the package, halved, and changes settings in their headers.

    python tools/bundle_models.py ours-ft=models/ours-ft x2face=models/x2face
    python tools/bundle_models.py ours-ft=models/ours-ft ours-ff=models/ours-ff \\
        --set fine_tuning_batch=1 --set ours-ft:fine_tuning_most_steps=100
    python tools/bundle_models.py ours-ft --set fine_tuning_epochs=20

NAME=FOLDER copies the model of a training folder to thbench/assets/models/NAME.safetensors, with
the description of its training in its header. NAME alone is the bundled model itself, of which
only the header changes. --set SETTING=VALUE changes the configuration of all models named, --set
NAME:SETTING=VALUE that of one: what was chosen after training, such as how few-shot learning goes
on with it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from thbench.config import override, parse_settings
from thbench.errors import ThbenchError
from thbench.records.decode import decode
from thbench.training.checkpoints import load_model, read_description, save_model
from thbench.training.trainer import load_trainer

MODELS = Path(__file__).parents[1] / "thbench" / "assets" / "models"


def bundle(name: str, source: Path, settings: Mapping[str, str], models: Path = MODELS) -> Path:
    """Writes a model file under its bundled name, floats halved, with `settings` in its header.

    Raises `ThbenchError` where `override` refuses a setting; nothing is written then.
    """
    tensors, description, _ = load_model(source, read_description(source)["kind"])
    if settings:
        description["config"] = _changed(description, settings, source)

    halved = {
        key: tensor.to(torch.float16) if tensor.is_floating_point() else tensor
        for key, tensor in tensors.items()
    }
    path = models / f"{name}.safetensors"
    save_model(path, halved, description)
    return path


def main(arguments: Sequence[str], models: Path = MODELS) -> None:
    """Bundles what the command line names, in its order; see the top of this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="NAME[=FOLDER]")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="[NAME:]SETTING=VALUE"
    )
    given = parser.parse_args(arguments)

    sources = dict(_source(text, models) for text in given.sources)
    settings = _settings_by_model(given.settings, list(sources))
    for name, source in sources.items():
        written = bundle(name, source, settings[name], models)
        print(f"{written}: {written.stat().st_size / 1e6:.2f} MB")


def _changed(
    description: Mapping[str, Any], settings: Mapping[str, str], source: Path
) -> dict[str, Any]:
    """The configuration of a header with `settings`; all that they do not name stays as it is."""
    trainer = load_trainer(description["kind"])
    kind = type(trainer.configure(trainer.presets[0]))
    config = decode(kind, description["config"], source, "train the model again")
    values = asdict(override(config, dict(settings)))

    changed: dict[str, Any] = dict(description["config"])
    for name in settings:
        field = name.partition(".")[0]
        changed[field] = values[field]
    return changed


def _source(text: str, models: Path) -> tuple[str, Path]:
    """NAME=FOLDER, or NAME of a model that is bundled already."""
    name, equals, folder = text.partition("=")
    if equals:
        return name, Path(folder) / "model.safetensors"
    return name, models / f"{name}.safetensors"


def _settings_by_model(texts: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    settings: dict[str, dict[str, str]] = {name: {} for name in names}
    for setting, value in parse_settings(texts).items():
        one, colon, inner = setting.partition(":")
        if colon and one not in settings:
            raise ThbenchError(f"--set {setting}={value}: {one!r} is not among the models named")
        for name in [one] if colon else names:
            settings[name][inner if colon else setting] = value
    return settings


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ThbenchError as error:
        sys.exit(f"error: {error}")
