"""thbench: how good is the talking head that each method makes from T photos, and what does it
cost?

This module declares what a Python program may rely on. Each name is imported when it is first
used, so that `import thbench` takes no time and brings in neither PyTorch nor pandas.
"""

TYPE_CHECKING = False  # as in `typing`, whose import would take longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from protocols.library import Measured, Request, run_protocol, score
    from reports.library import RunTables, read_run
    from thbench.data.dataset import Dataset, Video, videos_of
    from thbench.data.open import open_dataset
    from thbench.errors import ThbenchError
    from thbench.method import (
        Frames,
        Method,
        MethodOptions,
        TalkingHead,
        adapt,
        bundled_model,
        load_method,
        method_names,
        render,
    )
    from thbench.metrics.base import load_metric, metric_names

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "Frames",
    "Measured",
    "Method",
    "MethodOptions",
    "Request",
    "RunTables",
    "TalkingHead",
    "ThbenchError",
    "Video",
    "__version__",
    "adapt",
    "bundled_model",
    "load_method",
    "load_metric",
    "method_names",
    "metric_names",
    "open_dataset",
    "read_run",
    "render",
    "run_protocol",
    "score",
    "videos_of",
]

# Where each name lives. protocols and reports stand above thbench, which imports neither: this
# table is the one place that knows them, by name only, so that a program finds everything behind
# one import while the code keeps its direction.
_HOMES = {
    "protocols.library": ("Measured", "Request", "run_protocol", "score"),
    "reports.library": ("RunTables", "read_run"),
    "thbench.data.dataset": ("Dataset", "Video", "videos_of"),
    "thbench.data.open": ("open_dataset",),
    "thbench.errors": ("ThbenchError",),
    "thbench.method": (
        "Frames",
        "Method",
        "MethodOptions",
        "TalkingHead",
        "adapt",
        "bundled_model",
        "load_method",
        "method_names",
        "render",
    ),
    "thbench.metrics.base": ("load_metric", "metric_names"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> "Any":
    if name not in _HOME_OF:
        raise AttributeError(f"module 'thbench' has no attribute {name!r}")

    from importlib import import_module

    found = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = found  # the next use does not come here
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
