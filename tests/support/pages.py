"""The pages of the documentation, and their code blocks as a reader would run them.

```bash    commands that run
```sh      commands that need data or a GPU: only looked at
```pycon   a session of Python
```LANGUAGE title="FILE"   a file that the reader writes
"""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from cli import thbench

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    ROOT / "reports" / "study" / "README.md",
]

_BLOCK = re.compile(r"^```(\w+)(?: +title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code. title: the file that it is."""

    language: str
    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its command lines, each on one line and without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        bare = (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines)
        return [line for line in bare if line]


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page that name a language, in order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text("utf-8"))]


def run_page(page: Path) -> list[str]:
    """Writes the page's files and runs its commands, in this process and the current folder.

    Returns what each command of thbench printed.
    """
    printed = []
    for block in blocks(page):
        if block.title:
            write(Path(block.title), block.text)
        elif block.language == "bash":
            printed += [run_command(line) for line in block.commands]
    return printed


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def run_command(line: str) -> str:
    """What a command prints. Raises `AssertionError` where it fails."""
    program, *arguments = shlex.split(line)
    if program == "pip":
        install(arguments)
        return ""

    assert program == "thbench", line
    result = CliRunner().invoke(thbench, arguments, catch_exceptions=False)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.stdout


def install(arguments: list[str]) -> None:
    """`pip install` into the folder "installed", from where the caller imports."""
    verb, *rest = arguments
    assert verb == "install"
    options = ["--quiet", "--no-index", "--disable-pip-version-check", "--target", "installed"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, *rest], check=True, capture_output=True
    )
