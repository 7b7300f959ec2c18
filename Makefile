# Everything here needs Python 3.11+ and make, nothing else. `make` alone lists what there is.

VENV ?= .venv
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11 python,$(if $(shell \
	$(name) -c 'import sys, venv; sys.version_info >= (3, 11) and print("yes")' 2>/dev/null),$(name))))
BIN := $(VENV)/bin
# The lock files name everything, so nothing is resolved: pip would prefer a newer release to a locked extra's.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench docs lock clean

help: ## List the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

run: $(RUNTIME) ## Start a server on the embedded default (ARGS="--help" for its options)
	@$(BIN)/goimctl serve $(ARGS)

test: $(DEV) ## Run the tests, some at once (ARGS="tests/cli -x" for some of them, one after another)
	@$(BIN)/python -m compileall -q goim cli
	@$(BIN)/python -m pytest $(or $(ARGS),-n auto --dist loadfile --no-loadscope-reorder)

lint: $(DEV) ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict

format: $(DEV) ## Put the code into the one format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(DEV) ## Measure the server on this machine (ARGS="--help" for its options)
	@$(BIN)/goimctl bench $(or $(ARGS),c2c)

docs: $(DEV) ## Write the reference (docs/reference), and build the docs site into build/site
	@$(BIN)/python -m docs.site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo 'open build/site/index.html'

lock: ## Renew the lock files (needs uv)
	$(COMPILE) --upgrade pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade --group build -o requirements-build.lock
	$(COMPILE) --upgrade pyproject.toml --extra dev --group build --group docs -c requirements.lock -o requirements-dev.lock

clean: ## Remove the environment, builds and caches; never ./data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find goim cli loadtest tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 or later here' >&2; \
		echo 'hint: make run PYTHON=/path/to/python3.11' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -f $(BIN)/python; echo 'error: $(PYTHON) -m venv failed' >&2; \
		echo 'hint: on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }

$(RUNTIME): $(BIN)/python requirements.lock requirements-build.lock pyproject.toml
	@echo 'Installing goim into $(VENV) (a minute, once) …'
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --require-hashes -r requirements-build.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUNTIME) requirements-dev.lock
	@echo 'Installing the test tools into $(VENV) (once) …'
	@$(INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
