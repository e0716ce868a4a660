"""A configuration of meta-learning that cannot be trained is refused where it is made."""

from __future__ import annotations

from typing import Any

import pytest

from thbench.config import override
from thbench.errors import ThbenchError
from thbench.paper.config import OursConfig, ours_config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr_generator": "-1"}, "learning rates must be 0 or more"),
        ({"fine_tuning_lr": "-1e-3"}, "learning rates must be 0 or more"),
        ({"shots": "0"}, "shots = 0 and shots_min"),
        ({"shots_min": "0"}, "must be 1 or more"),
        ({"shots_min": "9"}, "shots_min not above shots"),
        ({"ema": "1"}, "ema = 1.0 must be 0 or more and below 1"),
        ({"ema": "-5"}, "ema = -5.0 must be"),
        ({"fine_tuning_average_power": "-3"}, "fine_tuning_average_power = -3.0 must be 0 or more"),
    ],
)
def test_values_that_make_no_training_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ThbenchError, match=message):
        override(OursConfig(), settings)


@pytest.mark.parametrize(
    "changes",
    [{"ema": "none"}, {"ema": "0"}, {"lr_discriminator": "0"}, {"shots": "1"}, {"shots_min": "8"}],
)
def test_values_at_the_edge_are_taken(changes: Any) -> None:
    override(ours_config("paper"), changes)
