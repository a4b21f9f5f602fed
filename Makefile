# Everything runs in .venv, made from pyproject.toml and constraints.txt, and made anew when either changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: setup demo test lint docs bench

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("dropmix needs Python 3.11 or newer, got %d.%d. Say: make PYTHON=python3.11" % sys.version_info[:2])'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@echo "Installing into .venv: some minutes the first time, as torch is large"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

demo: setup
	$(BIN)/dropmix demo

# One thread a process: the tests run side by side, and more threads only take the cores from each other.
test: export OMP_NUM_THREADS = 1
test: setup
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(PYTEST_ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python

docs: setup
	$(BIN)/python docs/write_gallery.py
	$(BIN)/python -m dropmix.audit.schema > .venv/schema.json && cp .venv/schema.json docs/audit.schema.json
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html
	@echo docs/_build/html/index.html

# Renews the tables of benchmarks/results: half an hour on two cores; training needs DROPMIX_DATA. What is measured of the audit resumes.
bench: setup
	$(BIN)/python benchmarks/msda.py
	test -z "$$DROPMIX_DATA" || $(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/selection.py > .venv/selection.md && mv .venv/selection.md benchmarks/results/
	$(BIN)/python benchmarks/audit/calibrate.py calibrate --state .venv/audit.jsonl
	$(BIN)/python benchmarks/audit/cost.py
	$(BIN)/python benchmarks/audit/calibrate.py table --state .venv/audit.jsonl > .venv/audit.md && mv .venv/audit.md benchmarks/results/
