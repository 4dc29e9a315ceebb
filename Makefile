# `make quick` and `make test` do all the set-up themselves; they need Python 3.10 - 3.13, pip and make.
# On a machine with NVIDIA GPUs: `make setup-gpu CUDA=cu126` before them.
# Another interpreter than python3: `make PYTHON=python3.12 quick`.
# `make help` lists all targets, each by the text after its ##.

PYTHON ?= python3
VENV := .venv
# What is installed, as files whose time make compares: the product; the tools of development; the optional parts.
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_ALL := $(VENV)/.installed-all
SUBSET := cifar/pickle-cifar-10

# As many as tests/conftest.py says; more than eight would only import Paddle at the same time.
PYTEST := $(VENV)/bin/python -m pytest -n logical --maxprocesses=8 --dist=loadgroup --durations=10

PADDLE_INDEX := https://www.paddlepaddle.org.cn/packages/stable
CUDA_VERSIONS := cu118 cu126 cu129 cu130

.PHONY: help setup setup-dev setup-all setup-gpu quick test test-all slow lint clean
.DEFAULT_GOAL := setup

CHECK_PYTHON = @$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
  { echo "make: $(PYTHON) is not Python 3.10 - 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

setup: $(INSTALLED) ## install what the scripts need into .venv

setup-dev: $(INSTALLED_DEV) ## and what the tests and the linters need

setup-all: $(INSTALLED_ALL) ## and the optional parts: Ray, ONNX, PyTorch, Optuna, Chromium

# --no-deps: the files hold the full resolution, and PARL's own pins contradict it.
$(INSTALLED): requirements.txt
	@test ! -e $(VENV)/.cuda || \
	  { echo "make: the requirements have changed: make setup-gpu CUDA=$$(cat $(VENV)/.cuda)" >&2; exit 1; }
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --no-deps -r requirements.txt
	@touch $@

$(INSTALLED_DEV): requirements/dev.txt | $(INSTALLED)
	$(VENV)/bin/python -m pip install --no-deps -r requirements/dev.txt
	@touch $@

# bench.txt without --no-deps, as it says.
$(INSTALLED_ALL): requirements/cluster.txt requirements/onnx.txt requirements/bench.txt | $(INSTALLED_DEV)
	$(VENV)/bin/python -m pip install --no-deps -r requirements/cluster.txt -r requirements/onnx.txt
	$(VENV)/bin/python -m pip install -r requirements/bench.txt
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { apt-get update && apt-get install -y --no-install-recommends chromium; } || \
	  { echo "make: there is no Chromium, and only root can install it: apt-get install chromium" >&2; exit 1; }
	@touch $@

# Paddle's build for GPUs in the same version. The CPU build goes first, since both own the folder paddle/. From
# Paddle's index without --no-deps, so that CUDA's libraries come along; then the other packages as they are pinned.
setup-gpu: ## the same as setup with Paddle's build for NVIDIA GPUs: make setup-gpu CUDA=cu126
	@test -n "$(filter $(CUDA),$(CUDA_VERSIONS))" || \
	  { echo "make setup-gpu: name the CUDA version: CUDA=cu126, or another of $(CUDA_VERSIONS)" >&2; exit 1; }
	$(CHECK_PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip uninstall -y paddlepaddle paddlepaddle-gpu
	$(VENV)/bin/python -m pip install -i $(PADDLE_INDEX)/$(CUDA)/ \
	  $$(sed -n 's/^paddlepaddle==/paddlepaddle-gpu==/p' requirements.txt)
	grep -v '^paddlepaddle==' requirements.txt > $(VENV)/without-paddle.txt
	$(VENV)/bin/python -m pip install --no-deps -r $(VENV)/without-paddle.txt
	@echo $(CUDA) > $(VENV)/.cuda
	@touch $(INSTALLED)

# More validation images than by default make rewards surer, so that one sees the agent learn in few steps.
$(SUBSET): | setup
	$(VENV)/bin/python dataset_maker.py --validation_per_class=70

quick: setup | $(SUBSET) ## a small search, minutes on two CPU cores; again: go on with it
	@echo 'before the commands that it prints at its end: source $(VENV)/bin/activate'
	$(VENV)/bin/python main.py --preset=quick $(if $(wildcard log/search.json),--resume)

test: setup-dev ## the quick tests, less those of optional parts that are not installed
	$(PYTEST)

test-all: setup-all ## the quick tests with all optional parts; what is skipped fails
	$(PYTEST) --skip-nothing

slow: setup-all ## the slow tests
	$(PYTEST) -m slow

lint: setup-dev ## check style, layout and types of the code
	$(VENV)/bin/python -m ruff check .
	$(VENV)/bin/python -m ruff format --check .
	$(VENV)/bin/python -m mypy

clean: ## remove .venv and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
