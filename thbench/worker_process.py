"""What every worker process keeps to, whichever engine started it."""

from __future__ import annotations

import pickle
import sys

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def threads() -> tuple[int, int]:
    """Processor threads of OpenCV and of torch."""
    import cv2  # not at the top: in a worker the environment comes first

    torch = sys.modules.get("torch")  # some work does without
    return cv2.getNumThreads(), torch.get_num_threads() if torch else 1


def use_threads(for_cv2: int, for_torch: int) -> None:
    import cv2

    cv2.setNumThreads(for_cv2)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(for_torch)


def travelling(error: Exception) -> Exception:
    """The error, or one that says the same where it cannot be sent to another process: there it
    would look like a dead worker.
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
