"""SIGTERM and Ctrl-C: one line, an exit code, nobody left, and the work goes on later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.processes import start

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys, time
from pathlib import Path
(Path(__file__).parent / f"out-{time.monotonic_ns()}").write_text(sys.argv[3])
time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_says_one_line_and_leaves_nobody(
    number: int, code: int, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    family = start(
        [
            "run-protocol",
            "--dataset",
            "synth:64",
            "--T",
            "1",
            "--videos",
            "2",
            "--holdout",
            "2",
            "--metrics",
            "l1",
            "--device",
            "cpu",
            "--workers",
            "2",
            "--methods",
            f"command:busy='{sys.executable} {program} {{shots}} {{drive}} {{out}}'",
            "--out",
            str(tmp_path / "run"),
        ],
        subprocess.PIPE,
    )
    try:
        while len(outs := list(tmp_path.glob("out-*"))) < 2:
            assert family.process.poll() is None
            time.sleep(0.01)
        os.kill(family.process.pid, number)
        _, told = family.process.communicate(timeout=300)

        assert family.process.returncode == code
        assert told.decode().splitlines()[-1].startswith("stopped: nothing half-written was kept")
        assert b"Traceback" not in told
        assert family.left_after(60) == []
        assert not any(Path(out.read_text()).parent.exists() for out in outs)
        assert not (tmp_path / "run/.lock").exists()
    finally:
        family.end()
