"""From what a person asks for to a run."""

import os
from dataclasses import replace

from protocols.request import Request, begin_run, how_to_run, resume_run
from protocols.run import HowToRun
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
