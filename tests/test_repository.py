"""The habits of the repository: one version, a valid citation, checks that run elsewhere too."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

import thbench

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_version_is_written_in_one_place() -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "thbench.__version__"}
    assert version("thbench") == thbench.__version__


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["version"] == thbench.__version__
    assert citation["license"] == PROJECT["project"]["license"]

    (paper,) = citation["references"]
    assert paper["doi"] == "10.1109/ICCV.2019.00955"
    assert [author["family-names"] for author in paper["authors"]] == [
        "Zakharov",
        "Shysheya",
        "Burkov",
        "Lempitsky",
    ]


def test_the_workflow_runs_the_checks_on_the_oldest_and_the_newest_python() -> None:
    text = (ROOT / ".github" / "workflows" / "check.yml").read_text("utf-8")
    job = yaml.safe_load(text)["jobs"]["check"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    assert any(step.get("run", "").startswith("make check") for step in job["steps"])


def test_checks_are_lint_docs_and_tests() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^check: lint docs test$", makefile, re.MULTILINE)
    assert "make check" in (ROOT / ".ci" / "run").read_text("utf-8")
    for linter in ("ruff format --check .", "ruff check .", "mypy"):
        assert f"$(VENV)/bin/{linter}\n" in makefile


def test_hooks_are_local_and_run_the_linters() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    assert [hook["id"] for hook in repository["hooks"]] == ["ruff-format", "ruff-check", "mypy"]
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda form: form.stem
)
def test_issue_forms_have_what_a_form_needs(form: Path) -> None:
    content = yaml.safe_load(form.read_text("utf-8"))
    if form.stem == "config":
        assert content["blank_issues_enabled"] is True
        return

    assert {"name", "description", "body"} <= content.keys()
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert fields
    for field in fields:
        assert re.fullmatch(r"[\w-]+", field["id"])
        assert field["attributes"]["label"]


def test_nothing_names_a_host_of_packages() -> None:
    hosts = re.compile(r"pypi\.org|pythonhosted|index-url|registry\.npmjs", re.IGNORECASE)
    files = [
        *(ROOT / ".github").rglob("*.yml"),
        *(ROOT / "docs").rglob("*.*"),
        ROOT / ".pre-commit-config.yaml",
        ROOT / "mkdocs.yml",
        ROOT / "requirements.lock",
    ]
    texts = [file for file in files if file.is_file() and file.suffix != ".png"]
    assert [file for file in texts if hosts.search(file.read_text("utf-8"))] == []


def test_types_are_part_of_the_package() -> None:
    assert (ROOT / "thbench" / "py.typed").exists()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"]["*"]


def test_messages_say_what_is_not_so_in_plain_english() -> None:
    """Such as "is not a folder", which nobody writes as "is no folder"."""
    odd = re.compile(r"(?<!there )\bis (no (?!longer|more|such)[a-z]|none of)")
    found = []
    for folder in ("thbench", "protocols", "reports", "baselines"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            found += [f"{file.name}: {text}" for text in _raised(file) if odd.search(text)]
    assert found == []


def _raised(file: Path) -> Iterator[str]:
    """The texts of all exceptions that a file raises."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Raise):
            parts = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
            yield "".join(str(part.value) for part in parts)
