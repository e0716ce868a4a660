"""timing.json: the seconds of few-shot learning at each T, and of inference per frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class TimeRecord:
    """Median and spread over n repetitions. T is None for inference; parts are medians of what took
    the time.
    """

    method: str
    T: int | None
    phase: Literal["few-shot", "inference"]
    median_s: float
    iqr_s: float | None
    n: int
    mean_s: float | None = None
    warmup: int = 0
    parts: Mapping[str, float | None] = field(default_factory=dict)
    memory_peak_mb: float | None = None
    note: str = ""
    clocks: Any = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for an inference that has a T, or few-shot learning that has none."""
        if (self.T is None) != (self.phase == "inference"):
            raise ValueError(f"has T = {self.T} for {self.phase}")


@dataclass(frozen=True)
class TimingRecord:
    """The whole of timing.json."""

    hardware: Mapping[str, Any]
    rows: list[TimeRecord]
    device: str = ""
    threads: int = 1
    memory: str = ""
    inference: str = ""
