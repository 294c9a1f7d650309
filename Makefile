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

VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
IMAGE ?= modelramp/operator:$(VERSION)
BASE ?= python:3.13-slim-bookworm
PART ?= 1/1
TAG ?=

.PHONY: help demo test check unit sim sim-files integration e2e nightly namespaces benchmarks generate lock \
	wheel sbom chart notes image image-archive release-version format clean

help:
	@sed -n 's/^# make /make /p' Makefile; \
	echo "also: check (seconds), unit, sim, integration, e2e, nightly, benchmarks, generate, lock, format, clean,"; \
	echo "      and for a release: wheel, sbom, chart, notes, image, image-archive, release-version"

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

# PART=2/3 runs the second third of the files.
sim: $(VENV)/installed
	@$(BIN)/python -m pytest -q -n 2 $$($(MAKE) --no-print-directory --silent sim-files)

sim-files:
	@ls tests/sim/test_*.py | awk -v part=$(PART) 'BEGIN { split(part, of, "/") } NR % of[2] == of[1] % of[2]'

integration: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@$(BIN)/python -m pytest -q tests/integration

e2e: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@$(BIN)/python -m pytest -q tests/e2e

# Coverage of tests/unit only: tracing doubles the CPU time of tests on Python 3.11, and the simulation takes longest.
test: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term tests/unit
	@$(BIN)/python -m pytest -q -n 2 tests/sim
	@$(BIN)/python -m pytest -q tests/integration tests/e2e

nightly: $(VENV)/installed
	@$(BIN)/python -m localplane build
	@MODELRAMP_NIGHTLY=1 $(BIN)/python -m pytest -q tests/integration/analysis/test_live_servers.py
	@MODELRAMP_KUBERNETES=all $(BIN)/python -m pytest -q tests/integration/kubernetes
	@MODELRAMP_NIGHTLY=1 $(BIN)/python -m pytest -q tests/e2e/test_upgrade.py tests/e2e/test_restore.py tests/e2e/test_clock_steps.py
	@$(BIN)/python -m localplane back-ends
	@MODELRAMP_TEST_BACK_ENDS=prometheus-2.53,thanos,mimir $(BIN)/python -m pytest -q tests/integration/backends

# Ubuntu 24.04 keeps users from making the namespaces that the local plane runs in.
namespaces:
	@sudo sysctl --quiet --write kernel.apparmor_restrict_unprivileged_userns=0

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

# What a release consists of, in dist/. CONTRIBUTING.md says how to release.
wheel: $(VENV)/installed
	@$(BIN)/uv build --quiet --wheel --build-constraints operator/build-requirements.lock --require-hashes --out-dir dist

# Of what the image installs, with licences: the locked dependencies and the wheel, in an environment of their own.
sbom: wheel
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group release
	@rm -rf build/sbom && $(BIN)/python -m venv --without-pip build/sbom
	@$(BIN)/uv pip install --quiet --python build/sbom --require-hashes --requirement operator/requirements.lock
	@$(BIN)/uv pip install --quiet --python build/sbom --no-deps --no-index dist/modelramp-$(VERSION)-py3-none-any.whl
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file dist/modelramp-$(VERSION).cdx.json build/sbom

chart: $(VENV)/installed
	@$(BIN)/python -m localplane helm package charts/modelramp --destination dist

notes:
	@mkdir -p dist
	@awk -v version="$(VERSION)" '/^## / { found = ($$2 == version); next } found' CHANGELOG.md > dist/notes.md
	@grep -q . dist/notes.md || { echo "CHANGELOG.md has no section '## $(VERSION)'" >&2; exit 1; }

image:
	@docker build --build-arg BASE=$(BASE) --tag $(IMAGE) .

# With provenance and an SBOM of all layers. The builder needs the driver docker-container: docker buildx create --use
image-archive:
	@docker buildx build --build-arg BASE=$(BASE) --tag $(IMAGE) --provenance=mode=max --sbom=true \
		--output type=oci,dest=dist/modelramp-operator-$(VERSION).oci.tar .

release-version:
	@test "$(TAG)" = "v$(VERSION)" || { echo "the tag is '$(TAG)', the version in pyproject.toml $(VERSION)" >&2; exit 1; }

format: $(VENV)/installed
	@$(BIN)/ruff check --quiet --fix . && $(BIN)/ruff format --quiet .

clean:
	@rm -rf $(VENV) build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
