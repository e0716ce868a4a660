"""Where the time of a protocol run goes, and what it costs in memory as videos are added.

    OMP_NUM_THREADS=1 python benchmarks/protocol_speed.py [--videos 6 24]
        [--out benchmarks/results/protocol_speed.json]

Each number of videos is a run of its own process, by the command that users type. Functions that
stand for a part are timed; a part that runs within another counts for itself alone, and what is in
none is `other`. CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from thbench.environment import hardware, versions
from thbench.files import write_json

RUN = [
    *("run-protocol", "--dataset", "synth:64", "--methods", "ours-ft", "copy-nearest"),
    *("--T", "1", "8", "--holdout", "32", "--workers", "1", "--device", "cpu", "--quiet"),
]

# Functions by module, or by class in one.
PARTS = {
    "methods: learn and render": [
        ("protocols.generate", "adapt"),
        ("protocols.generate", "render"),
        ("protocols.generate.Workshop", "method"),
    ],
    "metrics: score, features, distances": [
        ("thbench.metrics.formula.FrameFormula", "score"),
        ("thbench.metrics.formula.IdentityFormula", "score"),
        ("thbench.metrics.formula.IdentityFormula", "score_identity"),
        ("thbench.metrics.formula.SetFormula", "features"),
        ("protocols.derive", "_estimate"),
        ("protocols.derive", "summarise"),
    ],
    "data: draw synthetic heads": [("thbench.data.synthetic.dataset.Synth", "read")],
    "files: write, read and check frames": [
        ("protocols.generate", "write_frames"),
        ("protocols.score_units", "read_images"),
        ("protocols.score_units", "read_frames"),
        ("protocols.score_units", "_refuse_altered_frames"),
        ("protocols.set_features", "read_images"),
        ("protocols.set_features", "frame_sets"),
    ],
    "records: marks, run.json": [
        ("thbench.runs.Run", "read_unit"),
        ("thbench.runs.Run", "record"),
        ("thbench.runs.Run", "commit_unit"),
    ],
}


class Stopwatch:
    """CPU seconds by part; a part within another stops the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running, self._since = ["other"], time.process_time()

    def switch(self) -> None:
        """Gives the time since the last switch to the part that ran."""
        now = time.process_time()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted for the part."""

        def run(*arguments: Any, **options: Any) -> Any:
            self.switch()
            self._running.append(part)
            try:
                return function(*arguments, **options)
            finally:
                self.switch()
                self._running.pop()

        return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--videos", type=int, nargs="+", default=[6, 24])
    parser.add_argument("--here", type=int, metavar="VIDEOS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(run_here(options.here)))
        return

    rows = [run_apart(videos) for videos in options.videos]
    for row in rows:
        print(f"{row['videos']} videos, {row['cpu_s']} CPU seconds, {row['peak_mb']} MB at most")
        for part, seconds in row["parts_s"].items():
            print(f"  {part:40} {seconds:6.1f} s  {seconds / row['cpu_s']:5.0%}")
    if options.out:
        record = {"command": RUN, "rows": rows, "hardware": hardware(), "versions": versions()}
        write_json(options.out, record)


def run_apart(videos: int) -> dict[str, Any]:
    """A run in a process of its own, since a process remembers its peak of memory."""
    asked = [sys.executable, __file__, "--here", str(videos)]
    printed = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True).stdout
    row: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return row


def run_here(videos: int) -> dict[str, Any]:
    """Does a run and says what it took, from the start of the process."""
    watch = Stopwatch()
    watch.seconds["start: the interpreter and imports"] = time.process_time()
    watch.switch()
    for part, places in PARTS.items():
        for owner, name in places:
            holder = found(owner)
            setattr(holder, name, watch.timed(part, getattr(holder, name)))
    command = import_module("cli").main
    watch.switch()
    watch.seconds["start: the interpreter and imports"] += watch.seconds.pop("other")

    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["thbench", *RUN, "--videos", str(videos), "--out", f"{folder}/run"]
        try:
            command()
        except SystemExit as end:
            if end.code:
                raise
    watch.switch()

    parts = {part: round(seconds, 2) for part, seconds in watch.seconds.items()}
    return {
        "videos": videos,
        "cpu_s": round(sum(watch.seconds.values()), 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "parts_s": dict(sorted(parts.items(), key=lambda item: -item[1])),
    }


def found(owner: str) -> Any:
    """A module, or a class in one."""
    module, _, last = owner.rpartition(".")
    return getattr(import_module(module), last) if last[0].isupper() else import_module(owner)


if __name__ == "__main__":
    main()
