"""What a spec with a program says: its name, its command line, and its settings."""

from __future__ import annotations

import difflib
import shlex
import shutil
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thbench.errors import ThbenchError
from thbench.files import read_text
from thbench.method import MethodOptions
from thbench.runs import REAL

TIMEOUT_S = 600.0


@dataclass(frozen=True)
class Program:
    """A system's name, the words of its command line, and all other settings."""

    name: str
    words: list[str]
    settings: Mapping[str, Any]

    def text(self, key: str, default: str) -> str:
        """A setting that is text; raises `ThbenchError` for another type."""
        value = self.settings.get(key, default)
        if not isinstance(value, str):
            raise ThbenchError(f"{self.name}: {key} = {value!r} must be text")
        return value

    def number(self, key: str, default: float) -> float:
        """A setting that is a number above 0; raises `ThbenchError` for another value."""
        value = self.settings.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise ThbenchError(f"{self.name}: {key} = {value!r} must be a number above 0")
        return float(value)

    def folder(self, key: str) -> Path | None:
        """A setting that names a folder, None where it is not set.

        Raises `ThbenchError` for a path that is not a folder.
        """
        value = self.text(key, "")
        path = Path(value).expanduser() if value else None
        if path is not None and not path.is_dir():
            raise ThbenchError(f"{self.name}: {key} = {value!r} is not a folder")
        return path


def read_program(kind: str, options: MethodOptions, known: Collection[str]) -> Program:
    """Reads `KIND:NAME='prog ...'` or `KIND:NAME=FILE.toml`, a file with "command" and settings.

    What the protocol sets for the method overrides the file. known: the names of all settings.

    Raises `ThbenchError` for a spec without a name or program, an unknown setting, and a file that
    is missing or not TOML.
    """
    usage = f"write {kind}:NAME='prog ...' or {kind}:NAME=FILE.toml"
    name, _, line = options.argument.partition("=")

    settings: dict[str, Any] = {}
    if line.endswith(".toml") and len(line.split()) == 1:
        settings = read_toml(Path(line))
        line = str(settings.pop("command", ""))
    settings |= options.settings

    if name == REAL:
        raise ThbenchError(f"{kind}:{options.argument}: the name {REAL!r} is the real frames'")

    words = split_words(f"{kind}:{options.argument}", line, usage)
    if not name or not words:
        raise ThbenchError(f"{kind}:{options.argument} has no name or no program; {usage}")

    refuse_unknown(f"{kind}:{name}", settings, known)
    return Program(name, words, settings)


def split_words(where: str, line: str, usage: str) -> list[str]:
    """The words of a command line, quoted as for a shell; variables and globs are not expanded.

    Quotes around the whole line are taken off first, unless what they hold is a program's path.

    Raises `ThbenchError`, with `where` and `usage`, for a quote that is not closed.
    """
    try:
        words = shlex.split(line)
        if _is_quoted_whole(line, words) and shutil.which(words[0]) is None:
            words = shlex.split(words[0])
    except ValueError as error:
        raise ThbenchError(f"{where}: {error}; {usage}") from None
    return words


def _is_quoted_whole(line: str, words: list[str]) -> bool:
    return len(words) == 1 and line.strip()[0] in "'\""


def refuse_unknown(where: str, settings: Collection[str], known: Collection[str]) -> None:
    """Raises `ThbenchError` for an unknown setting; the message names the closest known one."""
    for setting in settings:
        if setting not in known:
            near = difflib.get_close_matches(setting, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ThbenchError(f"{where} has the unknown setting {setting!r}: {hint}")


def read_toml(file: Path) -> dict[str, Any]:
    """Reads a TOML file; raises `ThbenchError`, with its path, when it is missing or not TOML."""
    try:
        return tomllib.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise ThbenchError(f"{file} is not TOML: {error}") from None
