"""Commands on models: train, model-info."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thbench.command_options import FILE, QUIET, REQUIRED_DATASET, SEED
from thbench.plugins import check_plugin

if TYPE_CHECKING:
    from thbench.training.loggers import LoggerName


@click.command()
@click.argument("method")
@REQUIRED_DATASET
@click.option("--out", type=FILE, help="Training folder.  [default: checkpoints/METHOD]")
@click.option(
    "--preset",
    default="paper",
    show_default=True,
    help="paper (256 px), paper-224 or small (64 px, CPU).",
)
@click.option(
    "--variant",
    type=click.Choice(["ft", "ff"]),
    help="ours only; ff: no match loss.  [default: ft]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Optimisation steps.  [default: the preset's epochs, of pix2pixhd as many as ours; "
    "with --resume as before]",
)
@click.option(
    "--steps-of",
    type=FILE,
    help="Take the number of steps from this training folder: the paper gives Pix2pixHD as "
    "many as ours.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Changes a setting, e.g. --set batch=16.",
)
@click.option(
    "--resume", is_flag=True, help="Goes on where the last checkpoint in --out stands, bit for bit."
)
@SEED
@click.option(
    "--devices",
    type=click.IntRange(min=1),
    help="Processes on each machine.  [default: what torchrun or Slurm started, else 1]",
)
@click.option(
    "--nodes",
    type=click.IntRange(min=1),
    help="Machines.  [default: what torchrun or Slurm started, else 1]",
)
@click.option(
    "--sync-discriminator",
    is_flag=True,
    help="ours only: reduces the gradients of D, too; in the paper each process has its own D.",
)
@click.option(
    "--accelerator", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--precision",
    type=click.Choice(["32-true", "bf16-mixed"]),
    default="32-true",
    show_default=True,
)
@click.option(
    "--accumulate",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Micro-batches a step.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Processes that read frames.",
)
@click.option("--checkpoint-every", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--sample-every", type=click.IntRange(min=1), default=500, show_default=True)
@click.option(
    "--logger",
    type=click.Choice(["tensorboard", "wandb", "mlflow"]),
    default="tensorboard",
    show_default=True,
    help="Where the values of each step go, beside losses.rank0.jsonl.",
)
@QUIET
def train(
    method: str,
    dataset: str,
    out: Path | None,
    preset: str,
    variant: str | None,
    steps: int | None,
    steps_of: Path | None,
    settings: tuple[str, ...],
    resume: bool,
    seed: int,
    devices: int | None,
    nodes: int | None,
    sync_discriminator: bool,
    accelerator: str,
    precision: str,
    accumulate: int,
    workers: int,
    checkpoint_every: int,
    sample_every: int,
    logger: LoggerName,
    quiet: bool,
) -> None:
    """Trains METHOD (ours, x2face, pix2pixhd) on the training persons of a dataset.

    The folder gets model.safetensors (what --checkpoint takes), checkpoints, losses, sample
    pictures and TensorBoard logs. A killed training goes on with --resume. torchrun and srun start
    it on several machines.
    """
    check_plugin("thbench.trainers", method, "trainer")

    from thbench.training.start import start_training

    folder = out or Path("checkpoints") / method
    if sync_discriminator:
        settings = (*settings, "sync_discriminator=true")
    rank = start_training(
        method,
        dataset,
        folder,
        preset=preset,
        variant=variant,
        settings=settings,
        steps=steps,
        steps_of=steps_of,
        seed=seed,
        accumulate=accumulate,
        devices=devices,
        nodes=nodes,
        precision=precision,
        accelerator=accelerator,
        workers=workers,
        checkpoint_every=checkpoint_every,
        sample_every=sample_every,
        logger=logger,
        resume=resume,
        quiet=quiet,
    )
    if rank == 0:
        click.echo(f"{folder}/model.safetensors")


@click.command("model-info")
@click.argument("method")
@click.option("--preset", default="paper", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
def model_info(method: str, preset: str, as_json: bool) -> None:
    """Counts the trainable parameters of METHOD's networks (ours, x2face, pix2pixhd), from the real
    modules.
    """
    check_plugin("thbench.trainers", method, "trainer")

    import json

    from thbench.training.start import parameter_counts

    counts = parameter_counts(method, preset)
    lines = (f"{name:15} {count:>13,}" for name, count in counts.items())
    click.echo(json.dumps(counts) if as_json else "\n".join(lines))
