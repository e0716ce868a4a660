"""The page of a training: one file with its curves, alarms, pictures and model files."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from safetensors.numpy import save_file

from cli import thbench
from reports.style import STYLE
from reports.training.curves import POINTS, _line, panel_figure
from reports.training.log import TrainingLog
from reports.training.page import write_overview, write_training_page
from reports.training.words import Panel
from thbench.errors import ThbenchError

STEPS = 600


def training(folder: Path, processes: int = 2) -> Path:
    """The folder of a training as it is written, with an alarm, pictures and a model."""
    (folder / "samples").mkdir(parents=True)
    description = {
        "kind": "ours",
        "config": {"shots": 8},
        "dataset": {"name": "<heads>", "sha256": "ab" * 32},
        "seed": 3,
        "held_out": ["p1"],
        "steps": 1000,
    }
    (folder / "training.json").write_text(json.dumps(description))

    for rank in range(processes):
        lines = [values(step, rank) for step in range(1, STEPS + 1)]
        text = "".join(json.dumps(line) + "\n" for line in lines) + '{"step": 601, "cn'
        (folder / f"losses.rank{rank}.jsonl").write_text(text)
        times = [{"step": line["step"], "took_s": 2.0, "waiting": 0.25} for line in lines]
        text = "".join(json.dumps(line) + "\n" for line in times)
        (folder / f"times.rank{rank}.jsonl").write_text(text)

    (folder / "alarms.rank1.txt").write_text(
        "step 77: dead embedding: 99% of e is zero; lower it\n"
    )
    for step in (100, 200, 300, 400):
        Image.new("RGB", (80, 40), (step // 2, 0, 0)).save(folder / f"samples/step-{step:08d}.png")
    save_file(
        {"a": np.zeros(2, np.float32)}, folder / "model.safetensors", {"thbench": '{"step": 600}'}
    )
    return folder


def values(step: int, rank: int) -> dict[str, float]:
    found = {"step": step, "cnt": 50 / step + rank, "d/real": 1.0, "d/fake": -1.0, "new/name": 2.0}
    return found | (
        {"held-out/ssim": 0.5, "held-out/quality": step % 400} if step % 200 == 0 else {}
    )


def test_the_page_tells_state_curves_alarms_pictures_and_models(tmp_path: Path) -> None:
    folder = training(tmp_path / "first")
    said = CliRunner().invoke(thbench, ["train-report", str(folder)], catch_exceptions=False)
    assert said.output == f"{folder / 'training-report.html'}\n"
    page = (folder / "training-report.html").read_text()

    assert "600 of 1,000 steps" in page
    assert "0.3 hours, 2 seconds a step, 25% of them in waiting for data" in page
    assert "best on held-out persons at step 200 (quality 200.000)" in page
    assert "alarms: dead embedding" in page
    assert "E learns nothing more" in page  # what the alarm means
    assert "99% of e is zero; lower it" in page
    assert "grey: the other 1" in page
    titles = re.findall(r"<h3>([^<]+)</h3><svg", page)
    assert titles == [
        "Quality",
        "SSIM",
        "Content",
        "Real and made frames",
        "Waiting for data",
        "Seconds of a step",
        "new/name",
    ]
    assert [int(step) for step in re.findall(r"<figcaption>Step (\d+)", page)] == [100, 200, 400]
    assert "of step 600, 0.0 MB" in page
    assert "&lt;heads&gt;" in page


def test_the_page_loads_nothing_and_is_the_same_each_time(tmp_path: Path) -> None:
    folder = training(tmp_path / "first")
    for name in ("a", "b"):
        write_training_page(folder, tmp_path / f"{name}.html")
    page = html.unescape((tmp_path / "a.html").read_text())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert "default-src 'none'; img-src data:;" in page
    assert re.findall(r'(?:src|href)="(?!data:|#)[^"]*', page) == []
    assert "<script" not in page
    assert "style=" not in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_all_curves_are_one_picture_too(tmp_path: Path) -> None:
    folder = training(tmp_path / "first")
    write_overview(folder, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width == 2400


def test_an_older_training_has_no_times_and_no_alarms(tmp_path: Path) -> None:
    folder = training(tmp_path / "first", processes=1)
    for name in ("times.rank0.jsonl", "alarms.rank1.txt", "model.safetensors"):
        (folder / name).unlink()
    write_training_page(folder, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "did not note what its steps took" in page
    assert "no alarm rang" in page


def test_lines_are_thinned_to_medians_of_all_steps() -> None:
    steps, middle, low, high = _line([(step, float(step % 10)) for step in range(24_000)])
    assert len(steps) == POINTS
    assert set(middle) == {4.5}
    assert all(0 < value < 1 for value in low)
    assert all(8 <= value < 9 for value in high)
    assert _line([(7, 1.0)])[1] == [1.0]


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("training.json", None, "is not a training folder"),
        ("losses.rank0.jsonl", "", "has not taken a step yet"),
        ("losses.rank1.jsonl", "{\n{}\n", "losses.rank1.jsonl, line 1 is not readable JSON"),
        ("times.rank0.jsonl", '{"step": "x"}\n', "times.rank0.jsonl, line 1"),
        ("alarms.rank0.txt", "hello\n", "alarms.rank0.txt is damaged"),
        ("samples/step-00000100.png", "no", "step-00000100.png is not a picture"),
        ("model.safetensors", "no", "model.safetensors is damaged"),
    ],
)
def test_what_is_missing_or_damaged_is_told(
    tmp_path: Path, file: str, content: str | None, told: str
) -> None:
    folder = training(tmp_path / "first")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(ThbenchError, match=re.escape(told)):
        write_training_page(folder, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_ticks_are_plain_numbers(tmp_path: Path) -> None:
    """Matplotlib labels a logarithmic axis with formulas, which our style prints as they are."""
    log = TrainingLog.read(training(tmp_path / "first"))
    timing = Panel("Seconds of a step", "", ["took_s"], log=True)
    with matplotlib.rc_context(STYLE):
        figure = panel_figure(log, timing)
        figure.draw_without_rendering()
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels(which="both")]
    assert "2" in labels
    assert not any("$" in label for label in labels)
