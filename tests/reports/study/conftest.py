from __future__ import annotations

from pathlib import Path

import pytest
from study_run import write_run

from reports.study.build import build_study
from reports.study.folder import Study
from thbench.runs import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six test videos of three persons, two methods, two T: four table rows. Read-only."""
    return write_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture
def study(run: Run, tmp_path: Path) -> Study:
    """24 triplets a row (all there are), 3 ratings: 72 forms of 4."""
    build_study(run, tmp_path / "study", triplets_per_row=12, ratings=3)
    return Study.open(tmp_path / "study")
