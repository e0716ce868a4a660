"""NumPy files in: one way to read an array that may be damaged."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thbench.errors import ThbenchError


def read_array(path: Path, remedy: str, member: str = "") -> NDArray[Any]:
    """The array in an .npy file, or `member` of an .npz; pickles are refused.

    Raises `ThbenchError` that names the file and `remedy`, what to do, when it is missing, damaged
    or something else.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        found = loaded[member] if member else loaded
        if not isinstance(found, np.ndarray):
            raise ValueError("it holds no array")
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        EOFError,
        MemoryError,
        OverflowError,
        SyntaxError,
        TypeError,
        zipfile.BadZipFile,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise ThbenchError(f"{path} is missing or damaged ({reason}); {remedy}") from error
    return found
