"""Timing: what is measured, what the table reads, and that a stopped run goes on."""

import re
import time

import pytest

from protocols.definition import load_definition, method_entry
from protocols.random_models import write_random_model
from protocols.run import RunOptions
from protocols.timing import measure, time_protocol
from reports.results import Results
from reports.time_table import table2
from thbench.data.synthetic import synth
from thbench.errors import ThbenchError
from thbench.files import read_json, sha256_file, write_json
from thbench.method import MethodOptions, load_method, trainer_of

DEFINITION = load_definition("table2-timing").with_values(T=(1, 2), iterations=3, warmup=1)
OPTIONS = RunOptions(checkpoints={})


class Counted:
    """Sleeps 20 ms a call and says that half of it was one part."""

    calls = 0

    def __call__(self):
        self.calls += 1
        time.sleep(0.02)
        self.parts_s = {"data_s": 0.01}
        return self


def test_warm_up_is_not_measured():
    action = Counted()
    seconds, parts, peak = measure(action, iterations=4, warmup=3, device="cpu")
    assert action.calls == 7
    assert len(seconds) == 4
    assert min(seconds) >= 0.02
    assert parts == {"data_s": 0.01}
    assert peak is None or peak > 10


def test_a_timing_run_makes_table_2_and_a_stopped_one_computes_only_the_rest(tmp_path, monkeypatch):
    methods = (method_entry("copy-nearest"),)
    time_protocol(DEFINITION.with_values(methods=methods), synth(64), tmp_path / "r", OPTIONS)
    timing = read_json(tmp_path / "r" / "timing.json")
    assert [(row["phase"], row["T"], row["n"]) for row in timing["rows"]] == [
        ("few-shot", 1, 3),
        ("few-shot", 2, 3),
        ("inference", None, 3),
    ]
    assert timing["hardware"]["processor"]
    assert [len(block.groups) for block in table2([Results.open(tmp_path / "r")]).blocks] == [2, 1]

    write_json(tmp_path / "r" / "timing.json", {**timing, "rows": timing["rows"][:2]})
    measured = []
    monkeypatch.setattr(
        "protocols.timing.measure",
        lambda action, **repeat: (measured.append(1), measure(action, **repeat))[1],
    )
    time_protocol(DEFINITION.with_values(methods=methods), synth(64), tmp_path / "r", OPTIONS)
    again = read_json(tmp_path / "r" / "timing.json")
    assert len(measured) == 1
    assert again["rows"][:2] == timing["rows"][:2]

    write_json(tmp_path / "r" / "timing.json", {**timing, "hardware": {"processor": "another"}})
    with pytest.raises(ThbenchError, match="was timed with other hardware"):
        time_protocol(DEFINITION.with_values(methods=methods), synth(64), tmp_path / "r", OPTIONS)


def test_ours_without_a_model_is_timed_with_random_weights_and_says_so(tmp_path):
    ours = (method_entry("ours-ff"),)
    definition = DEFINITION.with_values(T=(1,), iterations=1, warmup=0, methods=ours)
    outcome = time_protocol(definition, synth(64), tmp_path / "r", OPTIONS)
    assert outcome.failed == []
    few_shot = outcome.timing.rows[0]
    assert few_shot.note == "random weights"
    assert {"data_s", "embedding_s"} <= few_shot.parts.keys()
    assert sum(few_shot.parts.values()) == pytest.approx(few_shot.median_s, rel=0.5)
    method = Results.open(tmp_path / "r").methods["ours-ff"]
    assert method.checkpoint.path == "random weights"
    assert re.fullmatch("[0-9a-f]{64}", method.checkpoint.sha256)


def test_random_models_repeat_and_load(tmp_path):
    for name in ("a", "b"):
        write_random_model("x2face", 64, tmp_path / f"{name}.safetensors", seed=3)
    assert sha256_file(tmp_path / "a.safetensors") == sha256_file(tmp_path / "b.safetensors")
    assert (
        load_method("x2face", MethodOptions(checkpoint=tmp_path / "a.safetensors", size_px=64)).name
        == "x2face"
    )


@pytest.mark.parametrize(
    ("spec", "trainer"),
    [
        ("ours-ff", "ours"),
        ("ours-ft", "ours"),
        ("x2face", "x2face"),
        ("pix2pixhd", "pix2pixhd"),
        ("copy-nearest", None),
        ("external:ours=dir", None),
    ],
)
def test_methods_know_their_trainer(spec, trainer):
    assert trainer_of(spec) == trainer
