"""What produced a number: versions, hardware, git commit; `thbench doctor` shows it, too."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "thbench",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "opencv-python",
    "opencv-python-headless",
    "dlib-bin",
    "face-alignment",
    "insightface",
    "onnxruntime",
    "pytorch-fid",
    "scikit-image",
    "av",
    "pyarrow",
    "lightning",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that can change a number."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores, memory and GPUs."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gib": _memory_gib(),
        "gpus": gpus,
        "cuda": torch.version.cuda if gpus else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def machine_name(found: Mapping[str, Any]) -> str:
    """The first GPU of what `hardware` found, or the processor where there is none."""
    gpus = found.get("gpus") or [found.get("processor") or "unknown hardware"]
    return str(gpus[0])


def git_commit() -> str | None:
    """The commit of this checkout, with `+` when it has changes; None outside a checkout."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *args: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *args], capture_output=True, text=True, check=True, timeout=20
    ).stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None
