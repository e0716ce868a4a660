"""Imports point one way, between the top-level folders and between the rooms of `thbench`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each may import what stands to its right, and itself.
FOLDERS = [{"cli"}, {"protocols", "reports"}, {"baselines"}, {"thbench"}]

# The same inside thbench; its other files are the ground, below all of these.
ROOMS = [
    {"commands"},
    {"audit", "doctor", "heads"},
    {"adaptation"},
    {"paper"},
    {"training"},
    {"metrics", "perceptual"},
    {"data"},
    {"command_options"},
    {"config", "runs"},
    {"records"},
]
GROUND = "ground"


@dataclass(frozen=True)
class Import:
    """`module` imports `target`; at_load: when it is loaded, not when a function is called."""

    module: str
    target: str
    at_load: bool


@cache
def modules() -> dict[str, Path]:
    files = [ROOT / "cli.py"]
    for folder in ("protocols", "reports", "baselines", "thbench"):
        files += sorted((ROOT / folder).rglob("*.py"))
    return {name_of(file): file for file in files}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports() -> list[Import]:
    return [found for module, file in modules().items() for found in imports_of(module, file)]


def imports_of(module: str, file: Path) -> Iterator[Import]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node, at_load in statements(tree, True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, at_load)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield Import(module, inner if inner in modules() else node.module, at_load)


def statements(node: ast.AST, at_load: bool) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes below, but what only a type checker sees."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child, at_load
        is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from statements(child, at_load and not is_function)


def against(order: list[set[str]], place: dict[str, str]) -> list[str]:
    """The imports from a place to one that does not stand below it. place: by module."""
    floor = {name: number for number, names in enumerate(order) for name in names}
    return [
        f"{found.module} imports {found.target}"
        for found in imports()
        if found.module in place
        and found.target in place
        and place[found.module] != place[found.target]
        and floor[place[found.target]] <= floor[place[found.module]]
    ]


def loads(module: str) -> set[str]:
    """Everything that importing a module imports, by the statements of our own modules."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        current = waiting.pop()
        targets = {each.target for each in imports() if each.module == current and each.at_load}
        waiting += targets - found
        found |= targets
    return found


def packages_loaded_by(module: str) -> set[str]:
    return {target.split(".")[0] for target in loads(module)}


def test_cli_stands_on_protocols_and_reports_they_on_baselines_and_all_on_thbench() -> None:
    assert against(FOLDERS, {module: module.split(".")[0] for module in modules()}) == []


def test_the_rooms_of_thbench_stand_on_each_other() -> None:
    rooms = {name for names in ROOMS for name in names}
    place = {}
    for module in modules():
        folder, _, rest = module.partition(".")
        room = rest.split(".")[0]
        if folder == "thbench" and rest:
            place[module] = room if room in rooms else GROUND
    assert against([*ROOMS, {GROUND}], place) == []


@pytest.mark.parametrize("heavy", ["torch", "lightning"])
def test_reports_load_no_networks(heavy: str) -> None:
    reports = {module for module in modules() if module.split(".")[0] == "reports"}
    assert {module for module in reports if heavy in packages_loaded_by(module)} == set()
    assert heavy in packages_loaded_by("thbench.training.loop")
