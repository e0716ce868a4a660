"""The metrics that stand for a run follow from the cards of the metrics themselves."""

from __future__ import annotations

from reports.preferred import NEEDS_A_FACE, headline, judges
from thbench.metrics.base import load_metric, metric_names
from thbench.records.scores import Metric


def described(*names: str) -> dict[str, Metric]:
    """What a run says of these metrics."""
    cards = {name: load_metric(name).card for name in names}
    return {
        name: Metric(
            name=name,
            label=card.label,
            higher_is_better=card.higher_is_better,
            unit=card.unit,
            network=card.network or "",
            stand_in=card.stand_in,
            policy=card.policy,
            description=card.formula,
        )
        for name, card in cards.items()
    }


def test_the_papers_metrics_lead_and_their_stand_ins_follow() -> None:
    everything = described(*metric_names())
    assert headline(everything) == ["fid", "ssim", "csim", "csim-dlib", "csim-heads", "fd-heads"]
    assert headline(described("l1", "fd-heads", "ssim")) == ["ssim", "fd-heads"]


def test_frames_are_judged_by_identity_before_similarity() -> None:
    everything = described(*metric_names())
    assert judges(everything) == ["csim", "csim-dlib", "csim-heads", "ssim"]
    assert judges(described("psnr", "fid")) == []


def test_metrics_that_need_a_face_are_metrics() -> None:
    assert set(NEEDS_A_FACE) <= set(metric_names())
