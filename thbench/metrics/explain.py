"""A metric in words: what `thbench explain` prints."""

from __future__ import annotations

from thbench.metrics.base import is_set_metric, load_metric


def explanation(name: str) -> str:
    """The card of a metric and whether it can run, one fact per line. Raises `ThbenchError` for an
    unknown name.
    """
    metric = load_metric(name)
    card = metric.card
    per_frame = not is_set_metric(metric)
    unit = f", in {card.unit}" if card.unit else ""
    stand_in = ", a stand-in with its own column" if card.stand_in else ""

    facts = {
        "better": "higher" if card.higher_is_better else "lower",
        "formula": card.formula,
        "range": card.value_range + unit,
        "valid on": card.valid_on,
        "compares": COMPARED[card.compares],
        "measured": "per frame, averaged by video" if per_frame else "over all frames, by video",
        "network": (card.network or "none") + stand_in,
        "on failure": POLICIES[card.policy],
        **{f"  {key}": value for key, value in card.settings.items()},
        "source": card.source,
        "here": metric.unavailable() or "can run",
    }

    width = max(map(len, facts))
    lines = [f"{key:{width}}  {value}" for key, value in facts.items()]
    return "\n".join([f"{card.label} ({card.name})", *lines])


COMPARED = {
    "frame": "with the true frame",
    "identity": (
        "whose face it is: with the true frame or, where another video drives, with the shots"
    ),
    "pose": "the landmarks, pose or expression with those of the driving frame",
    "nothing": "nothing: looks at the generated frame alone",
}
POLICIES = {
    "error": "error: no frame may fail",
    "drop-pairwise": (
        "drop-pairwise: the frame is left out and counted, in differences from both methods"
    ),
    "fallback-box": "fallback-box: the place of the true frame's face is used",
    "score-zero": "score-zero: the frame counts as 0 and is counted as failed",
}
