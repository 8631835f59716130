# make demo | test | lint | bench. The first call makes .venv and installs; a stamp makes later ones instant.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test lint bench clean

demo: .venv/installed
	$(BIN)/python -m grokinterp demo

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .venv/wheel && $(BIN)/pip install --quiet --no-deps --target .venv/wheel .
	cd .venv/wheel && ../bin/pyright --pythonpath ../bin/python grokinterp

bench: .venv/installed-dev
	$(BIN)/python benchmarks/train_step.py

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build dist src/*.egg-info
