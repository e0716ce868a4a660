"""What a metric is: a card that defines it in words, a check that it can run, and a score per frame
or per set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeGuard, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from thbench.metrics.statistics import Estimate
from thbench.pictures import Pictures
from thbench.plugins import load_plugin, plugin_names

if TYPE_CHECKING:
    from torch import Tensor

    from thbench.method import Frames

ENTRY_POINTS = "thbench.metrics"

# What happens to a frame that a metric cannot score (its score is NaN):
#   error          no frame may fail; a NaN ends the scoring
#   drop-pairwise  the frame is left out and counted; in a difference it is left out of both methods
#   fallback-box   the metric itself falls back on the place where the real frame has its face, so
#                  no frame is NaN
#   score-zero     the frame counts as 0, and is counted as failed
FailurePolicy = Literal["error", "drop-pairwise", "fallback-box", "score-zero"]

# What a generated frame is compared with. A head that another video drives has no true frame, so
# "frame" metrics cannot score it; but it still has a person to look like and a pose to follow.
Compares = Literal["frame", "identity", "pose", "nothing"]

ValidOn = Literal["any pictures", "photographs", "synthetic heads"]


@dataclass(frozen=True)
class MetricCard:
    """The definition of a metric, printed by `thbench explain` and stored with every run.

    network is the name of the pretrained network as tables print it, None where there is none;
    stand_in marks a network that takes the place of the one the paper used (and is never printed
    under that one's name). valid_on says on which pictures the metric means something: on others it
    is not computed. clip_frames: how many frames that follow each other make one row of features of
    a set metric; where frames are spread over a video, a metric of clips is not computed.
    """

    name: str
    label: str
    higher_is_better: bool
    unit: str
    value_range: str
    formula: str
    source: str
    policy: FailurePolicy
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None
    stand_in: bool = False
    compares: Compares = "frame"
    valid_on: ValidOn = "any pictures"
    clip_frames: int = 1


class FrameMetric(Protocol):
    """A metric with one number per generated frame."""

    @property
    def card(self) -> MetricCard: ...

    def unavailable(self) -> str | None:
        """One line that says why the metric cannot run here and what to do about it; None when it
        can.
        """
        ...

    def score(self, generated: Tensor, real: Frames) -> NDArray[np.float64]:
        """Scores the frames of one video, in time order: uint8 [N, 3, H, W] against the true frames
        -> [N].

        `real.landmarks` are the dataset's landmarks of the true frames. NaN marks a frame that
        could not be scored.
        """
        ...


class IdentityMetric(FrameMetric, Protocol):
    """A frame metric of whose face it is (`card.compares` is "identity")."""

    def score_identity(self, generated: Frames, shots: Frames) -> NDArray[np.float64]:
        """Scores generated frames against shots of the person, taken in other poses: the mean over
        the shots -> [N].

        `generated.landmarks` are those that drove the frames.
        """
        ...


@runtime_checkable
class SetMetric(Protocol):
    """A metric that compares two sets of frames through the features of a network."""

    @property
    def card(self) -> MetricCard: ...

    def unavailable(self) -> str | None:
        """As `FrameMetric.unavailable`."""
        ...

    def feature_spec(self) -> dict[str, Any]:
        """All that decides the features besides the frames (network, sha256 of its weights,
        preprocessing, dtype): the other half of the key under which `FeatureStore` keeps them.
        """
        ...

    def features(self, images: Tensor) -> NDArray[np.float32]:
        """The frames of one video in time order, uint8 [N, 3, H, W] -> float32 [N, D].

        Of a metric of clips float32 [N // `card.clip_frames`, D].
        """
        ...

    def estimate(
        self,
        generated: NDArray[Any],
        real: NDArray[Any],
        videos: NDArray[Any],
        clusters: NDArray[Any],
    ) -> Estimate:
        """The value over all frames [N, D] and [N, D], with its delete-one-cluster jackknife.

        videos [N] names the video of each row, clusters [N] what is left out as one: the video
        again, or its person. Row i of `real` is the true frame of row i of `generated`. The value
        is NaN where there are too few rows.
        """
        ...


Metric = FrameMetric | SetMetric


def is_set_metric(metric: Metric) -> TypeGuard[SetMetric]:
    """Whether a metric compares sets; otherwise it scores frames."""
    return isinstance(metric, SetMetric)


def is_frame_metric(metric: Metric) -> TypeGuard[FrameMetric]:
    """Whether a metric scores frame by frame."""
    return not is_set_metric(metric)


def is_identity_metric(metric: Metric) -> TypeGuard[IdentityMetric]:
    """Whether a metric can compare a frame with other frames of the person."""
    return metric.card.compares == "identity"


def means_nothing_on(card: MetricCard, pictures: Pictures | None) -> str | None:
    """One line that says why a metric is not computed on such pictures, or None.

    None as well where nobody knows what the pictures show: in runs of older versions.
    """
    if card.valid_on == "any pictures" or pictures is None or card.valid_on == pictures:
        return None
    return f"it means something on {card.valid_on} only, and these are {pictures}"


def metric_names() -> list[str]:
    """Names of all registered metrics, bundled and installed, sorted."""
    return plugin_names(ENTRY_POINTS)


def load_metric(name: str, device: str = "cpu") -> Metric:
    """A metric; its networks are loaded at the first frame, so this is cheap and never fails for
    weights.

    What is registered is a metric or, where a network may run on a GPU, a factory that takes the
    torch device. Raises `ThbenchError` for an unknown name.
    """
    found: Metric | Callable[[str], Metric] = load_plugin(ENTRY_POINTS, name, "metric")
    return found(device) if callable(found) else found
