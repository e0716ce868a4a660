"""Every registered metric loads, explains itself, and can be told apart."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
from click.testing import CliRunner

from cli import thbench
from thbench.errors import ThbenchError
from thbench.metrics.base import is_set_metric, load_metric, metric_names


@pytest.mark.parametrize("name", metric_names())
def test_card_carries_the_registered_name_and_can_be_recorded(name: str) -> None:
    card = load_metric(name).card
    assert card.name == name
    assert json.loads(json.dumps(asdict(card), allow_nan=False))["label"]
    assert card.formula
    assert card.source
    assert card.value_range


def test_fid_and_kid_compare_sets_and_all_others_score_frames() -> None:
    assert {name for name in metric_names() if is_set_metric(load_metric(name))} >= {"fid", "kid"}
    assert not is_set_metric(load_metric("ssim"))


def test_labels_are_distinct() -> None:
    labels = [load_metric(name).card.label for name in metric_names()]
    assert len(set(labels)) == len(labels)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ThbenchError, match="did you mean 'ssim'"):
        load_metric("sssim")


def test_explain_prints_formula_range_settings_and_source() -> None:
    text = CliRunner().invoke(thbench, ["explain", "ssim"], catch_exceptions=False).stdout
    for part in ("SSIM", "Gaussian window", "sigma_px", "Wang", "-1 to 1", "can run"):
        assert part in text
    assert "fid\n" in CliRunner().invoke(thbench, ["explain"], catch_exceptions=False).stdout


def test_statistics_and_the_interface_import_no_torch() -> None:
    code = (
        "import sys, thbench.metrics.statistics, thbench.metrics.base; "
        "import thbench.metrics.summary, thbench.weights; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
