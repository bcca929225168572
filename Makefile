# Tasks. `make help` lists them. pip's own environment variables (PIP_INDEX_URL, PIP_FIND_LINKS, ...) are honoured.

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
export MPLBACKEND := Agg

.PHONY: help demo test test-slow check docs bench clean

help:  ## list the tasks
	@grep -hE '^[.a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv: .venv/ready  ## make the environment alone

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "latentia needs Python 3.11 or newer; this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch .venv/ready

.venv/ready-check: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[check,docs]'
	@touch .venv/ready-check

demo: .venv/ready  ## fit a VAE to real data, write runs/digits/report.html
	@rm -rf runs/digits
	$(BIN)/latentia fit digits --out runs/digits --seed 0

test: .venv/ready  ## run all tests (two workers; WORKERS=4 for more)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not slow'

test-slow: .venv/ready  ## run the tests that take longer
	$(BIN)/python -m pytest -m slow

check: .venv/ready-check  ## ruff (lint and format), pyright, import rule, the docs' code blocks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/test_architecture.py tests/test_docs.py

docs: .venv/ready-check  ## build the documentation into site/
	$(BIN)/mkdocs build --strict

.venv-bench/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --upgrade pip
	.venv-bench/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch .venv-bench/ready

bench: .venv-bench/ready  ## measure, beside the peers; tables go to benchmarks/results/
	.venv-bench/bin/python benchmarks/run.py

clean:  ## remove what was made, the environment excepted
	rm -rf build dist site runs .pytest_cache .ruff_cache .hypothesis src/*.egg-info
