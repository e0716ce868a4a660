"""What the machine does while something is timed: its clocks, its threads, and the memory that is
used.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import torch

from thbench.records.timing import ClocksRecord

GPU_QUERY = "name,clocks.sm,clocks.max.sm,clocks.mem,power.draw,temperature.gpu,driver_version"


def clocks(device: str) -> ClocksRecord:
    """Present clocks: lowest and highest of the processor's cores in MHz, and nvidia-smi's line
    where a GPU is used.
    """
    try:
        mhz = [
            float(value)
            for value in re.findall(r"^cpu MHz\s*: ([\d.]+)", _read("/proc/cpuinfo"), re.MULTILINE)
        ]
    except OSError:
        mhz = []
    return ClocksRecord(
        cpu_mhz=(min(mhz), max(mhz)) if mhz else None,
        gpu=_gpu() if device.startswith("cuda") else None,
    )


def synchronise(device: str) -> None:
    """Waits until the device has done all that it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def forget_memory_peak(device: str) -> None:
    """Starts a new measurement of `memory_peak_mb`."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return


def memory_peak_mb(device: str) -> float | None:
    """Peak since `forget_memory_peak`: of PyTorch's memory on a GPU, else of this whole process;
    None if unknown.
    """
    if device.startswith("cuda"):
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", _read("/proc/self/status"), re.MULTILINE)
    except OSError:
        return None
    return round(int(found[1]) * 1024 / 1e6, 1) if found else None


def _gpu() -> str | None:
    try:
        return subprocess.run(
            ["nvidia-smi", f"--query-gpu={GPU_QUERY}", "--format=csv"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
