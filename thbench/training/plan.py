"""What a training will do and when: its phases, and what other `--steps` change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """A part of a training, from step `first` (counted from 1) to the next phase or the end."""

    first: int
    what: str


def phases_text(phases: Sequence[Phase], step: int, steps: int) -> str:
    """What is still to come after `step` steps: one line, the phases with their steps."""
    ends = [phase.first - 1 for phase in phases[1:]] + [steps]
    parts = [
        f"steps {max(phase.first, step + 1)} to {min(end, steps)}: {phase.what}"
        for phase, end in zip(phases, ends, strict=True)
        if phase.first <= steps and end > step
    ]
    return "; ".join(parts)


def begins(phases: Sequence[Phase], step: int) -> Phase | None:
    """The phase whose first step is `step`, if it is one after the first."""
    return next((phase for phase in phases[1:] if phase.first == step), None)


def resumed_text(step: int, steps: int, steps_before: int | None) -> str:
    """Where a resumed training stands, and what other steps than it was begun with change."""
    if step >= steps:
        return f"{step} steps are taken already and --steps is {steps}: nothing is left to do"

    text = f"goes on after step {step} of {steps}"
    if steps_before is None or steps_before == steps:
        return text
    more = abs(steps - steps_before)
    later = f"{more} step{'s' * (more > 1)} {'later' if steps > steps_before else 'earlier'}"
    return (
        f"{text}; it was begun with --steps {steps_before}: it ends {later}, nothing else changes"
    )


def shared_out_text(before: int, now: int) -> str:
    """What changes in a training that goes on with another number of processes."""
    return (
        f"{before} process{'es' * (before > 1)} wrote the checkpoint, {now} go{'es' * (now == 1)} "
        "on: every one begins with the discriminator of process 0, and the videos and their rows "
        "of W are shared out anew; the losses will not be those of an undisturbed training"
    )
