# make demo | test | lowest | crash | fuzz | slurm | mutants | lint | bench | soak | docs. The first call makes .venv and installs; a
# stamp makes later ones instant.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test lowest crash fuzz slurm mutants lint bench soak stub docs clean

demo: .venv/installed
	$(BIN)/python -m grokinterp demo

# With bytecode kept, also where the environment says otherwise: every program that a test starts would compile it anew.
test: .venv/installed-dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The lowest versions that pyproject.toml allows, chosen by a resolver, in an environment of their own. What torch brings
# for GPUs (gigabytes) is left out: nothing here runs on one. LOWEST_TESTS= names other tests.
LOWEST := .venv-lowest
LOWEST_TESTS ?= tests/analysis tests/circuits tests/explorer/test_explorer.py tests/importers tests/measuring tests/reports/test_report.py tests/runs tests/training tests/test_fourier.py
lowest:
	test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check uv
	echo "torch==2.13.0" > $(LOWEST)/torch.txt
	$(LOWEST)/bin/uv pip compile pyproject.toml --extra explore --extra systems --resolution lowest-direct \
	  --only-binary :all: --no-binary transformers-stream-generator --override $(LOWEST)/torch.txt \
	  --no-annotate --no-header --quiet --output-file $(LOWEST)/all.txt
	grep -vE "^(nvidia-|cuda-|triton)" $(LOWEST)/all.txt > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/lowest.txt pytest pytest-xdist hypothesis beartype
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-deps --editable .
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n $(WORKERS) --dist loadfile $(LOWEST_TESTS)

# What tests/crash and tests/fuzz run for a moment, for as long as you like.
KILLS ?= 200
SECONDS ?= 600
crash: .venv/installed-dev
	$(BIN)/python tests/crash/crash.py --kills $(KILLS)

fuzz: .venv/installed-dev
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(SECONDS) --keep

# A Slurm job that reaches its time limit; such limits are whole minutes, so this is no part of the tests.
slurm: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/sweeps/time_limit.py

# Small changes to the maths, and which of them no test notices; half an hour, so not part of the tests.
COUNT ?= 200
SEED ?= 0
mutants: .venv/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check "cosmic-ray>=8"
	$(BIN)/python tests/mutants/mutants.py --count $(COUNT) --seed $(SEED) $(if $(ONLY),--only $(ONLY))

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
# Outside the repository: pyright skips folders with a dot, and beside the sources it would take each module twice.
# `build` may hold modules that are no longer there.
	typed=$$(mktemp -d) && trap "rm -rf $$typed" EXIT && rm -rf build && \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $$typed . && \
	  cd $$typed && $(CURDIR)/$(BIN)/pyright --pythonpath $(CURDIR)/$(BIN)/python grokinterp

bench: .venv/installed-dev
	$(BIN)/python benchmarks/train_step.py

# An hour of a user's actions in the explorer, of a run that is trained first where RUN= names none.
RUN ?= .venv/soak-run
ACTIONS ?= 1800
soak: .venv/installed-dev
	test -e $(RUN) || $(BIN)/python -m grokinterp train "a + b" --p 59 --steps 1000 --checkpoint-every 50 --out $(RUN)
	$(BIN)/python tests/soak/soak.py $(RUN) --actions $(ACTIONS)

# What editors know of gi.train's fields, after a change of the configuration.
stub: .venv/installed
	$(BIN)/python -c "from grokinterp.training import fields; fields.STUB.write_text(fields.stub(), 'utf-8')"

docs: .venv/installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.venv/installed: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv build dist site src/*.egg-info
