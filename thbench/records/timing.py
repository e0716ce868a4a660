"""timing.json: the seconds of few-shot learning at each T, and of inference per frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class ClocksRecord:
    """The clocks while something was timed: the slowest and the fastest core in MHz, and what
    nvidia-smi says of a GPU that was used; None where it is not known.
    """

    cpu_mhz: tuple[float, float] | None = None
    gpu: str | None = None


@dataclass(frozen=True, kw_only=True)
class TimeRecord:
    """Median and spread over n repetitions. T is None for inference; parts are medians of what took
    the time.
    """

    method: str
    T: int | None
    phase: Literal["few-shot", "inference"]
    median_s: float
    iqr_s: float | None
    mean_s: float | None = None
    n: int
    warmup: int = 0
    parts: Mapping[str, float | None] = field(default_factory=dict)
    memory_peak_mb: float | None = None
    note: str = ""
    clocks: ClocksRecord | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for an inference that has a T, or few-shot learning that has none."""
        if (self.T is None) != (self.phase == "inference"):
            raise ValueError(f"has T = {self.T} for {self.phase}")


@dataclass(frozen=True, kw_only=True)
class TimingRecord:
    """The whole of timing.json."""

    hardware: Mapping[str, Any]
    device: str = ""
    threads: int = 1
    memory: str = ""
    inference: str = ""
    rows: list[TimeRecord]
