"""What is here and what is missing, and the command that brings it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from thbench.environment import hardware, versions
from thbench.errors import ThbenchError
from thbench.weight_registry import WEIGHTS, cache_folder
from thbench.weights import find


@dataclass(frozen=True)
class Finding:
    """One line of the report. remedy is the command that mends it, empty where all is there."""

    subject: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    remedy: str = ""


def examine() -> list[Finding]:
    """Looks at everything that thbench can use; touches no network and loads no model."""
    return [*_machine(), *_packages(), *_weights(), *_models(), *_data()]


def _machine() -> list[Finding]:
    found = hardware()
    gpus = ", ".join(found["gpus"])
    free_gib = shutil.disk_usage(Path.cwd()).free / 2**30
    return [
        Finding(
            "machine",
            "ok",
            f"{found['processor']}, {found['cores']} cores, {found['memory_gib']} GiB",
        ),
        Finding(
            "GPU",
            "ok" if gpus else "missing",
            gpus or "none; the paper preset needs one",
            "" if gpus else "use the small preset (64 pixels) and the demo, which need none",
        ),
        Finding(
            "disk",
            "ok" if free_gib > 2 else "broken",
            f"{free_gib:.0f} GiB free here",
            "" if free_gib > 2 else "free some space before a run",
        ),
    ]


def _packages() -> list[Finding]:
    known = ", ".join(f"{name} {version}" for name, version in versions().items())
    study = [
        name
        for name in ("starlette", "uvicorn", "sqlalchemy", "itsdangerous")
        if find_spec(name) is None
    ]
    return [
        Finding("packages", "ok", known),
        Finding(
            "study server",
            "missing" if study else "ok",
            f"{', '.join(study)} not installed" if study else "installed",
            "pip install thbench[study]" if study else "",
        ),
        Finding(
            "mediapipe",
            "ok" if find_spec("mediapipe") else "missing",
            "installed" if find_spec("mediapipe") else "disables: AED and APD by MediaPipe",
            "" if find_spec("mediapipe") else "pip install thbench[mediapipe]",
        ),
        _checked("dlib landmarks", _dlib, "the offline landmark detector and CSIM (dlib)"),
    ]


def _dlib() -> str:
    from thbench.data.landmarks.load import load_detector

    return str(load_detector("dlib").source)


def _weights() -> list[Finding]:
    findings = []
    for weight in WEIGHTS.values():
        place = find(weight)
        findings.append(
            Finding(
                f"weights {weight.name}",
                "ok" if place else "missing",
                str(place) if place else f"disables: {weight.enables}",
                "" if place else f"thbench weights fetch {weight.name}",
            )
        )
    return findings


def _models() -> list[Finding]:
    folder = Path(str(resources.files("thbench") / "assets" / "models"))
    bundled = sorted(path.stem for path in folder.glob("*.safetensors"))
    return [
        Finding(
            "bundled models",
            "ok" if bundled else "missing",
            ", ".join(bundled) or "none",
            "" if bundled else "thbench train ours --dataset synth --preset small",
        )
    ]


def _data() -> list[Finding]:
    root = os.environ.get("THBENCH_DATA")
    findings = [
        Finding("dataset synth", "ok", "synthetic heads, always there"),
        Finding("cache", "ok", f"{cache_folder()} (THBENCH_CACHE)"),
    ]
    if not root:
        return [
            *findings,
            Finding(
                "real datasets",
                "missing",
                "THBENCH_DATA is not set",
                "thbench prepare vox1-frames SRC OUT, and export THBENCH_DATA=FOLDER OF OUT",
            ),
        ]
    from thbench.data.store.prepared import is_store

    stores = [path for path in sorted(Path(root).glob("*")) if path.is_dir() and is_store(path)]
    return [
        *findings,
        *(
            _checked(f"dataset {path.name}", partial(_store, path), "this dataset")
            for path in stores
        ),
    ]


def _store(path: Path) -> str:
    from thbench.data.store.in_videos import open_store

    return f"{len(open_store(path).videos)} videos"


def _checked(subject: str, check: Callable[[], str], disables: str) -> Finding:
    """The finding of a check, which raises `ThbenchError` or `ImportError` for what is wrong."""
    try:
        return Finding(subject, "ok", check())
    except (ThbenchError, ImportError) as error:
        return Finding(subject, "broken", f"disables {disables}", str(error))
