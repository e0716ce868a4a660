"""Files, names and commands that the documentation speaks of exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from support.pages import PAGES, ROOT, blocks

from cli import thbench
from protocols.definition_files import definition_names
from thbench.method import method_names

FOLDERS = "baselines|benchmarks|docs|examples|protocols|reports|tests|thbench|tools"
FILE = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
NAME_IN_FILE = re.compile(
    rf"`([A-Za-z_][\w.]*)` (?:and their like )?in\s+`((?:{FOLDERS})/[\w./-]+\.py)`"
)
COMMAND = re.compile(r"`(thbench [a-z][^`]*)`")
PLACEHOLDERS = re.compile(r"[A-Z]{3,}|\.\.\.")


def commands_of(page: Path) -> Iterator[str]:
    text = page.read_text("utf-8")
    for block in blocks(page):
        if block.language in ("bash", "sh"):
            yield from (line for line in block.commands if line.startswith("thbench "))
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(found.split()) for found in COMMAND.findall(without_blocks))


def problem_of(command: str) -> str:
    """Why no such command can be typed, or nothing. Arguments may be left out."""
    group: click.Command = thbench
    _, *words = shlex.split(command)
    while isinstance(group, click.Group) and words and not PLACEHOLDERS.search(words[0]):
        name = words.pop(0)
        if name not in group.commands:
            return f"no command {name!r}"
        group = group.commands[name]

    known = {option for param in group.params for option in (*param.opts, *param.secondary_opts)}
    return ", ".join(
        f"no option {word}" for word in words if word.startswith("-") and word not in known
    )


@cache
def names_in(file: Path) -> set[str]:
    """The functions and classes of a file, and the methods as Class.method."""
    found = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{part.name}" for part in node.body if hasattr(part, "name")}
    return found


def numbers_in(text: str, section: str) -> set[int]:
    """The numbers in the first column of a section's table."""
    body = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (\d[\d, ]*)", body, re.MULTILINE)
    return {int(number) for cell in cells for number in re.findall(r"\d+", cell)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_exist(page: Path) -> None:
    named = FILE.findall(page.read_text("utf-8"))
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_exist(page: Path) -> None:
    wrong = {command: problem_of(command) for command in commands_of(page)}
    assert {command: problem for command, problem in wrong.items() if problem} == {}


def test_the_check_of_commands_finds_what_does_not_exist() -> None:
    assert problem_of("thbench report latex runs/first --with-paper") == ""
    assert problem_of("thbench report latx runs/first") == "no command 'latx'"
    assert problem_of("thbench run-protocol --methds x") == "no option --methds"


def test_the_paper_map_names_what_is_there() -> None:
    text = (ROOT / "docs" / "paper-map.md").read_text("utf-8")
    named = NAME_IN_FILE.findall(text)
    assert len(named) > 20
    assert [(name, file) for name, file in named if name not in names_in(ROOT / file)] == []

    assert numbers_in(text, "Equations") >= set(range(1, 11))
    assert numbers_in(text, "Figures") == set(range(1, 18))
    assert numbers_in(text, "Tables") == {1, 2}


def test_the_paper_map_runs_protocols_and_methods_that_are_there() -> None:
    commands = list(commands_of(ROOT / "docs" / "paper-map.md"))
    run = {words[2] for command in commands if (words := command.split())[1] == "run-protocol"}
    assert {name for name in run if not name.startswith("-")} <= set(definition_names())
    # Experiments of later papers.
    of_others = {"first-frame", "fomm-vox1", "dagan-cross", "hdtf", "vfhq", "th1kh", "vfhq-cross"}
    assert set(definition_names()) - {"demo", "self-reenactment"} - of_others <= run

    trained = {words[2] for command in commands if (words := command.split())[1] == "adapt"}
    assert trained <= set(method_names())
