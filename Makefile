# Everything a developer or an operator does here is one command; `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
SECONDS_ARG := $(if $(SECONDS),--seconds $(SECONDS))
SCENARIO_ARG := $(if $(SCENARIO),--scenario $(SCENARIO))
STAMP  := $(VENV)/.installed
export PYTHONDONTWRITEBYTECODE :=  # else each of our processes would compile all modules anew

.PHONY: help setup run test lint check bench load faults lock clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(STAMP) ## make the virtual environment with the pinned packages

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; say which with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

run: setup ## a small city on a fresh embedded database; SECONDS=10 ends by itself
	$(BIN)/switch demo $(SECONDS_ARG)

test: setup ## all tests, on embedded databases, four files at a time: they wait more than they work
	$(BIN)/python -m pytest -n 4 --dist loadfile

lint: setup ## format, lint and types, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test ## what CI runs: format, lint, types, then all tests

faults: setup ## the long version of the kill tests
	$(BIN)/python -m pytest tests/faults --long

bench: setup ## the speed figures, measured in one run
	$(BIN)/python -m bench

load: setup ## locust against a demo city of its own, then the audit; SCENARIO=kill or all
	$(BIN)/python -m loadtests $(SCENARIO_ARG)

lock: setup ## pin every dependency anew, by version and hash
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --extra dev pyproject.toml -o requirements.lock

clean: ## remove what the other commands made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .run
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
