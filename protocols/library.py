"""Running and scoring for Python programs; `import thbench` offers these functions.

They do what the commands `thbench run` and `thbench score` do, and print nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from protocols.request import Measured, Request, how_to_run, measure, rescore
from thbench.engine import LOCAL, Engine

__all__ = ["Measured", "Request", "run_protocol", "score"]

_NOTHING_ELSE = Request()


def run_protocol(
    protocol: str,
    out: Path | str,
    request: Request = _NOTHING_ELSE,
    *,
    device: str = "auto",
    workers: int | None = 1,
    engine: Engine = LOCAL,
) -> Measured:
    """Measures methods by a protocol: a bundled name or the path of a TOML file.

    out: the run's folder; a run that is already there goes on, and nothing is done twice.
    request: what is to differ from the protocol.
    workers: the number of processes. With several, the calling program guards its start by
        `if __name__ == "__main__":`, as Python's `multiprocessing` requires. None: as many as
        there is room for.
    engine: a Ray cluster in place of processes of this machine.

    Returns the run folder and the units that failed. Raises `ThbenchError`, before any work, when
    the protocol or the request cannot be run.
    """
    return measure(protocol, request, Path(out), how_to_run(device, workers, engine), quiet=True)


def score(
    run: Path | str,
    metrics: Sequence[str] = (),
    *,
    only: bool = False,
    device: str = "auto",
    workers: int | None = 1,
    engine: Engine = LOCAL,
) -> None:
    """Computes the metrics of a run from its stored frames.

    metrics: names of metrics beside those of the run itself; with only=True, in place of them.
    Raises `ThbenchError` for an unknown metric and for frames that were altered.
    """
    rescore(Path(run), metrics, only, how_to_run(device, workers, engine), quiet=True)
