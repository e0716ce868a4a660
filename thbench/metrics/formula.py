"""Metrics that are their card and their formula: all else is the same for each of its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.base import MetricCard, ValidOn
from thbench.metrics.statistics import Estimate

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

Scores = NDArray[np.float64]
Missing = Callable[[], str | None]  # as `FrameMetric.unavailable`


def nothing_missing() -> None:
    """Of a metric that can run everywhere."""


@dataclass(frozen=True)
class FrameFormula:
    """A `FrameMetric`: formula(generated, real) is its `score`."""

    card: MetricCard
    formula: Callable[[Tensor, Frames], Scores]
    missing: Missing = nothing_missing

    def unavailable(self) -> str | None:
        return self.missing()

    def score(self, generated: Tensor, real: Frames) -> Scores:
        return self.formula(generated, real)


@dataclass(frozen=True)
class IdentityFormula:
    """An `IdentityMetric`. Generated frames come with the landmarks that drove them.

    to_true: (generated, true frames of the same N) -> [N]. to_shots: (generated, shots of the
    person) -> [N].
    """

    card: MetricCard
    to_true: Callable[[Frames, Frames], Scores]
    to_shots: Callable[[Frames, Frames], Scores]
    missing: Missing = nothing_missing

    def unavailable(self) -> str | None:
        return self.missing()

    def score(self, generated: Tensor, real: Frames) -> Scores:
        from thbench.method import Frames

        return self.to_true(Frames(generated, real.landmarks), real)

    def score_identity(self, generated: Frames, shots: Frames) -> Scores:
        return self.to_shots(generated, shots)


@dataclass(frozen=True)
class FeatureNetwork:
    """What makes features of frames.

    name, settings, valid_on: as cards of its metrics have them. spec() is
    `SetMetric.feature_spec`; features(images, device): uint8 [N, 3, H, W] -> [N, D].
    """

    name: str
    settings: Mapping[str, Any]
    spec: Callable[[], dict[str, Any]]
    features: Callable[[Tensor, str], NDArray[np.float32]]
    missing: Missing = nothing_missing
    valid_on: ValidOn = "any pictures"


@dataclass(frozen=True)
class SetFormula:
    """A `SetMetric`: formula(generated, real, videos, clusters) is its `estimate`."""

    card: MetricCard
    network: FeatureNetwork
    formula: Callable[[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]], Estimate]
    device: str = "cpu"

    def unavailable(self) -> str | None:
        return self.network.missing()

    def feature_spec(self) -> dict[str, Any]:
        return self.network.spec()

    def features(self, images: Tensor) -> NDArray[np.float32]:
        return self.network.features(images, self.device)

    def estimate(
        self,
        generated: NDArray[Any],
        real: NDArray[Any],
        videos: NDArray[Any],
        clusters: NDArray[Any],
    ) -> Estimate:
        return self.formula(generated, real, videos, clusters)
