"""FID between generated frames and the matched true frames."""

from __future__ import annotations

from thbench.metrics.base import MetricCard
from thbench.metrics.formula import SetFormula
from thbench.metrics.frechet import FORMULA, SETTINGS, frechet_estimate
from thbench.metrics.inception import INCEPTION


def fid(device: str = "cpu") -> SetFormula:
    """Entry point: Frechet Inception distance over all hold-out frames of a cell.

    With 1600 clustered frames in 2048 dimensions most of the value is a finite-sample term: it
    ranks methods on the same videos, and means nothing beside a number from other videos. The
    real-vs-real row is its floor.
    """
    return SetFormula(_CARD, INCEPTION, frechet_estimate, device)


_CARD = MetricCard(
    name="fid",
    label="FID",
    higher_is_better=False,
    unit="",
    value_range="0 upwards, 0 for equal frames",
    formula=f"{FORMULA} of the Inception features of generated and true frames",
    settings={**INCEPTION.settings, **SETTINGS},
    source="Heusel et al., NeurIPS 2017; network of pytorch-fid 0.3",
    policy="drop-pairwise",
    network=INCEPTION.name,
)
