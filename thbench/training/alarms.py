"""Alarms: what can go wrong in a training while its losses look healthy, each said in one line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Values = Mapping[str, float]
"""What one step logs: losses ("cnt") and diagnostics ("embedding/mean")."""


@dataclass(frozen=True)
class Alarm:
    """One thing that goes wrong.

    `seen` is handed the values of the last `steps` steps, oldest first and never fewer; it says
    what it sees in them, with figures, or returns None. `help` says what helps. A step that does
    not log what an alarm looks at (during a warm-up, say) must not set it off.
    """

    name: str
    steps: int
    seen: Callable[[Sequence[Values]], str | None]
    help: str


@dataclass
class Watchman:
    """Holds the recent values of a training against its alarms."""

    alarms: Sequence[Alarm]
    _recent: deque[Values] = field(init=False)
    _ringing: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._recent = deque(maxlen=max((alarm.steps for alarm in self.alarms), default=1))

    def after(self, values: Values) -> list[str]:
        """The alarms that this step sets off, as lines for a person.

        An alarm that goes on is said once; it may ring again after it has been quiet.
        """
        self._recent.append(values)
        lines = []

        for alarm in self.alarms:
            recent = list(self._recent)[-alarm.steps :]
            seen = alarm.seen(recent) if len(recent) == alarm.steps else None
            if seen is None:
                self._ringing.discard(alarm.name)
            elif alarm.name not in self._ringing:
                self._ringing.add(alarm.name)
                lines.append(f"{alarm.name}: {seen}; {alarm.help}")

        return lines


def logged(recent: Sequence[Values], name: str) -> list[float] | None:
    """The values of one name over these steps, or None when a step has not logged it."""
    found = [values[name] for values in recent if name in values]
    return found if len(found) == len(recent) else None


def _waiting(recent: Sequence[Values]) -> str | None:
    shares = logged(recent, "time/waiting")
    if shares is None or (mean := sum(shares) / len(shares)) < 0.5:
        return None
    return f"{mean:.0%} of the time goes by in waiting for frames"


WAITING = Alarm(
    "data is slow", 200, _waiting, "raise --workers, or move the dataset to a faster disk"
)
