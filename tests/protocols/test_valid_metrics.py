"""Metrics are computed on the pictures that they mean something on, and say so elsewhere."""

from dataclasses import replace

import pytest
from support.datasets import short_videos

from protocols.definition import load_definition, method_entry
from protocols.run import RunOptions, run_protocol
from protocols.score import score_run
from protocols.verify import verify_run
from thbench.data.store.pack import pack
from thbench.data.store.prepared import PreparedStore
from thbench.files import read_json, write_json
from thbench.metrics.base import load_metric, metric_names
from thbench.runs import Run

HEADS = short_videos()
PHOTOGRAPHS = replace(HEADS, pictures="photographs", sha256="dd" * 32)
DEFINITION = load_definition("self-reenactment").with_values(
    methods=(method_entry("copy-nearest"),),
    T=(1,),
    videos=2,
    holdout=2,
    metrics=("ssim", "csim-dlib", "csim-heads", "fd-heads"),
)


def reasons(run: Run) -> dict[str, str | None]:
    (row,) = [row for row in run.summary_record().rows if row.method == "copy-nearest"]
    return {name: cell.reason for name, cell in row.metrics.items()}


def test_stand_ins_for_synthetic_heads_are_not_computed_on_photographs(tmp_path):
    run_protocol(DEFINITION, PHOTOGRAPHS, tmp_path / "run", RunOptions({}))
    run = Run(tmp_path / "run")
    said = "it means something on synthetic heads only, and these are photographs"
    assert reasons(run) == {"ssim": None, "csim-dlib": None, "csim-heads": said, "fd-heads": said}
    assert run.record().dataset.pictures == "photographs"
    assert verify_run(run)[1] == []


def test_recognisers_of_real_faces_are_not_computed_on_synthetic_heads(tmp_path):
    run_protocol(DEFINITION, HEADS, tmp_path / "run", RunOptions({}))
    said = "it means something on photographs only, and these are synthetic heads"
    assert reasons(Run(tmp_path / "run")) == {
        "ssim": None,
        "csim-dlib": said,
        "csim-heads": None,
        "fd-heads": None,
    }


def test_a_packed_copy_of_synthetic_heads_is_measured_and_rendered_like_them(tmp_path):
    pack(HEADS, tmp_path / "copy")
    definition = DEFINITION.with_values(methods=(method_entry("ours-ff"),), metrics=("csim-heads",))
    copy = PreparedStore(tmp_path / "copy")
    outcome = run_protocol(definition, copy, tmp_path / "run", RunOptions({}))
    assert outcome.failed == []  # by the bundled model: no --checkpoint was named
    assert Run(tmp_path / "run").record().dataset.pictures == "synthetic heads"
    assert all(row.metrics["csim-heads"].value is not None for row in outcome.summary.rows)


def test_a_run_that_does_not_say_what_it_shows_is_scored_as_before(tmp_path):
    definition, run = DEFINITION.with_values(metrics=("csim-heads",)), Run(tmp_path / "run")
    run_protocol(definition, HEADS, run.path, RunOptions({}))
    info = read_json(run.run_json)
    del info["dataset"]["pictures"]
    write_json(run.run_json, info)
    summary = score_run(run, ["csim-heads"])
    assert all(row.metrics["csim-heads"].value is not None for row in summary.rows)

    run_protocol(definition, HEADS, run.path, RunOptions({}))
    assert run.record().dataset.pictures == "synthetic heads"  # it says so from now on


@pytest.mark.parametrize("name", metric_names())
def test_every_network_trained_on_one_kind_of_face_says_which(name):
    card = load_metric(name).card
    expected = {
        "csim-heads": "synthetic heads",
        "fd-heads": "synthetic heads",
        "kid-heads": "synthetic heads",
        "csim": "photographs",
        "csim-dlib": "photographs",
        "identity-error": "photographs",
        "aed-mediapipe": "photographs",
        "apd-mediapipe": "photographs",
    }
    assert card.valid_on == expected.get(name, "any pictures")
