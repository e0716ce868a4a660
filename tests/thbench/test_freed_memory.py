"""Memory that a process freed is there for its next need, without new pages from the system."""

import resource
import subprocess
import sys

import pytest

from thbench.freed_memory import keep_freed_memory

ROUNDS, SIZE_BYTES, PAGE_BYTES = 20, 64 * 2**20, resource.getpagesize()
NEW_PAGES = f"""
import numpy, resource
from thbench.freed_memory import keep_freed_memory
keep_freed_memory()
numpy.ones({SIZE_BYTES}, numpy.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    numpy.ones({SIZE_BYTES}, numpy.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def new_pages(**environment: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", NEW_PAGES], env=environment))


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_arrays_of_one_size_take_the_same_pages_again():
    once = SIZE_BYTES / PAGE_BYTES
    assert new_pages() < once


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is Linux's")
def test_glibcs_own_variables_stand():
    """With huge pages a fault brings 512 pages, so this looks at the calls and not at faults."""
    program = (
        "import ctypes; from thbench.freed_memory import keep_freed_memory\n"
        "ctypes.CDLL = None  # a call would fail\n"
        "keep_freed_memory()"
    )
    subprocess.run(
        [sys.executable, "-c", program], env={"MALLOC_TRIM_THRESHOLD_": "131072"}, check=True
    )


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", None)
    keep_freed_memory()
