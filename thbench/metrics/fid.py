"""FID between generated frames and the matched true frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench import weights
from thbench.metrics import inception
from thbench.metrics.base import MetricCard
from thbench.metrics.frechet import frechet_jackknife
from thbench.metrics.statistics import Estimate

if TYPE_CHECKING:
    from torch import Tensor


class FID:
    """Frechet Inception distance over all hold-out frames of a cell.

    With 1600 clustered frames in 2048 dimensions most of the value is a finite-sample term: it
    ranks methods on the same videos, and means nothing beside a number from other videos. The
    real-vs-real row is its floor.
    """

    card = MetricCard(
        name="fid",
        label="FID",
        higher_is_better=False,
        unit="",
        value_range="0 upwards, 0 for equal frames",
        formula="|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of the Inception features of generated and true frames",
        settings={
            **inception.SETTINGS,
            "reference": "the matched hold-out frames",
            "uncertainty": "delete-one-video jackknife",
        },
        source="Heusel et al., NeurIPS 2017; network of pytorch-fid 0.3",
        policy="drop-pairwise",
        network="Inception-v3 (2015-12-05)",
    )

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def unavailable(self) -> str | None:
        return weights.missing(inception.WEIGHTS)

    def feature_spec(self) -> dict[str, Any]:
        return inception.feature_spec()

    def features(self, images: Tensor) -> NDArray[np.float32]:
        return inception.inception_features(images, self.device)

    def estimate(
        self,
        generated: NDArray[Any],
        real: NDArray[Any],
        videos: NDArray[Any],
        clusters: NDArray[Any],
    ) -> Estimate:
        return frechet_jackknife(generated, real, clusters)
