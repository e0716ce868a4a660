"""Weight files of other people's code: pickles of torch, read without running what is in them."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import torch

from thbench.errors import ThbenchError


def read_weights(file: Path, content: IO[bytes] | None = None) -> dict[str, Any]:
    """What torch.save wrote to `file` (or to `content`, a part of it), on the CPU.

    Raises `ThbenchError` when it is missing, damaged, holds more than tensors and plain values, or
    is no dictionary.
    """
    try:
        loaded = torch.load(content or file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ThbenchError(
            f"{file} cannot be read as weights ({reason}); get the file again"
        ) from error
    if not isinstance(loaded, dict):
        raise ThbenchError(
            f"{file} holds a {type(loaded).__name__}, not weights by name; name another file"
        )
    return loaded
