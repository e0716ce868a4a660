"""One thread per test process, before any library starts its own."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
