# `make demo` runs the benchmark, `make test` the checks; both set up .venv first. Nothing is installed by hand.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: demo test lint check clean

demo: $(STAMP)
	$(VENV)/bin/thbench demo

test: $(STAMP)
	$(VENV)/bin/python -m pytest -q -n 2 --dist worksteal

lint: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

check: lint test

$(STAMP): pyproject.toml constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -e .[dev] -c constraints.txt
	touch $(STAMP)

clean:
	rm -rf $(VENV) build *.egg-info
