# make run [DATA=/dir]   make test   make bench   make docs   make lint   make venv

VENV := .venv
BIN := $(VENV)/bin
DATA ?=
PORT ?= 8050
HOST ?= 127.0.0.1
QUICK ?=
TESTS ?= tests
# Tests wait for servers, browsers and disks now and then: one more than there are processors.
WORKERS ?= $(shell echo $$((1 + $$(nproc))))
SERVE_FLAGS := --host $(HOST) --port $(PORT)

.DEFAULT_GOAL := help
.PHONY: help run venv test bench coverage docs lint lock screenshots clean
.DELETE_ON_ERROR:

help:
	@echo "make run              a simulated beamline and the dashboard on it"
	@echo "make run DATA=/dir    the dashboard on a real directory"
	@echo "make test             every test, browser tests included"
	@echo "make coverage         every test with its branches counted; fails when less is covered than before"
	@echo "make bench            measure (QUICK=1 for a short round)"
	@echo "make docs             build the documentation into docs/_build/html"
	@echo "make lint             ruff, mypy, import-linter"
	@echo "make venv             set up .venv alone"

# What is installed is exactly what the lock names; --no-deps because nlsq's metadata asks for 1.4 GB that nothing uses.
$(VENV)/.ready: requirements.lock pyproject.toml scripts/find_python.sh
	@python=$$(sh scripts/find_python.sh) || exit 1; \
	echo "Setting up $(VENV) with $$python"; \
	"$$python" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

venv: $(VENV)/.ready

run: $(VENV)/.ready
	@exec $(BIN)/xpcs-dash $(if $(DATA),serve "$(DATA)",demo) $(SERVE_FLAGS)

test: $(VENV)/.ready-dev
	@sh scripts/ensure_chromium.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(TESTS)

bench: $(VENV)/.ready-dev
	@sh scripts/ensure_chromium.sh
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)
	$(if $(QUICK),,$(MAKE) coverage)

# Branches, in every process that the tests start; fails where less is covered than pyproject.toml demands.
coverage: $(VENV)/.ready-dev
	@sh scripts/ensure_chromium.sh
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist worksteal $(TESTS)
	@$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

docs: $(VENV)/.ready-dev
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

screenshots: $(VENV)/.ready-dev
	@sh scripts/ensure_chromium.sh
	$(BIN)/python scripts/screenshots.py

# Needs uv. The second file adds the tools of development on top of the first.
lock:
	uv pip compile pyproject.toml --extra cluster --universal --python-version 3.12 --generate-hashes --no-header --no-annotate -o requirements.lock
	uv pip compile --no-config --group pyproject.toml:dev -c requirements.lock --universal --python-version 3.12 --generate-hashes --no-header --no-annotate -o requirements-dev.lock

clean:
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
