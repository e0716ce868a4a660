"""Live systems: a real program is run on real folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from support.random_frames import random_frames

from baselines.external.command import command
from thbench.errors import ThbenchError
from thbench.method import MethodOptions, load_method

MIRROR = """
import sys, pathlib
from PIL import Image, ImageOps
shots, drive, out = map(pathlib.Path, sys.argv[1:4])
assert len(list(shots.iterdir())) == 2
for file in drive.iterdir():
    ImageOps.mirror(Image.open(file)).save(out / file.name)
"""


def method(
    tmp_path: Path, program: str, arguments: str = "{shots} {drive} {out}", **settings: Any
) -> Any:
    script = tmp_path / "my prog.py"
    script.write_text(program)
    return command(
        MethodOptions(f"mirror={sys.executable} '{script}' {arguments}", settings=settings)
    )


def failure(found: Any) -> str:
    with pytest.raises(ThbenchError) as caught:
        found.adapt(random_frames(2)).render(random_frames(3, seed=1))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_program_renders_the_driving_frames(tmp_path: Path) -> None:
    drive = random_frames(3, seed=1)
    found = method(tmp_path, MIRROR)
    assert (found.name, found.drives_with) == ("mirror", "image")
    assert torch.equal(found.adapt(random_frames(2)).render(drive), drive.images.flip(-1))


def test_quotes_around_the_whole_command_are_taken_off(tmp_path: Path) -> None:
    """As in `--methods "command:NAME='prog ...'"`, of which a shell takes off the outer pair."""
    (tmp_path / "prog.py").write_text(MIRROR)
    drive = random_frames(3, seed=1)
    line = f"'{sys.executable} {tmp_path / 'prog.py'} {{shots}} {{drive}} {{out}}'"
    found = command(MethodOptions(f"mirror={line}"))
    assert torch.equal(found.adapt(random_frames(2)).render(drive), drive.images.flip(-1))


def test_a_command_without_driving_frames_is_not_shown_them(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\nassert not (pathlib.Path(sys.argv[1]).parent / 'drive').exists()\n"
        + MIRROR
    )
    found = method(tmp_path, program, "{shots} {drive_landmarks} {out}")
    assert found.drives_with == "landmarks"
    assert found.adapt(random_frames(2)).render(random_frames(3).without_images()).shape == (
        3,
        3,
        64,
        64,
    )


def test_the_registry_knows_commands() -> None:
    assert load_method("command:x=prog {shots} {drive} {out}", MethodOptions()).name == "x"


def test_the_end_of_stderr_is_shown(tmp_path: Path) -> None:
    program = "import sys\nfor i in range(9): print('line', i, file=sys.stderr)\nsys.exit(3)"
    message = failure(method(tmp_path, program))
    assert "ended with exit code 3: line 6 | line 7 | line 8" in message


def test_what_is_shown_of_stderr_is_short_and_steers_no_terminal(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "sys.stderr.write('\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m\\x08\\n')\n"
        "sys.stderr.write('x' * 5_000_000 + 'end')\n"
        "sys.exit(1)"
    )
    message = failure(method(tmp_path, program))
    assert message.isprintable()
    assert len(message) < 600
    assert message.endswith("xend")
    short = failure(method(tmp_path, program.replace("5_000_000", "5")))
    assert short.endswith(": red? | xxxxxend")


def test_frames_that_are_missing_or_misnamed_are_named(tmp_path: Path) -> None:
    program = MIRROR + "\n(out / '01.png').rename(out / 'one.png')"
    message = failure(method(tmp_path, program))
    assert "1 missing (01.png)" in message
    assert "1 extra (one.png)" in message


def test_a_program_that_writes_nothing_is_told(tmp_path: Path) -> None:
    assert "mirror: {out} holds no frames; 3 frames are expected" in failure(method(tmp_path, ""))


def test_a_timeout_stops_the_program_and_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = (
        f"import subprocess, sys, time\nchild = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(pid)!r}, 'w').write(str(child.pid))\n"
        "print('busy', file=sys.stderr, flush=True)\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    message = failure(method(tmp_path, program, timeout_s=2))
    assert "ran longer than 2 s and was stopped; its last words: busy" in message
    assert time.monotonic() - started < 20
    assert not running(int(pid.read_text()))


def running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    try:
        return (
            os.path.exists(f"/proc/{pid}")
            and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
        )
    except (FileNotFoundError, ProcessLookupError):  # it ended before or after the file was opened
        return False


def test_a_program_that_is_not_there_is_told() -> None:
    assert "cannot run /nowhere/prog" in failure(
        command(MethodOptions("x=/nowhere/prog {shots} {drive} {out}"))
    )


def test_no_shell_looks_at_the_command(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    found = method(
        tmp_path, MIRROR, f"{{shots}} {{drive}} {{out}} ; touch {touched} $(touch {touched})"
    )
    found.adapt(random_frames(2)).render(random_frames(3))
    assert not touched.exists()


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("x=prog {shots}", "no {out}"),
        ("=prog {out}", "no name"),
        ("x=", "no program"),
        ("x", "no program"),
        ("x=prog {out} {gpu}", "unknown placeholder {gpu}"),
        ("x=prog '{out}", "quotation"),
    ],
)
def test_a_malformed_command_is_refused(argument: str, told: str) -> None:
    with pytest.raises(ThbenchError, match=told):
        command(MethodOptions(argument))


@pytest.mark.parametrize("settings", [{"timeout_s": 0}, {"timeout_s": "soon"}, {"timeouts": 3}])
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ThbenchError, match="timeout_s"):
        command(MethodOptions("x=prog {out}", settings=settings))


BUSY = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen(['sleep', '60'])
here = pathlib.Path(__file__).parent
(here / 'writing').write_text(f'{os.getpid()} {child.pid} {sys.argv[3]}')
(here / 'writing').rename(here / 'pids')  # whole, or not there
time.sleep(60)
"""
RENDER = """
import sys
import tempfile
from pathlib import Path
sys.path.insert(0, str(Path('tests').resolve()))
from support.random_frames import random_frames
from baselines.external.command import command
from thbench.method import MethodOptions
command(MethodOptions(sys.argv[1])).adapt(random_frames(2)).render(random_frames(3))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_program_and_its_folder_end_with_us(number: int, tmp_path: Path) -> None:
    script, pids = tmp_path / "busy.py", tmp_path / "pids"
    script.write_text(BUSY)
    spec = f"busy={sys.executable} {script} {{shots}} {{drive}} {{out}}"
    process = subprocess.Popen(
        [sys.executable, "-c", RENDER, spec],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    while not pids.exists() or len(pids.read_text().split()) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    program, child, out = pids.read_text().split()
    folder = Path(out).parent
    assert running(int(program))
    assert folder.name.startswith("thbench-")

    process.send_signal(number)
    process.wait(timeout=50)
    deadline = time.monotonic() + 20
    while running(int(program)) or running(int(child)) or folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_left_of_a_run_that_ended_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    method(tmp_path, MIRROR).adapt(random_frames(2)).render(random_frames(3))
    assert list((tmp_path / "temporary").iterdir()) == []
