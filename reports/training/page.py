"""One page of a training: a file that opens from disk and loads nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from safetensors import SafetensorError, safe_open

from reports.plot import Plot
from reports.style import STYLE, rendered
from reports.svg import inline_svg
from reports.training.curves import other_panels, overview, panel_figure, panels
from reports.training.log import TrainingLog
from reports.training.words import ALARMS, GROUPS, QUALITY, Panel
from thbench.errors import ThbenchError
from thbench.files import atomic_path, sha256_file, write_text

TEMPLATES = Path(__file__).parents[1] / "templates"
_SAMPLES = 3
_WEBP_QUALITY = 88
_OWN_ROWS = ("kind", "dataset", "config", "steps", "held_out")  # told in other words


@dataclass(frozen=True)
class Curve:
    """One panel, drawn."""

    panel: Panel
    svg: Markup


@dataclass(frozen=True)
class Sample:
    """One picture of what the training made of its episodes, inside the page."""

    step: int
    data: str


@dataclass(frozen=True)
class ModelCard:
    """A model file of the training."""

    file: str
    step: int
    size_mb: float
    sha256: str


def write_training_page(folder: Path, output: Path) -> None:
    """Writes the page of a training, finished or not, to the file `output`.

    Raises `ThbenchError` for a folder that is no training or has taken no step, and naming a file
    that is damaged.
    """
    log = TrainingLog.read(folder)
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()

    text = environment.get_template("training.html").render(
        log=log,
        name=log.path.resolve().name,
        facts=_facts(log),
        groups={title: curves for title, curves in _curves(log).items() if curves},
        meanings=ALARMS,
        samples=_samples(folder),
        models=list(_models(folder)),
        card=_card(log),
        config=json.dumps(log.description.get("config"), indent=1, ensure_ascii=False),
        css=Markup(css),
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; base-uri 'none'",
    )
    write_text(output, text)


def write_overview(folder: Path, output: Path) -> None:
    """Writes all curves of a training as one PNG; raises `ThbenchError` as the page does."""
    log = TrainingLog.read(folder)
    with matplotlib.rc_context(STYLE):
        picture = rendered(overview(log), "png")
    with atomic_path(output) as temporary:
        temporary.write_bytes(picture)


def _curves(log: TrainingLog) -> dict[str, list[Curve]]:
    found = {group.title: panels(log, group) for group in GROUPS}
    found["Others"] = other_panels(log)
    return {title: [_curve(log, panel) for panel in shown] for title, shown in found.items()}


def _curve(log: TrainingLog, panel: Panel) -> Curve:
    name = panel.names[0].replace("/", "-")
    with matplotlib.rc_context(STYLE):
        figure = panel_figure(log, panel)
    plot = Plot(name, panel.title, panel.title, panel.text or panel.title, figure)
    return Curve(panel, Markup(inline_svg(plot, f"curve-{name}")))


def _facts(log: TrainingLog) -> list[str]:
    """What a person wants to know first."""
    planned = log.planned
    facts = [f"{log.steps:,} of {planned:,} steps" if planned else f"{log.steps:,} steps"]

    took_s = [value for _, value in log.values("took_s")[0]]
    if took_s:
        waiting = [value for _, value in log.values("waiting")[0]]
        share = sum(s * w for s, w in zip(took_s, waiting, strict=True)) / sum(took_s)
        facts.append(
            f"{sum(took_s) / 3600:.1f} hours, {sum(took_s) / len(took_s):.2g} seconds a step, "
            f"{share:.0%} of them in waiting for data"
        )

    qualities = log.values(QUALITY)[0]
    if qualities:
        step, value = max(qualities, key=lambda quality: quality[1])
        facts.append(f"best on held-out persons at step {step:,} (quality {value:.3f})")

    names = sorted({alarm.name for alarm in log.alarms})
    facts.append(f"alarms: {', '.join(names)}" if names else "no alarm rang")
    return facts


def _card(log: TrainingLog) -> dict[str, str]:
    """What was trained, on what, and how."""
    described: Mapping[str, Any] = log.description
    dataset = described.get("dataset", {})
    card = {
        "method": described.get("kind", "?"),
        "dataset": f"{dataset.get('name', '?')} (sha256 {str(dataset.get('sha256', '?'))[:16]}…)",
    }
    if held_out := described.get("held_out"):
        card["held-out persons"] = ", ".join(map(str, held_out))
    card |= {key: str(value) for key, value in described.items() if key not in _OWN_ROWS}
    return {key.replace("_", " "): str(value) for key, value in card.items()}


def _samples(folder: Path) -> list[Sample]:
    """The first sample picture, one from the middle and the last."""
    files = sorted((folder / "samples").glob("step-*.png"))
    places = sorted({index * (len(files) - 1) // (_SAMPLES - 1) for index in range(_SAMPLES)})
    return [_sample(files[place]) for place in places] if files else []


def _sample(file: Path) -> Sample:
    buffer = io.BytesIO()
    try:
        step = int(file.stem.removeprefix("step-"))
        with Image.open(file) as picture:
            picture.convert("RGB").save(buffer, "WEBP", quality=_WEBP_QUALITY)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ThbenchError(f"{file} is not a picture ({error}); remove it") from None
    return Sample(step, base64.b64encode(buffer.getvalue()).decode())


def _models(folder: Path) -> Iterator[ModelCard]:
    for name in ("model.safetensors", "best.safetensors"):
        file = folder / name
        if not file.exists():
            continue
        try:
            with safe_open(file, framework="np") as opened:
                described = json.loads((opened.metadata() or {})["thbench"])
            step = int(described["step"])
        except (OSError, SafetensorError, ValueError, TypeError, LookupError) as error:
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            raise ThbenchError(f"{file} is damaged ({reason}); restore or remove it") from None
        yield ModelCard(name, step, file.stat().st_size / 1e6, sha256_file(file))
