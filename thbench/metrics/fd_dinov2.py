"""The Frechet distance of DINOv2 features (Stein et al., NeurIPS 2023)."""

from __future__ import annotations

from thbench.metrics.base import MetricCard
from thbench.metrics.dinov2_features import DINOV2
from thbench.metrics.formula import SetFormula
from thbench.metrics.frechet import FORMULA, SETTINGS, frechet_estimate


def fd_dinov2(device: str = "cpu") -> SetFormula:
    """Entry point: Frechet distance between the DINOv2 features of generated and true frames.

    What is said of FID at few frames holds here too, in 1024 dimensions: it ranks methods on the
    same videos, and the real-vs-real row is its floor.
    """
    return SetFormula(_CARD, DINOV2, frechet_estimate, device)


_CARD = MetricCard(
    name="fd-dinov2",
    label="FD (DINOv2)",
    higher_is_better=False,
    unit="",
    value_range="0 upwards, 0 for equal frames",
    formula=f"{FORMULA} of the DINOv2 features of generated and true frames",
    settings={**DINOV2.settings, **SETTINGS},
    source="Stein et al., NeurIPS 2023; preprocessing of dgm-eval",
    policy="drop-pairwise",
    network=DINOV2.name,
)
