# Everything a person or a machine does with this project. `make` alone prints this help.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench docs format proto clean

help:  ## Print this help
	@echo "rilaas: robot inference and learning as a service"; echo
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "error: $(PYTHON) is too old. hint: install Python 3.11 and run make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { scripts/install_packages.sh python3-venv && $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --quiet --upgrade 'pip>=25.1'

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing what the demo needs (about a minute) ..."
	@$(PIP) install --quiet -c constraints.txt -e '.[ssh,serve,evaluate,hub]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing what development and tests need (a few minutes) ..."
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.demo

setup: $(VENV)/.dev  ## Make .venv with everything that development needs

demo: $(VENV)/.demo  ## Drive a robot through the service, about two minutes, then print a table
	@$(BIN)/rilaas up --demo

test: $(VENV)/.dev  ## Run all tests
	@scripts/install_packages.sh $(PACKAGES) || true
	@$(BIN)/python -m pytest -q -n 2 $(ARGS)

check: $(VENV)/.dev  ## What CI runs besides the tests: style, types, layers, old Pythons
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/vermin --quiet --no-tips --eval-annotations -t=3.10- --violations src/rilaas

bench: $(VENV)/.dev  ## Measure; results on the screen and in out/
	@mkdir -p out
	@for each in $(BENCHMARKS); do echo "== $$each"; $(BIN)/python benchmarks/$$each.py --json out/$$each.json; done

BENCHMARKS := authorization balance balancing balancing_oracle balancing_real balancing_simulator cli contention distance hub hub_load metrics optimize policy recording serving suite_speed tile_world wire
PACKAGES := bubblewrap openssh-client redis-server postgresql prometheus nginx-light chromium chromium-driver

docs: $(VENV)/.dev  ## Check that the documentation is true: its commands and code are run
	@$(BIN)/python -m pytest -q tests/docs

format: $(VENV)/.dev  ## Rewrite the source in house style
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

proto: $(VENV)/.dev  ## Generate the protocol's Python code again
	@$(BIN)/python scripts/generate_proto.py

clean:  ## Remove what was built here
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis
