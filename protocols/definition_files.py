"""Where the definitions of protocols lie: bundled ones and files of one's own. Nothing heavy is
imported, so a mistyped name is told at once.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from thbench.errors import ThbenchError
from thbench.files import read_text
from thbench.nearest import hint


def definition_names() -> list[str]:
    """Names of the bundled protocols, sorted."""
    return sorted(
        file.name.removesuffix(".toml")
        for file in _folder().iterdir()
        if file.name.endswith(".toml")
    )


def read_definition(name_or_path: str) -> str:
    """The TOML of a protocol, as it stands; raises `ThbenchError` for an unknown name."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        if not path.exists():
            raise ThbenchError(
                f"no protocol file {path}; `thbench protocols list` names the bundled ones"
            )
        return read_text(path)

    names = definition_names()
    if name_or_path not in names:
        raise ThbenchError(
            f"no protocol {name_or_path!r}: {hint(name_or_path, names, 'bundled are')} "
            "(a file of your own ends in .toml)"
        )
    return _folder().joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")


def _folder() -> Traversable:
    return resources.files("protocols") / "definitions"
