"""What a user of the usual metrics should know, in plain words, from the numbers of an audit.

Each finding is a rule: it says its sentence only where the audit bears it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from thbench.records.audit import PartRecord, ReactionRecord

SIMILARITY, IDENTITY, REALISM = "ssim", "csim-heads", "fd-heads"


def findings(part: PartRecord) -> list[str]:
    """The findings that the audit of synthetic heads bears out, the most telling first."""
    rules = (_shift_beside_mouth, _blur_is_rewarded, _blur_beside_identity, _eyes, _pose_alone)
    return list(chain.from_iterable(rule(part) for rule in rules))


def _shift_beside_mouth(part: PartRecord) -> Iterator[str]:
    shift = _harm(part, SIMILARITY, "shift", 0)
    mouth = _harm(part, SIMILARITY, "frozen-mouth", -1)
    if shift and mouth and shift > 2 * mouth > 0:
        yield (
            f"**SSIM minds where a face lies more than what it does.** A picture that lies one "
            f"pixel further right loses {shift:.3f} of SSIM; a mouth that never moves loses "
            f"{mouth:.4f}, {_times(shift / mouth)} less. A method that says nothing at all can "
            "win by SSIM: look at `mouth-correlation`, `mar` and `jaw` beside it."
        )


def _blur_is_rewarded(part: PartRecord) -> Iterator[str]:
    found = _reaction(part, SIMILARITY, "blur")
    if found is None:
        return
    for effect in found.effects:
        if effect.harm is not None and effect.se is not None and effect.harm < -3 * effect.se:
            yield (
                "**SSIM likes soft pictures where the pose is a little off.** Frames whose poses "
                "are off by two degrees, as a good method's are, score "
                f"{-effect.harm:.4f} *better* after a blur of {effect.strength:g} px. A small gain "
                "of SSIM may be lost sharpness."
            )
            return


def _blur_beside_identity(part: PartRecord) -> Iterator[str]:
    for name in (IDENTITY, REALISM):
        blur = _harm(part, name, "blur", -1)
        light = _harm(part, name, "brightness", -1)
        other = _harm(part, name, "wrong-identity", -1)
        half = _harm(part, name, "wrong-identity", 0)
        if None in (blur, light, other, half) or not (other and blur and light and half):
            continue
        label = part.metrics[name].label
        percent = part.defects["brightness"].strengths[-1]
        sigma = part.defects["blur"].strengths[-1]
        yield (
            f"**{label} measures pictures, not people alone.** With the same person in the same "
            f"pose, {percent:g} % more light costs {light / other:.0%} and a blur of {sigma:g} px "
            f"costs {blur / other:.0%} of what another person costs; a quarter of the way to "
            f"another person costs {half / other:.0%}. Compare it between methods of like "
            "sharpness and light only."
        )


def _eyes(part: PartRecord) -> Iterator[str]:
    names = [name for name in (SIMILARITY, IDENTITY, REALISM) if name in part.metrics]
    eyes = {name: _harm(part, name, "frozen-eyes", -1) for name in names}
    shift = {name: _harm(part, name, "shift", 0) for name in names}
    small = [
        name
        for name in names
        if eyes[name] is not None and shift[name] and eyes[name] < shift[name]  # type: ignore[operator]
    ]
    if small:
        labels = ", ".join(part.metrics[name].label for name in small)
        yield (
            f"**To {labels}, eyes that never move are next to free:** they cost less than a shift "
            "by one pixel."
        )


def _pose_alone(part: PartRecord) -> Iterator[str]:
    for name in ("yaw-error", "head-pose"):
        pose = _reaction(part, name, "wrong-pose")
        if pose is None or pose.verdict != "sees" or pose.smallest is None:
            continue
        weakest = f"{pose.smallest:.2g} degrees{' or less' if pose.at_most else ''}"
        unseen = [
            defect.label.lower()
            for key, defect in part.defects.items()
            if part.reaction(name, key).verdict == "blind"
        ]
        blind = f", and it is blind to {', '.join(unseen)}" if unseen else ""
        yield (
            f"**A wrong pose is told by the {part.metrics[name].label.lower()} from {weakest} on** "
            f"at 50 videos{blind}: what it says is about the pose."
        )
        return


def _reaction(part: PartRecord, metric: str, defect: str) -> ReactionRecord | None:
    is_there = metric in part.metrics and defect in part.defects
    return part.reaction(metric, defect) if is_there else None


def _harm(part: PartRecord, metric: str, defect: str, index: int) -> float | None:
    found = _reaction(part, metric, defect)
    return None if found is None else found.effects[index].harm


def _times(ratio: float) -> str:
    return f"{ratio:.0f} times" if ratio >= 3 else f"{ratio:.1f} times"
