"""What packages register by name: methods, metrics, trainers (Python's entry points)."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from thbench.errors import ThbenchError
from thbench.nearest import hint


def plugin_names(group: str) -> list[str]:
    """The names registered in an entry-point group, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def load_plugin(group: str, name: str, what: str) -> Any:
    """The object registered under `name`; `what` ("method") names its kind in errors.

    Raises `ThbenchError` for an unknown name (with the nearest known one) and for one that two
    packages claim.
    """
    return _registered(group, name, what).load()


def check_plugin(group: str, name: str, what: str) -> None:
    """Raises as `load_plugin` does, without importing anything: a mistyped name is told at once."""
    _registered(group, name, what)


def _registered(group: str, name: str, what: str) -> EntryPoint:
    found: list[EntryPoint] = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        near = hint(name, plugin_names(group), f"known {what}s:")
        raise ThbenchError(f"no {what} named {name!r}: {near}")
    if len({point.value for point in found}) > 1:
        raise ThbenchError(
            f"two packages register a {what} named {name!r}: {', '.join(p.value for p in found)}; "
            "uninstall one"
        )
    return found[0]
