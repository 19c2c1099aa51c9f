# What you need: Python 3.11, 3.12 or 3.13 with venv, and make. Everything below is what .ci/run runs.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first of these that runs; name another as in `make run PYTHON=/opt/python/bin/python3.12`.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	"$$name" -c "" 2>/dev/null && echo "$$name" && break; done)
VENV := .venv
PY := $(VENV)/bin/python
# More than two cores: many tests wait for processes and hosts. Browsers do not wait.
WORKERS ?= 3
BROWSERS ?= 2

.PHONY: help run demo test check lint fast format browser scale bench requirements clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1 - /p' $(MAKEFILE_LIST) | sort

run: $(VENV)/.installed ## Run Pulse: serve, poll and schedule in one process
	@exec $(PY) -m pulse run

demo: $(VENV)/.installed ## Run Pulse with a simulated estate and a data directory of its own
	@exec $(PY) -m pulse demo

test: $(VENV)/.installed-dev ## Run everything that needs no browser and no server
	$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup

check: lint fast ## Check style and types, and run the fast half of the tests

fast: $(VENV)/.installed-dev ## Run the fast half of the tests
	$(PY) -m pytest -q -n $(WORKERS) --dist loadgroup -m "not slow and not browser and not scale" $(PASSED_OVER) $(LESS)

# All of their tests carry one of these marks; not even reading them saves five seconds.
PASSED_OVER := $(addprefix --ignore=tests/,attacks browser fakes field process scale)

lint: $(VENV)/.installed-dev ## Check style, format, types and what is known to be unsafe
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .
	$(PY) -m bandit -q -c pyproject.toml -r accounts monitoring nodes pulse manage.py

format: $(VENV)/.installed-dev ## Bring the source into the one format
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

browser: $(VENV)/.installed-dev ## Look at the pages in headless Chromium
	$(PY) -m pytest -q -n $(BROWSERS) --dist loadgroup -m "browser and not speed"
	$(PY) -m pytest -q -m "browser and speed"

scale: $(VENV)/.installed-dev ## Run web, worker and beat against real Redis and PostgreSQL servers
	$(PY) -m pytest -q -n $(WORKERS) --dist loadfile -m scale

bench: $(VENV)/.installed-dev ## Measure start-up, memory, processor time and requests
	$(PY) benchmarks/estate.py S L
	$(PY) -m benchmarks.lanes
	$(PY) -m benchmarks.feed
	$(PY) -m benchmarks.client
	$(PY) benchmarks/killloop.py
	$(PY) -m benchmarks.redis_facts
	$(PY) -m benchmarks.forecast
	$(PY) -m benchmarks.charts
	$(PY) -m benchmarks.history S M R L size recorded reading locks
	$(PY) -m benchmarks.history_memory S
	$(PY) -m benchmarks.history_memory L
	$(PY) -m benchmarks.history_kills
	$(PY) -m benchmarks.backfill
	$(PY) -m benchmarks.floods
	$(PY) -m benchmarks.lasting L 60

requirements: $(VENV)/.installed-dev ## Write the requirements files from uv.lock
	$(VENV)/bin/uv export --locked $(EXPORT) --no-dev -o requirements.txt
	$(VENV)/bin/uv export --locked $(EXPORT) --no-dev --extra postgres -o requirements-postgres.txt
	$(VENV)/bin/uv export --locked $(EXPORT) --extra postgres -o requirements-dev.txt

clean: ## Remove what the targets above have made; data directories stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info tests/browser/failures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

EXPORT := --quiet --no-header --no-annotate --no-emit-project

# One sentence for whoever has another Python; 3.14 is installed for by the same files, but nobody has tried it.
define FITS
import sys
found = ".".join(map(str, sys.version_info[:2]))
if not (3, 11) <= sys.version_info[:2] <= (3, 14):
    sys.exit("Pulse needs Python 3.11, 3.12 or 3.13, and this is " + found + "; name one as in: make PYTHON=python3.12")
try:
    import ensurepip, venv
except ImportError:
    sys.exit("Pulse needs the modules venv and ensurepip of Python " + found + "; on Debian: apt install python" + found + "-venv")
if sys.version_info[:2] > (3, 13):
    print("Pulse is tried with Python 3.11 to 3.13, not with " + found + "; going on")
endef

# Stamps: a changed requirements file installs again, anything else does not.
$(VENV)/bin/python: export CODE = $(FITS)
$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Pulse needs Python 3.11, 3.12 or 3.13, and there is none on the path"; exit 1; }
	@$(PYTHON) -c "$$CODE"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@printf '#!/bin/sh\nPYTHONPATH="%s" exec "%s" -m pulse "$$@"\n' "$(CURDIR)" "$(abspath $(PY))" > $(VENV)/bin/pulse
	@chmod +x $(VENV)/bin/pulse
	@$(PY) -m compileall -q accounts monitoring nodes pulse
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
