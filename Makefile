# Every recipe says what it does behind `##`; `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
SEEDS ?= 0:1000
# No index is named: whoever installs uses their own.
COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: help setup demo test check format bench-quick faults faults-quick simulate peers up lock audit-deps clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.stamp: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Batchline needs Python 3.11 or newer: make PYTHON=python3.12 setup")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

setup: $(VENV)/.stamp ## Make .venv with every extra and tool (does nothing when it is there)

demo: setup ## Run the main job for real: server, workers, beat, Flower, simulator (ARGS="--requests 5000")
	@$(BIN)/batchline demo $(ARGS)

test: setup ## Run the whole test suite (ARGS="-k ledger")
	@$(BIN)/python -m pytest $(ARGS)

check: setup ## Lint, format check, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy
	@$(BIN)/basedpyright

format: setup ## Format and fix what can be fixed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench-quick: setup ## Measure against Instructor and a hand-written script
	@$(BIN)/python ops/bench/quick.py $(ARGS)

faults: setup ## Strike thirteen faults on real processes, at length, and write docs/reliability.md's table
	@$(BIN)/python -m faults --write $(ARGS)

faults-quick: setup ## The short form of it (ARGS="--only kill-loop")
	@$(BIN)/python -m faults --quick $(ARGS)

simulate: setup ## Play seeded hours of mishaps on a clock of their own (SEEDS=1000:2000)
	@BATCHLINE_TEST_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q tests/simulation $(ARGS)

peers: setup ## Put Batchline and other tools through faults, and write the table (ARGS=--missing)
	@$(BIN)/python -m peers $(ARGS)

up: setup ## Run everything on this machine until Ctrl-C (ARGS="--simulator --workers 2")
	@$(BIN)/batchline up $(ARGS)

lock: setup ## Compile every requirements lock from pyproject.toml
	@$(COMPILE) --extra dev pyproject.toml --output-file requirements.lock
	@$(COMPILE) --extra worker --extra flower --extra simulator --constraint requirements.lock pyproject.toml \
	  --output-file ops/docker/requirements.lock
	@echo "hatchling>=1.27" | $(COMPILE) --constraint requirements.lock - --output-file ops/docker/build.lock

audit-deps: setup ## Ask for known vulnerabilities of the locked packages (needs the index; no part of the checks)
	@$(BIN)/uv tool run --quiet pip-audit --requirement requirements.lock --require-hashes --disable-pip --strict $(ARGS)

clean: ## Remove .venv and every cache
	@rm -rf $(VENV) ops/bench/.venv-* ops/peers/.venv-* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist build
