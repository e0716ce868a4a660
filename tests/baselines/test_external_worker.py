"""Workers: the documented example renders; those that die, hang or talk rubbish harm one video."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from support.processes import is_running
from support.random_frames import random_frames

from baselines.external.worker import worker
from protocols.definition import load_definition, method_entry
from protocols.run import RunOptions, run_protocol
from thbench.data.open import open_dataset
from thbench.errors import ThbenchError
from thbench.method import MethodOptions
from thbench.runs import Run

EXAMPLE = re.search(
    r"```python\n(.*?)```",
    (Path(__file__).parents[2] / "docs" / "worker.md").read_text(),
    re.DOTALL,
)
assert EXAMPLE

# A worker that answers as `ANSWERS` says: a function from the request's kind to what is done.
MISBEHAVING = """
import json, os, pathlib, shutil, sys, time
here = pathlib.Path(__file__).parent
(here / "starts").open("a").write("x")
starts = len((here / "starts").read_text())
for line in sys.stdin:
    request = json.loads(line)
    number, (what, content) = request.pop("id"), next(iter(request.items()))
    done = {"drives_with": "image"} if what == "hello" else {}
    answer = {"id": number, "done": done}
    if what == "render":
        for path in content["drive"]:
            shutil.copy(path, content["out"])
    %s
    print(json.dumps(answer), flush=True)
"""


def method(tmp_path: Path, program: str, **settings: Any) -> Any:
    script = tmp_path / "my worker.py"
    script.write_text(program)
    spec = f"mine={sys.executable} {shlex.quote(str(script))}"
    return worker(MethodOptions(spec, settings={"timeout_s": 60, **settings}, size_px=64))


def misbehaving(tmp_path: Path, lines: str, **settings: Any) -> Any:
    return method(tmp_path, MISBEHAVING % lines, **settings)


def rendered(found: Any) -> torch.Tensor:
    drive = random_frames(3, seed=1)
    drive = drive if found.drives_with == "image" else drive.without_images()
    return found.adapt(random_frames(2)).render(drive)


def failure(found: Any) -> str:
    with pytest.raises(ThbenchError) as caught:
        rendered(found)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_example_of_the_page_answers_with_its_last_shot(tmp_path: Path) -> None:
    assert "thbench" not in EXAMPLE[1]
    found = method(tmp_path, EXAMPLE[1])
    assert found.drives_with == "landmarks"
    assert found.provenance["notes"] == ["copies, at 64 pixels"]
    assert torch.equal(rendered(found), random_frames(2).images[1].expand(3, -1, -1, -1))


def test_one_process_serves_all_heads_in_any_order(tmp_path: Path) -> None:
    found = misbehaving(tmp_path, "")
    first, second = found.adapt(random_frames(1)), found.adapt(random_frames(2))
    for head, seed in ((first, 5), (second, 6), (first, 7)):
        drive = random_frames(2, seed=seed)
        assert torch.equal(head.render(drive), drive.images)
    assert (tmp_path / "starts").read_text() == "x"


def test_talk_on_both_channels_harms_nothing(tmp_path: Path) -> None:
    lines = (
        "print('{\"id\": 77}\\n[' * 3 + '\\x1b[2J', 'z' * 3_000_000)\n"
        "    print('e' * 300_000, file=sys.stderr)"
    )
    assert torch.equal(rendered(misbehaving(tmp_path, lines)), random_frames(3, seed=1).images)


def test_an_answer_that_comes_twice_is_not_the_next_ones(tmp_path: Path) -> None:
    found = misbehaving(tmp_path, "for _ in range(3): print(json.dumps(answer), flush=True)")
    for seed in (1, 2):
        drive = random_frames(3, seed=seed)
        assert torch.equal(found.adapt(random_frames(2)).render(drive), drive.images)


def test_a_dead_worker_is_started_again_and_asked_once_more(tmp_path: Path) -> None:
    found = misbehaving(tmp_path, "if what == 'render' and starts == 1: os._exit(9)")
    assert torch.equal(rendered(found), random_frames(3, seed=1).images)
    assert (tmp_path / "starts").read_text() == "xx"


def test_one_that_always_dies_fails_with_its_last_words(tmp_path: Path) -> None:
    lines = "if what == 'adapt': print('no memory', file=sys.stderr, flush=True); os._exit(3)"
    message = failure(misbehaving(tmp_path, lines))
    assert "the worker ended with exit code 3 before it answered 'adapt'" in message
    assert message.endswith("no memory")
    assert (tmp_path / "starts").read_text() == "xx"


def test_one_that_hangs_is_stopped_and_the_next_video_gets_a_new_one(tmp_path: Path) -> None:
    found = misbehaving(
        tmp_path,
        "if what == 'adapt' and starts == 1:\n"
        "        (here / 'pid').write_text(str(os.getpid()))\n        time.sleep(600)",
        timeout_s=4,
    )
    started = time.monotonic()
    assert "no answer to 'adapt' within 4 s, so the worker was stopped" in failure(found)
    assert time.monotonic() - started < 60
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert torch.equal(rendered(found), random_frames(3, seed=1).images)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("if what == 'adapt': answer = {'id': number, 'error': 'too\\ndark'}", "adapt: too"),
        ("if what == 'adapt': answer = {'id': number, 'done': 3}", 'holds neither "done"'),
        ("if what == 'adapt': answer = {'id': number}", 'holds neither "done"'),
        ("if what == 'render': answer['done'] = {'frames': ['00.png']}", "names 1 frames, 3 were"),
        ("if what == 'render': answer['done'] = {'frames': ['a', 'b', 'c']}", "not a readable PNG"),
        (
            "if what == 'render': os.mkfifo(content['out'] + '/p');"
            " answer['done'] = {'frames': ['p'] * 3}",
            "not a readable PNG",
        ),
        (
            "if what == 'render': answer['done'] = {'frames': ['\\0'] * 3}",
            "is not the name of a file",
        ),
        (
            "if what == 'render': answer['done'] = {'frames': ['../../../x.png'] * 3}",
            "leaves",
        ),
    ],
)
def test_wrong_answers_are_told(lines: str, told: str, tmp_path: Path) -> None:
    assert told in failure(misbehaving(tmp_path, lines))


@pytest.mark.parametrize(
    ("spec", "settings", "told"),
    [
        ("x=/nowhere/serve", {}, "cannot run /nowhere/serve"),
        ("x=", {}, "no name or no program"),
        ("=prog", {}, "no name or no program"),
        ("x=prog 'a", {}, "quotation"),
        ("x=prog", {"timeout": 3}, "did you mean 'timeout_s'"),
        ("x=prog", {"timeout_s": 0}, "above 0"),
        ("x=prog", {"cwd": "/nowhere"}, "is not a folder"),
        ("real=prog", {}, "real frames"),
    ],
)
def test_a_malformed_spec_is_refused(spec: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ThbenchError, match=told):
        worker(MethodOptions(spec, settings=settings))


def test_what_is_no_worker_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ThbenchError, match="ended with exit code 0 before it answered 'hello'"):
        method(tmp_path, "print('hi')")
    with pytest.raises(ThbenchError, match="must say drives_with"):
        misbehaving(tmp_path, "answer = {'id': number, 'done': {}}")


def test_settings_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(EXAMPLE[1])
    file = tmp_path / "mine.toml"
    file.write_text(f'command = "{sys.executable} serve.py"\ncwd = "{tmp_path}"\ntimeout_s = 50\n')
    found = worker(MethodOptions(f"mine={file}", size_px=64))
    assert found.timeout_s == 50
    assert rendered(found).shape == (3, 3, 64, 64)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_goes_on_after_its_worker_failed(tmp_path: Path) -> None:
    """The first render kills its own process twice; the resumed run is whole and equal."""
    script = tmp_path / "w.py"
    script.write_text(MISBEHAVING % "if what == 'render' and starts <= 2: os._exit(9)")
    definition = load_definition("self-reenactment").with_values(
        T=(1,),
        videos=2,
        holdout=2,
        metrics=("l1",),
        methods=(method_entry(f"worker:mine={sys.executable} {script}"),),
    )
    options, dataset = RunOptions({}), open_dataset("synth:64")
    first = run_protocol(definition, dataset, tmp_path / "run", options)
    assert [error.partition(":")[0] for _, error in first.failed] == ["mine"]
    second = run_protocol(definition, dataset, tmp_path / "run", options)
    assert second.failed == []
    assert second.summary.rows[-1].metrics["l1"].value == 0
    assert Run.open(tmp_path / "run").record().methods["mine"].drives_with == "image"


RENDER = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path('tests').resolve()))
from support.random_frames import random_frames
from baselines.external.worker import worker
from thbench.method import MethodOptions
worker(MethodOptions(sys.argv[1], size_px=64)).adapt(random_frames(2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_worker_ends_with_us(tmp_path: Path) -> None:
    import subprocess

    script = tmp_path / "w.py"
    script.write_text(
        MISBEHAVING % "if what == 'adapt':\n        (here / 'pid').write_text(f'{os.getpid()} ')\n"
        "        time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", RENDER, f"mine={sys.executable} {script}"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith(" "):
        assert process.poll() is None
        time.sleep(0.02)
    number = int((tmp_path / "pid").read_text())
    process.send_signal(signal.SIGKILL)
    process.wait(50)
    deadline = time.monotonic() + 20
    while is_running(number):
        assert time.monotonic() < deadline
        time.sleep(0.02)
