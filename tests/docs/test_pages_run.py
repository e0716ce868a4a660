"""What the documentation tells a reader to do works, as it is written there."""

import doctest
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.pages import ROOT, blocks, run_page

DOCS = ROOT / "docs"


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what pages install there is imported from it and then forgotten.

    Commands work in one process, for those of several would each import everything again.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.slow
def test_the_first_benchmark(empty_folder: Path) -> None:
    printed = run_page(DOCS / "first-benchmark.md")

    shown = next(
        block.text for block in blocks(DOCS / "first-benchmark.md") if "n 12" in block.text
    )
    assert [line.split()[:4] for line in shown.splitlines()] == [
        line.split()[:4] for line in printed[0].splitlines()[: len(shown.splitlines())]
    ]
    for made in ("table.tex", "figure.png", "report/index.html"):
        assert (empty_folder / made).stat().st_size > 0
    assert "PSNR" in (empty_folder / "table.tex").read_text()


@pytest.mark.slow
def test_a_method_of_ones_own(empty_folder: Path) -> None:
    printed = run_page(DOCS / "own" / "method.md")
    assert "FAILED" not in printed[1]
    assert "shifted-mean  T=8" in printed[2]
    assert (empty_folder / "todo" / "README.txt").exists()


@pytest.mark.slow
def test_a_metric_of_ones_own(empty_folder: Path) -> None:
    printed = run_page(DOCS / "own" / "metric.md")
    assert printed[1].startswith("Sharpness (sharpness)")
    assert "Sharpness" in printed[3]
    assert "Sharpness" in printed[4]


@pytest.mark.slow
def test_a_protocol_of_ones_own(empty_folder: Path) -> None:
    printed = run_page(DOCS / "own" / "protocol.md")
    assert any("ours-ft, 2 epochs" in text for text in printed)


@pytest.mark.slow
def test_the_tour_in_python(empty_folder: Path) -> None:
    text = "".join(block.text for block in blocks(DOCS / "python.md") if block.language == "pycon")
    test = doctest.DocTestParser().get_doctest(text, {}, "python.md", "docs/python.md", 0)
    assert len(test.examples) > 20

    told: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        test, out=told.append
    )
    assert result.failed == 0, "".join(told)


@pytest.mark.slow
def test_the_example_of_the_readme() -> None:
    (example,) = (block.text for block in blocks(ROOT / "README.md") if block.language == "python")
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["pictures"].shape == (4, 3, 64, 64)
