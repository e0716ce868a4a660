"""Runs: repeatable byte for byte, resumable, extensible, and honest about failures."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from support.datasets import short_videos

import protocols.generate
import protocols.run
from protocols.definition import MethodEntry, load_definition, method_entry
from protocols.run import RunOptions, locked, run_protocol
from protocols.score import score_run
from thbench.errors import ThbenchError
from thbench.files import write_json
from thbench.images import to_uint8
from thbench.method import Frames, bundled_model, load_method
from thbench.records.encode import write_record
from thbench.runs import REAL, Run, Unit, UnitResult
from thbench.training.checkpoints import load_model, save_model

DEFINITION = load_definition("self-reenactment").with_values(
    methods=(method_entry("copy-nearest"),), T=(1, 4), videos=3, holdout=3, metrics=("ssim",)
)
OPTIONS = RunOptions(checkpoints={})


DATASET = short_videos()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "finished"
    run_protocol(DEFINITION, DATASET, out, OPTIONS)
    return out


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "run"))


def contents(run: Path) -> dict[str, bytes]:
    """The bytes of everything that must repeat: images, frames.parquet, summary.json."""
    files = [*(run / "images").rglob("*"), run / "frames.parquet", run / "summary.json"]
    return {str(file.relative_to(run)): file.read_bytes() for file in files if file.is_file()}


def test_two_runs_are_the_same_byte_for_byte(finished, tmp_path):
    run_protocol(DEFINITION, DATASET, tmp_path / "again", OPTIONS)
    first, second = contents(finished), contents(tmp_path / "again")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert len([name for name in first if "copy-nearest" in name]) == 2 * 3 * 3


def test_a_record_writes_the_bytes_that_it_was_read_from(copied):
    files = [copied / "run.json", copied / "summary.json", *copied.glob("units/**/*.json")]
    before = {file: file.read_bytes() for file in files}
    run = Run(copied)
    run.write(run.record())
    write_record(run.summary_json, run.summary_record())
    for unit in run.planned():
        run.commit_unit(unit, run.read_unit(unit))
    assert {file: file.read_bytes() for file in files} == before
    assert len(files) == 2 + 3 + 2 * 3


@pytest.mark.slow
def test_several_processes_give_the_same_bytes_as_one(finished, tmp_path):
    run_protocol(DEFINITION, DATASET, tmp_path / "parallel", replace(OPTIONS, workers=2))
    assert contents(tmp_path / "parallel") == contents(finished)


def test_frames_table_has_a_row_for_every_method_T_video_and_holdout_frame(finished):
    table = pd.read_parquet(finished / "frames.parquet")
    assert len(table) == 3 * 3 * (1 + 2)
    assert set(table["T"][table.method == REAL]) == {0}
    assert not table.duplicated(["method", "T", "person", "video", "position"]).any()
    assert table.ssim.between(-1, 1).all()


def test_a_killed_run_goes_on_to_the_same_bytes(finished, copied):
    run = Run(copied)
    units = list(run.planned())
    run.unit_mark(units[0]).unlink()  # killed before the commit mark
    shutil.rmtree(run.unit_folder(units[3]))  # killed before the images
    run.unit_mark(units[3]).unlink()
    half = run.unit_folder(units[1]).parent / ".half.tmp"  # killed in the middle of writing
    half.mkdir()
    (half / "00.png").write_bytes(b"half")
    (copied / "frames.parquet").unlink()
    (copied / "summary.json").unlink()
    run_protocol(DEFINITION, DATASET, copied, OPTIONS)
    assert contents(copied) == contents(finished)


def test_a_new_T_computes_only_what_is_new(copied, monkeypatch):
    done = []
    real = protocols.generate.do_unit
    monkeypatch.setattr(
        protocols.generate, "do_unit", lambda shop, unit: (done.append(unit), real(shop, unit))[1]
    )
    run_protocol(DEFINITION.with_values(T=(2, 4)), DATASET, copied, OPTIONS)
    assert {unit.T for unit in done} == {2}
    assert Run(copied).record().T == [1, 2, 4]
    assert {row.T for row in Run(copied).summary_record().rows} == {0, 1, 2, 4}


def test_a_failing_method_is_recorded_and_the_others_go_on(tmp_path):
    failing = method_entry("command:broken=false --shots {shots} --out {out}")
    outcome = run_protocol(
        DEFINITION.with_values(methods=(failing, *DEFINITION.methods)),
        DATASET,
        tmp_path / "r",
        OPTIONS,
    )
    assert {unit.method for unit, _ in outcome.failed} == {"broken"}
    assert all(error and "\n" not in error for _, error in outcome.failed)
    rows = {(row.method, row.T): row for row in outcome.summary.rows}
    assert rows["broken", 1].n_failed_units == 3
    assert rows["broken", 1].metrics["ssim"].value is None
    assert rows["copy-nearest", 1].n_failed_units == 0
    assert Run(tmp_path / "r").record().status == "failed"


class Spy:
    """Remembers what it was shown."""

    name = "spy"
    seen: list[torch.Tensor]

    def __init__(self, drives_with):
        self.drives_with = drives_with
        self.seen = []

    def adapt(self, shots: Frames) -> "Spy":
        return self

    def render(self, drive: Frames) -> torch.Tensor:
        self.seen.append(drive.images)
        return torch.zeros_like(drive.images)


@pytest.mark.parametrize(("drives_with", "blank"), [("landmarks", True), ("image", False)])
def test_only_methods_that_drive_with_images_see_them(tmp_path, monkeypatch, drives_with, blank):
    spy = Spy(drives_with)
    monkeypatch.setattr(protocols.generate, "load_method", lambda spec, options: spy)
    run_protocol(
        DEFINITION.with_values(methods=(MethodEntry("spy", "spy"),)),
        DATASET,
        tmp_path / "r",
        OPTIONS,
    )
    assert all((images.sum() == 0) == blank for images in spy.seen)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (torch.zeros(3, 3, 64, 64), r"rendered torch.float32 \[3, 3, 64, 64\], uint8"),
        (
            torch.zeros(2, 3, 64, 64, dtype=torch.uint8),
            r"\[2, 3, 64, 64\], uint8 \[3, 3, 64, 64\] expected",
        ),
        (None, "rendered NoneType"),
    ],
)
def test_a_method_that_renders_nonsense_fails_with_words(tmp_path, monkeypatch, wrong, message):
    spy = Spy("landmarks")
    monkeypatch.setattr(Spy, "render", lambda self, drive: wrong)
    monkeypatch.setattr(protocols.generate, "load_method", lambda spec, options: spy)
    outcome = run_protocol(
        DEFINITION.with_values(methods=(MethodEntry("spy", "spy"),), T=(1,)),
        DATASET,
        tmp_path / "r",
        OPTIONS,
    )
    assert len(outcome.failed) == 3
    assert pd.Series([error for _, error in outcome.failed]).str.contains(message).all()


class Diverged(Spy):
    """A method whose network makes one NaN."""

    def render(self, drive: Frames) -> torch.Tensor:
        made = torch.zeros(drive.images.shape)
        made[0, 0, 0, 0] = float("nan")
        return to_uint8(made)


def test_a_network_that_makes_a_NaN_fails_and_is_not_scored_as_black_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(
        protocols.generate, "load_method", lambda spec, options: Diverged("landmarks")
    )
    definition = DEFINITION.with_values(methods=(MethodEntry("diverged", "diverged"),), T=(1,))
    outcome = run_protocol(definition, DATASET, tmp_path / "r", OPTIONS)
    assert len(outcome.failed) == 3
    assert all(
        "1 of 36864 values of the rendered frames are not finite" in error
        for _, error in outcome.failed
    )
    (row,) = [row for row in outcome.summary.rows if row.method == "diverged"]
    assert row.metrics["ssim"].value is None


def test_a_model_with_one_NaN_weight_ends_before_any_work(tmp_path):
    tensors, description, _ = load_model(bundled_model("ours-ff"), "ours")
    name = next(
        name for name in tensors if name.startswith("generator") and tensors[name].ndim == 4
    )
    tensors[name][0, 0, 0, 0] = float("nan")
    save_model(tmp_path / "nan.safetensors", tensors, description)
    options = replace(OPTIONS, checkpoints={"ours-ff": tmp_path / "nan.safetensors"})
    definition = DEFINITION.with_values(methods=(method_entry("ours-ff"),))
    with pytest.raises(ThbenchError, match=r"nan\.safetensors is damaged: .* not finite"):
        run_protocol(definition, DATASET, tmp_path / "r", options)
    assert not (tmp_path / "r").exists()


def test_failed_units_are_tried_again(tmp_path):
    run_protocol(DEFINITION, DATASET, tmp_path / "r", OPTIONS)
    run, unit = (
        Run(tmp_path / "r"),
        Unit("copy-nearest", 1, next(iter(Run(tmp_path / "r").planned())).video),
    )
    before = contents(tmp_path / "r")
    run.commit_unit(unit, UnitResult("failed", error="out of luck"))
    assert run_protocol(DEFINITION, DATASET, tmp_path / "r", OPTIONS).failed == []
    assert contents(tmp_path / "r") == before


def test_scoring_again_needs_the_stored_frames_only(copied, monkeypatch):
    before = contents(copied)
    monkeypatch.setattr(protocols.generate, "load_method", None)
    shutil.rmtree(copied / "scores")
    score_run(Run(copied), ["ssim"])
    assert contents(copied) == before


def test_a_new_metric_keeps_the_scores_that_are_there(copied):
    score_run(Run(copied), ["ssim", "l1"])
    table = pd.read_parquet(copied / "frames.parquet")
    assert {"ssim", "l1"} <= set(table.columns)


def test_wrong_continuations_are_refused(copied, tmp_path):
    for change, message in (
        ({"holdout": 2}, "another holdout"),
        ({"seed": 5}, "another seed"),
        ({"T": (1, 5)}, "T = 5 needs 5 shots, the run's split has 4"),
    ):
        with pytest.raises(ThbenchError, match=message):
            run_protocol(DEFINITION.with_values(**change), DATASET, copied, OPTIONS)
    with pytest.raises(ThbenchError, match="another dataset"):
        run_protocol(DEFINITION, replace(DATASET, sha256="dd" * 32), copied, OPTIONS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(ThbenchError, match="exists and is not a run folder"):
        run_protocol(DEFINITION, DATASET, tmp_path / "mine", OPTIONS)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_second_process_is_kept_out(copied):
    with (
        locked(Run(copied)),
        pytest.raises(ThbenchError, match="another process is working"),
        locked(Run(copied)),
    ):
        pass


def test_an_unknown_metric_or_method_ends_before_any_work(tmp_path):
    with pytest.raises(ThbenchError, match="did you mean 'ssim'"):
        run_protocol(DEFINITION.with_values(metrics=("sssim",)), DATASET, tmp_path / "r", OPTIONS)
    with pytest.raises(ThbenchError, match="did you mean 'copy-nearest'"):
        run_protocol(
            DEFINITION.with_values(methods=(method_entry("copy-neares"),)),
            DATASET,
            tmp_path / "r",
            OPTIONS,
        )
    assert not (tmp_path / "r").exists()


def test_a_model_of_its_own_is_never_replaced_by_another(tmp_path):
    definition = DEFINITION.with_values(
        methods=(MethodEntry("variant", "copy-nearest", own_checkpoint=True),)
    )
    options = RunOptions(checkpoints={"copy-nearest": tmp_path, "": tmp_path})
    with pytest.raises(ThbenchError, match="'variant' needs a model of its own"):
        run_protocol(definition, DATASET, tmp_path / "r", options)
    assert not (tmp_path / "r").exists()


def test_a_run_of_a_newer_format_is_refused(copied):
    write_json(copied / "run.json", {**json.loads((copied / "run.json").read_text()), "format": 99})
    with pytest.raises(ThbenchError, match="format 99"):
        Run.open(copied)


def test_ours_without_a_checkpoint_says_how_to_get_one():
    from thbench.method import MethodOptions

    with pytest.raises(ThbenchError, match="train one with `thbench train ours`"):
        load_method("ours-ft", MethodOptions())


def test_units_that_another_machine_made_and_this_one_does_not_see_are_told(tmp_path, monkeypatch):
    def made_elsewhere(shop, units, workers, engine):
        yield from ((unit, UnitResult("done")) for unit in units)

    monkeypatch.setattr(protocols.run, "generate", made_elsewhere)
    with pytest.raises(ThbenchError, match="6 units were made elsewhere and are not seen here yet"):
        run_protocol(DEFINITION, DATASET, tmp_path / "run", OPTIONS)
    assert not (tmp_path / "run" / "summary.json").exists()


def test_of_many_methods_a_process_keeps_the_last_few(monkeypatch):
    loads = []
    monkeypatch.setattr(
        protocols.generate, "load_method", lambda spec, options: loads.append(spec) or spec
    )
    entries = {f"m{number}": (method_entry(f"m{number}"), None) for number in range(6)}
    shop = protocols.generate.Workshop(Path(), DEFINITION, DATASET, entries, {})

    for label in [*entries, "m5", "m2"]:
        assert shop.method(label) == label
    assert loads == [*entries]
    assert shop.method("m0") == "m0"
    assert len(shop.loaded) == 4
