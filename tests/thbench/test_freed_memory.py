"""Memory that a process freed is there for its next need, without new pages from the system."""

import resource
import subprocess
import sys

import pytest

from thbench.freed_memory import keep_freed_memory

SIZE_BYTES = 64 * 2**20
HELD_AFTER = f"""
import numpy
from thbench.freed_memory import keep_freed_memory

def held_bytes():
    return int(open("/proc/self/statm").read().split()[1]) * {resource.getpagesize()}

keep_freed_memory()
before = held_bytes()
numpy.ones({SIZE_BYTES}, numpy.uint8)
print(held_bytes() - before)
"""


def held_after_an_array_was_freed(**environment: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", HELD_AFTER], env=environment))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_the_memory_of_a_freed_array_stays():
    assert held_after_an_array_was_freed() > 0.9 * SIZE_BYTES


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_"])
def test_glibcs_own_variables_stand(name):
    assert held_after_an_array_was_freed(**{name: "131072"}) < 0.1 * SIZE_BYTES


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", None)
    keep_freed_memory()
