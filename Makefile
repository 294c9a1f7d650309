# make demo   a model is promoted 10 -> 50 -> 100 under real traffic, three bad ones are rolled back
# make test   all tests, on real parts; what CI runs
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONTEXT ?=
KEEP ?=
ARGS ?=

.PHONY: help demo test check unit integration e2e nightly benchmarks generate lock format clean

help:
	@sed -n 's/^# make /make /p' Makefile; \
	echo "also: check (seconds), unit, integration, e2e, nightly, benchmarks, generate, lock, format, clean"

$(VENV)/installed: pyproject.toml constraints.txt
	@echo "==> Python environment in $(VENV) (about a minute)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e . --group dev --group plane
	@touch $@

demo: $(VENV)/installed
	@$(BIN)/python -m examples.demo $(if $(CONTEXT),--context $(CONTEXT)) $(if $(KEEP),--keep) $(ARGS)

check: $(VENV)/installed
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports > /dev/null || $(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/rules

unit: $(VENV)/installed
	@$(BIN)/python -m pytest -q -n 2 tests/unit

integration: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@$(BIN)/python -m pytest -q tests/integration

e2e: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@$(BIN)/python -m pytest -q tests/e2e

test: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -q -n 2 tests/unit tests/sim
	@$(BIN)/python -m pytest -q tests/integration tests/e2e

nightly: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@MODELRAMP_NIGHTLY=1 $(BIN)/python -m pytest -q tests/integration/analysis/test_live_servers.py
	@MODELRAMP_KUBERNETES=all $(BIN)/python -m pytest -q tests/integration/kubernetes
	@MODELRAMP_NIGHTLY=1 $(BIN)/python -m pytest -q tests/e2e/test_upgrade.py
	@$(BIN)/python -m localplane back-ends
	@MODELRAMP_TEST_BACK_ENDS=prometheus-2.53,thanos,mimir $(BIN)/python -m pytest -q tests/integration/backends

benchmarks: $(VENV)/installed
	@$(BIN)/python -m benchmarks

generate: $(VENV)/installed
	@$(BIN)/python -m modelramp.api.crd > crds/modelramp.io_modeldeployments.yaml
	@$(BIN)/python -m modelramp.api.policy_crd HealthPolicy > crds/modelramp.io_healthpolicies.yaml
	@$(BIN)/python -m modelramp.api.policy_crd ClusterHealthPolicy > crds/modelramp.io_clusterhealthpolicies.yaml
	@for name in limits quoted-numbers; do $(BIN)/python -m modelramp.api.admission $$name > crds/$$name.yaml; done
	@$(BIN)/python docs/generate.py
	@$(BIN)/modelramp presets -o markdown > docs/reference/presets.md
	@$(BIN)/python -m modelramp.adapters.catalogue > docs/reference/metrics.md
	@$(BIN)/python -m modelramp.settings > docs/reference/settings.md
	@$(BIN)/python -m localplane tool helm-docs --chart-search-root charts --sort-values-order file --log-level warning

# Bounds: pyproject.toml. Versions that still fit stay as they are: ARGS=--upgrade, or ARGS="--upgrade-package aiohttp".
LOCK := uv pip compile --quiet --no-config --universal --python-version 3.11 --no-build --generate-hashes --no-annotate \
	--custom-compile-command "make lock"
lock: $(VENV)/installed
	@$(BIN)/$(LOCK) $(ARGS) pyproject.toml -o operator/requirements.lock
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' \
	| $(BIN)/$(LOCK) $(ARGS) - -o operator/build-requirements.lock

format: $(VENV)/installed
	@$(BIN)/ruff check --quiet --fix . && $(BIN)/ruff format --quiet .

clean:
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
