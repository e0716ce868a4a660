"""The plan's tables are those that the measured costs give."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.pages import ROOT


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    file: Path = ROOT / "benchmarks" / "scale_plan.py"
    spec = importlib.util.spec_from_file_location("scale_plan", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "scale_plan", module)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_plan_come_from_the_measured_costs(script: ModuleType) -> None:
    page = (ROOT / "docs" / "scale.md").read_text("utf-8")
    for table in script.plan(script.read_costs(script.COSTS)).split("\n\n"):
        assert table in page


def test_counts_of_the_data_set_are_what_its_hours_give(script: ModuleType) -> None:
    assert script.DATA.frames == 2442 * 90_000
    assert script.PROTOCOL.units == 150_000
