"""What the frames of a dataset show, because not every metric means something on everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from thbench.errors import ThbenchError

Pictures = Literal["photographs", "synthetic heads"]  # films and paintings are among photographs


def checked_pictures(value: Any, file: Path | str) -> Pictures:
    """`value` as it stands in a file; raises `ThbenchError` naming the file for anything else."""
    if value == "photographs":
        return "photographs"
    if value == "synthetic heads":
        return "synthetic heads"

    raise ThbenchError(f"{file}: pictures is {value!r}, photographs or synthetic heads expected")
