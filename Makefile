# `make quick` and `make test` do all the set-up themselves; they need Python 3.10 - 3.13, pip and make.
# On a machine with NVIDIA GPUs: `make setup-gpu CUDA=cu126` before them.
# Another interpreter than python3: `make PYTHON=python3.12 quick`.
# `make help` lists all targets, each by the text after its ##.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
SUBSET := cifar/pickle-cifar-10

PADDLE_INDEX := https://www.paddlepaddle.org.cn/packages/stable
CUDA_VERSIONS := cu118 cu126 cu129 cu130

.PHONY: help setup setup-gpu quick test slow lint clean
.DEFAULT_GOAL := setup

CHECK_PYTHON = @$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
  { echo "make: $(PYTHON) is not Python 3.10 - 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: $(INSTALLED) ## install what the scripts need into .venv

# --no-deps: the files hold the full resolution, and PARL's own pins contradict it.
$(INSTALLED): requirements.txt requirements/dev.txt
	@test ! -e $(VENV)/.cuda || \
	  { echo "make: the requirements have changed: make setup-gpu CUDA=$$(cat $(VENV)/.cuda)" >&2; exit 1; }
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --no-deps -r requirements.txt -r requirements/dev.txt
	@touch $@

# Paddle's build for GPUs in the same version. The CPU build goes first, since both own the folder paddle/. From
# Paddle's index without --no-deps, so that CUDA's libraries come along; then the other packages as they are pinned.
setup-gpu: ## the same with Paddle's build for NVIDIA GPUs: make setup-gpu CUDA=cu126
	@test -n "$(filter $(CUDA),$(CUDA_VERSIONS))" || \
	  { echo "make setup-gpu: name the CUDA version: CUDA=cu126, or another of $(CUDA_VERSIONS)" >&2; exit 1; }
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip uninstall -y paddlepaddle paddlepaddle-gpu
	$(VENV)/bin/python -m pip install -i $(PADDLE_INDEX)/$(CUDA)/ \
	  $$(sed -n 's/^paddlepaddle==/paddlepaddle-gpu==/p' requirements.txt)
	grep -v '^paddlepaddle==' requirements.txt > $(VENV)/without-paddle.txt
	$(VENV)/bin/python -m pip install --no-deps -r $(VENV)/without-paddle.txt -r requirements/dev.txt
	@echo $(CUDA) > $(VENV)/.cuda
	@touch $(INSTALLED)

$(SUBSET): | setup
	$(VENV)/bin/python dataset_maker.py

quick: setup | $(SUBSET) ## a small search, minutes on two CPU cores; again: go on with it
	@echo 'before the commands that it prints at its end: source $(VENV)/bin/activate'
	$(VENV)/bin/python main.py --preset=quick --resume

test: setup ## the quick tests
	$(VENV)/bin/python -m pytest

slow: setup ## the slow tests
	$(VENV)/bin/python -m pytest -m slow

lint: setup ## check the style of the code
	$(VENV)/bin/python -m ruff check .

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
