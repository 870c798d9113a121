# Everything a clone needs. `make run` starts the panel; the rest is for those who change it.

VENV := .venv
BIN := $(VENV)/bin
# Wheels only: building a package would fetch tools that nobody has pinned.
PIP_OPTIONS := --quiet --disable-pip-version-check --only-binary=:all:
PIP := $(BIN)/python -m pip install $(PIP_OPTIONS)
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links
TESTS :=
# One more than there are processors: many tests wait for processes and browsers.
AT_ONCE := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )))
SHOTS :=
# What the style sheet, the scripts and the icons are made of: pages and code name the icons.
FRONTEND := $(shell find frontend/css frontend/js frontend/build.py frontend/favicon.svg src/smmpanel -type f \
	-not -path '*/web/static/*' -not -path '*/__pycache__/*')

.PHONY: help run demo install test check format bench screenshots docs requirements clean
.DEFAULT_GOAL := help

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.assets ## start the panel on http://127.0.0.1:8000 (SMMPANEL_HOST, SMMPANEL_PORT, SMMPANEL_HOME)
	@exec $(BIN)/python -m smmpanel.entrypoints.supervisor

demo: $(VENV)/.assets ## start a panel with some weeks of history, thrown away at the end (PRESET, SMMPANEL_PORT)
	@exec $(BIN)/python -m smmpanel.entrypoints.demo $(if $(PRESET),--preset $(PRESET))

install: $(VENV)/.assets ## install the panel without starting it (for a service)

test: $(VENV)/.dev $(VENV)/.gateways $(VENV)/.npm-dev $(VENV)/.assets ## run the tests (TESTS="tests/ledger -k posting" for some)
	@scripts/install-chromium >/dev/null
	$(BIN)/python -m pytest -n $(AT_ONCE) $(TESTS)

check: $(VENV)/.dev ## check format, style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev $(VENV)/.assets ## measure, each figure against what this machine can do
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/.dev $(VENV)/.npm-dev $(VENV)/.assets ## photograph and check every page (SHOTS="--only orders" for some)
	@scripts/install-chromium >/dev/null
	@PYTHONPATH=tests $(BIN)/python -m browser.screenshots $(SHOTS)

docs: $(VENV)/.run ## write docs/api.md anew from the routes
	$(BIN)/python -m smmpanel.entrypoints.documenting docs/api.md

requirements: ## write requirements/*.txt anew from pyproject.toml (needs uv)
	$(COMPILE) --group build pyproject.toml -o requirements/run.txt
	$(COMPILE) --group build --group dev --constraint requirements/run.txt pyproject.toml -o requirements/dev.txt
	$(COMPILE) --group node -o requirements/node.txt
	$(COMPILE) --group gateways -o requirements/gateways.txt

clean: ## remove the environment and caches; never the panel's data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build frontend/node_modules \
		src/smmpanel/web/static

# Each stamp is written last: an installation that was broken off is done again.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/.made
	@echo "Installing the panel ..."
	@$(PIP) --require-hashes -r requirements/run.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "Installing what checks and tests need ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# In a folder of their own, which only a process that calls them has on its path.
$(VENV)/.gateways: requirements/gateways.txt | $(VENV)/.made
	@echo "Installing libraries of payment gateways for tests ..."
	@rm -rf $(VENV)/gateways
	@$(PIP) --require-hashes --target $(VENV)/gateways -r requirements/gateways.txt
	@touch $@

$(VENV)/.npm: frontend/package-lock.json | $(VENV)/.run
	@echo "Fetching fonts, icons and htmx ..."
	@scripts/npm-ci --omit=dev
	@touch $@

$(VENV)/.npm-dev: $(VENV)/.npm
	@scripts/npm-ci
	@touch $@

$(VENV)/.assets: $(FRONTEND) $(VENV)/.npm $(VENV)/.run
	@echo "Building the style sheet and the scripts ..."
	@$(BIN)/python frontend/build.py --quiet
	@touch $@

$(VENV)/.made:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		"$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
		echo "$$python could not make an environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; \
	done; echo "smmpanel needs Python 3.11 or newer (set PYTHON=/path/to/python3 if it is not on the path)" >&2; exit 1
