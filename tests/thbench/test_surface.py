"""What `import thbench` declares."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import thbench

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", thbench.__all__)
def test_each_declared_name_is_there(name: str) -> None:
    assert getattr(thbench, name) is not None
    assert name in dir(thbench)


def test_an_unknown_name_is_told_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'thbench' has no attribute 'adopt'"):
        getattr(thbench, "adopt")  # noqa: B009 - mypy knows that it is not there


def test_importing_it_imports_nothing_else() -> None:
    program = (
        "import sys; before = set(sys.modules); import thbench; "
        "print(*sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert ran.stdout.split() == ["thbench"]


def test_what_type_checkers_see_is_what_is_declared() -> None:
    source = (ROOT / "thbench" / "__init__.py").read_text("utf-8")
    seen = source.split("if TYPE_CHECKING:\n")[1].split("\n\n__version__")[0]
    names = re.sub(r"from [\w.]+ import|[(),]", " ", seen).split()
    assert sorted({*names, "__version__"} - {"Any"}) == sorted(thbench.__all__)


def test_the_reference_describes_each_declared_name() -> None:
    page = (ROOT / "docs" / "python-reference.md").read_text("utf-8")
    described = set(re.findall(r"^::: [\w.]+\.(\w+)$", page, re.MULTILINE))
    assert described == set(thbench.__all__) - {"__version__"}
