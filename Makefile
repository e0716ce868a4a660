# `make demo` runs the benchmark, `make test` the checks; both set up .venv first. Nothing is installed by hand.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
LOCKER := .lock-venv
DAMAGES ?= 60

.PHONY: demo test lint docs fuzz check lock clean

demo: $(STAMP)
	$(VENV)/bin/thbench demo

test: $(STAMP)
	$(VENV)/bin/python -m pytest -q -n 2 --dist worksteal

lint: $(STAMP)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy --config-file tests/mypy.ini

# The documentation as a site that works from disk: site/index.html. A warning is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet

check: lint docs test

# Damages every kind of file that the program reads, a few minutes long; `make test` does so more briefly.
fuzz: $(STAMP)
	THBENCH_TEST_DAMAGES=$(DAMAGES) $(VENV)/bin/python -m pytest -q tests/fuzz

# What is not in the lock with its hash is not installed; the package itself is built with what the lock brought.
$(STAMP): pyproject.toml requirements.lock
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --require-hashes -r requirements.lock
	$(VENV)/bin/pip install --quiet --no-deps --no-build-isolation -e .
	touch $(STAMP)

# Writes the lock again after a change of pyproject.toml: for every platform and Python, versions that are in it stay.
# `make lock UPGRADE=--upgrade` takes the newest of all.
lock:
	$(PYTHON) -m venv $(LOCKER)
	$(LOCKER)/bin/pip install --quiet uv
	$(LOCKER)/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --quiet $(UPGRADE) --output-file requirements.lock
	rm -rf $(LOCKER)

clean:
	rm -rf $(VENV) $(LOCKER) build site *.egg-info
