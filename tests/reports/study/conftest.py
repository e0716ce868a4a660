from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.study_run import write_run

from reports.study.build import build_study
from reports.study.folder import Study
from thbench.runs import Run


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six test videos of three persons, two methods, two T: four table rows. Read-only."""
    return write_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="session")
def built(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study's folder. Read-only."""
    folder = tmp_path_factory.mktemp("built") / "study"
    build_study(run, folder, triplets_per_row=12, ratings=3)
    return folder


@pytest.fixture
def study(built: Path, tmp_path: Path) -> Study:
    """12 triplets in each of 4 rows, 3 ratings: 24 forms of 6, and 2 + 2 + 3 trials besides."""
    shutil.copytree(built, tmp_path / "study")
    return Study.open(tmp_path / "study")
