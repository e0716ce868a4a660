"""Identity and realism on synthetic heads, through a network trained on them: CSIM-heads and
FD-heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from thbench.files import sha256_file
from thbench.metrics.base import MetricCard
from thbench.metrics.frechet import frechet_jackknife
from thbench.metrics.statistics import Estimate

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

_NETWORK = "heads-net (synthetic heads)"
_SETTINGS = {
    "input": "the whole frame at 64x64, no detection, no alignment",
    "batch": 64,
    "dtype": "float32",
}
_SOURCE = "tools/train_heads_net.py: 400 synthetic training persons, ArcFace margin; no method is trained with it"


class CSIMHeads:
    """Cosine similarity of heads-net's identity vectors of a generated frame and the true one.

    It means something on the synthetic heads that the network was trained for, and is never printed
    as CSIM.
    """

    card = MetricCard(
        name="csim-heads",
        label="CSIM (heads)",
        higher_is_better=True,
        unit="",
        value_range="-1 to 1, 1 for equal frames",
        settings=_SETTINGS,
        source=_SOURCE,
        formula="cos(f(x), f(y)) with f = the identity vector of heads-net, 128-d",
        policy="error",
        network=_NETWORK,
        stand_in=True,
        compares="identity",
        valid_on="synthetic heads",
    )

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def unavailable(self) -> str | None:
        return None

    def score(self, generated: Tensor, real: Frames) -> NDArray[np.float64]:
        """uint8 [N, 3, H, W] against the true frames -> [N]. Cannot fail on a frame: nothing is
        detected.
        """
        from thbench.metrics.heads_net import measure

        ours, true = (
            measure(images, self.device).identity.double() for images in (generated, real.images)
        )
        return np.asarray((ours * true).sum(1).numpy(), np.float64)

    def score_identity(self, generated: Frames, shots: Frames) -> NDArray[np.float64]:
        """The mean cosine between a frame and the shots -> [N]."""
        from thbench.metrics.heads_net import measure

        ours, theirs = (
            measure(frames.images, self.device).identity.double() for frames in (generated, shots)
        )
        return np.asarray((ours @ theirs.mean(0)).numpy(), np.float64)


class FDHeads:
    """Frechet distance between heads-net's features of generated and true frames: the place of FID
    on synthetic heads.

    160 dimensions, so that 256 frames already give covariances of full rank. It is never printed as
    FID.
    """

    card = MetricCard(
        name="fd-heads",
        label="FD (heads)",
        higher_is_better=False,
        unit="",
        value_range="0 upwards, 0 for equal frames",
        formula="|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of heads-net's mean last maps, 160-d",
        settings={
            **_SETTINGS,
            "reference": "the matched hold-out frames",
            "uncertainty": "delete-one-video jackknife",
        },
        source=_SOURCE,
        policy="drop-pairwise",
        network=_NETWORK,
        stand_in=True,
        valid_on="synthetic heads",
    )

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def unavailable(self) -> str | None:
        return None

    def feature_spec(self) -> dict[str, Any]:
        from thbench.metrics.heads_net import ASSET

        return {
            "network": _NETWORK,
            "weights": sha256_file(ASSET),
            "layer": "mean of the last maps, 160",
            **_SETTINGS,
        }

    def features(self, images: Tensor) -> NDArray[np.float32]:
        """uint8 [N, 3, H, W] -> float32 [N, 160]."""
        from thbench.metrics.heads_net import measure

        return np.asarray(measure(images, self.device).texture.numpy(), np.float32)

    def estimate(
        self,
        generated: NDArray[Any],
        real: NDArray[Any],
        videos: NDArray[Any],
        clusters: NDArray[Any],
    ) -> Estimate:
        return frechet_jackknife(generated, real, clusters)
