"""From what a person asks for to a run."""

import os
from dataclasses import replace

import pytest

from protocols.definition import load_definition
from protocols.methods import with_settings
from protocols.request import Request, begin_run, how_to_run, resume_run
from protocols.run import HowToRun
from thbench.errors import ThbenchError
from thbench.runs import Run

SMALL = Request(
    T=(1,), methods=("copy-nearest",), metrics=("l1",), dataset="synth:64", videos=1, holdout=2
)


def test_one_process_works_on_a_gpu_and_one_per_processor_elsewhere(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert how_to_run("auto", None) == HowToRun(device="cuda", workers=1)
    assert how_to_run("cuda:1", 3) == HowToRun(device="cuda:1", workers=3)

    processors = os.cpu_count() or 1
    assert how_to_run("cpu", None) == HowToRun(device="cpu", workers=processors)


def test_a_run_is_begun_with_what_is_asked_for_and_resumed_as_it_was_planned(tmp_path):
    folder = tmp_path / "run"
    assert begin_run("self-reenactment", SMALL, folder, HowToRun(), quiet=True)
    begun = Run(folder).record()
    assert (begun.T, begun.metrics, list(begun.methods)) == ([1], ["l1"], ["copy-nearest"])
    assert begun.split.holdout == 2
    assert begun.partial

    assert resume_run(folder, Request(), HowToRun(), quiet=True)
    resumed = Run(folder).record()
    assert len(resumed.sessions) == 2
    assert replace(resumed, sessions=begun.sessions) == begun

    assert resume_run(folder, Request(metrics=("psnr",)), HowToRun(), quiet=True)
    assert Run(folder).record().metrics == ["l1", "psnr"]


def test_settings_of_methods_are_taken_from_the_command_line():
    entries = load_definition("self-reenactment").methods
    texts = ("ours-ft.epochs=10", "ours-ft.lr_generator=5e-5", "pix2pixhd.flip=false")
    changed = {
        entry.label: entry.settings
        for entry in with_settings(entries, (*texts, "x2face.kind=a=b"))
        if entry.settings
    }
    assert changed == {
        "ours-ft": {"epochs": 10, "lr_generator": 5e-5},
        "pix2pixhd": {"flip": False},
        "x2face": {"kind": "a=b"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs=10", "write METHOD.NAME=VALUE"),
        ("ours-ft.epochs", "write NAME=VALUE"),
        ("ours-fd.epochs=1", "no method 'ours-fd': did you mean 'ours-ft'"),
        ("ours-ft.lr_generator=nan", "not a finite number"),
    ],
)
def test_settings_of_no_method_are_refused(text, message):
    with pytest.raises(ThbenchError, match=message):
        with_settings(load_definition("self-reenactment").methods, (text,))


def test_a_setting_of_another_type_or_name_is_told_before_any_work(tmp_path):
    few = replace(SMALL, methods=("ours-ft",))
    for text, message in (
        ("ours-ft.epochs=many", "epochs is 'many', not a whole number"),
        ("ours-ft.epoch=1", "unknown key 'epoch' .did you mean 'epochs'"),
    ):
        request = replace(few, settings=(text,))
        with pytest.raises(ThbenchError, match=message):
            begin_run("self-reenactment", request, tmp_path / "run", HowToRun(), quiet=True)


def test_a_run_goes_on_with_the_settings_it_was_begun_with(tmp_path):
    folder, few = tmp_path / "run", replace(SMALL, methods=("ours-ft",))
    begun = replace(few, settings=("ours-ft.most_steps=1",))
    assert begin_run("self-reenactment", begun, folder, HowToRun(), quiet=True)
    assert Run(folder).record().methods["ours-ft"].settings == {"most_steps": 1}
    assert resume_run(folder, Request(), HowToRun(), quiet=True)
    with pytest.raises(ThbenchError, match="has ours-ft with settings"):
        begin_run("self-reenactment", few, folder, HowToRun(), quiet=True)
