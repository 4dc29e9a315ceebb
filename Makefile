# `make quick` and `make test` do all the set-up themselves; they need Python 3.10 - 3.13, pip and make.
# Another interpreter than python3: `make PYTHON=python3.12 quick`.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
SUBSET := cifar/pickle-cifar-10

.PHONY: setup quick test slow lint clean
.DEFAULT_GOAL := setup

setup: $(INSTALLED)

# --no-deps: the files hold the full resolution, and PARL's own pins contradict it.
$(INSTALLED): requirements.txt requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "make setup: $(PYTHON) is not Python 3.10 - 3.13; name one: make PYTHON=python3.12 setup" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --no-deps -r requirements.txt -r requirements/dev.txt
	@touch $@

$(SUBSET): | setup
	$(VENV)/bin/python dataset_maker.py

quick: setup | $(SUBSET)
	$(VENV)/bin/python main.py --preset=quick

test: setup
	$(VENV)/bin/python -m pytest

slow: setup
	$(VENV)/bin/python -m pytest -m slow

lint: setup
	$(VENV)/bin/python -m ruff check .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
