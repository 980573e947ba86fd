# Every target works alone on a fresh clone with Python 3.11 or newer: it makes the virtual
# environment it needs and installs into it. A stamp inside that environment makes the next run
# quick, and without network, until pyproject.toml changes. Written for GNU make 3.81 and later.

PYTHON ?= python3
# The parity tests compare with exactly this PyTorch, and so do the benchmarks, whose peers stand in
# benchmarks/requirements.txt. Any build will do, and the CPU build is by far the smallest:
# PIP_FIND_LINKS names a folder that holds its wheel.
TORCH ?= torch==2.13.0
# Options for the program that a target runs: make mnist ARGS="--epochs 3 --seed 1"
ARGS ?=

BIN := .venv/bin
TORCH_BIN := .venv-torch/bin
BENCH_BIN := .venv-bench/bin
TORCH_STAMP := .venv-torch/.dev-$(subst ==,-,$(notdir $(TORCH)))
# Twice quiet: errors only, so that what pip warns of does not bury the one line of ours.
PIP_INSTALL := -m pip install -qq --disable-pip-version-check

# `dev` brings all that `make mnist` needs, so where it is installed nothing more is.
MNIST_STAMP := $(if $(wildcard .venv/.dev),.venv/.dev,.venv/.mnist)

# Every module has a page, whether the `__all__` above it names it or not; __init__.py stands for its
# folder. What begins with an underscore is left out again.
modules = $(subst /,.,$(sort $(patsubst %/__init__,%,$(basename $(shell find $(1) -name '*.py')))))
DOCUMENTED = $(call modules,tinygrad_lite) $(call modules,nn) '!.*[.]_'
# pdoc warns that a folder brings its modules along a second time, and of types that are imported for
# the type checker only.
PDOC := -W 'ignore:The module specification' -W 'ignore:Error parsing type annotation' -m pdoc

.PHONY: help mnist examples test fuzz captured kill parity programs browser mpi lint format types bench bench-quick twins processes docs clean
# Two installs into one environment must not run side by side under -j.
.NOTPARALLEL:

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

mnist: $(MNIST_STAMP) ## train a network on MNIST; ARGS="--epochs 3 --seed 1" passes options
	@$(BIN)/python examples/mnist_mlp.py $(ARGS)

examples: .venv/.dev ## one small round of each example; ARGS="vae gan" for some
	@$(BIN)/python .ci/examples $(ARGS)

test: .venv/.dev ## run the tests; ARGS="-k relu" passes options
	@$(BIN)/python -m pytest -n auto $(ARGS)

fuzz: .venv/.dev ## make 20,000 calls with wrong arguments; ARGS="100000 7" for more, another seed
	@PYTHONPATH=tests:tests/catalogue $(BIN)/python -m fuzz.fuzzing $(ARGS)

captured: .venv/.dev ## 2,000 random training steps, eager and captured; ARGS="500 7" for others
	@PYTHONPATH=tests $(BIN)/python -m capturing.random_steps $(ARGS)

kill: .venv/.dev ## kill training 20 times for each optimiser, and resume; ARGS="5 1 adam" for others
	@PYTHONPATH=tests $(BIN)/python -m kill $(ARGS)

parity: $(TORCH_STAMP) ## run the tests that compare with PyTorch
	@$(TORCH_BIN)/python -m pytest tests/parity -n auto $(ARGS)

programs: $(TORCH_STAMP) ## 10,000 random programs beside PyTorch, a tenth of them with long values
	@$(TORCH_BIN)/python -m pytest tests/parity/test_random_programs.py --every-program -n auto $(ARGS)

browser: .venv/.browser ## open pages of graphs in Chromium, which must be there, and use them
	@$(BIN)/python -m pytest tests/browser $(ARGS)

mpi: .venv/.mpi ## train in several processes under mpiexec, and end some of them
	@$(BIN)/python -m pytest tests/mpi $(ARGS)

lint: .venv/.dev ## check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: .venv/.dev ## put the style right where ruff can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: .venv/.dev ## check types
	@$(BIN)/mypy

bench: .venv-bench/.peers ## measure beside the peers; ARGS="--peers torch tiny_mlp" for a part
	@$(BENCH_BIN)/python benchmarks/run.py $(ARGS)

bench-quick: .venv-bench/.peers ## one small round of each benchmark
	@$(BENCH_BIN)/python benchmarks/run.py --quick $(ARGS)

twins: $(TORCH_STAMP) ## examples beside PyTorch; ARGS="char_gpt --seeds 0 1 2" for one
	@$(TORCH_BIN)/python benchmarks/twins $(ARGS)

processes: .venv-torch/.mpi ## one process, two, and PyTorch's DistributedDataParallel in turn
	@$(TORCH_BIN)/python benchmarks/processes $(ARGS)

docs: .venv/.docs ## write docs/operations.md, and the API pages to build/docs
	@$(BIN)/python docs/make_operations.py
	@rm -rf build/docs
	@$(BIN)/python $(PDOC) --docformat google --template-directory docs/theme \
	  --output-directory build/docs $(DOCUMENTED)
	@echo "API pages: build/docs/index.html"

clean: ## remove what was built (not the virtual environments)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Environments. make expands the whole recipe before its first line runs, so a fault in $(PYTHON)
# ends it with one line and nothing made. A stamp is touched only after pip succeeded.
.venv/.mnist: pyproject.toml
	$(call make_venv,.venv)
	@echo "installing numpy and what the example needs into .venv (once)"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[data,train]'
	@touch $@

.venv/.dev: pyproject.toml
	$(call make_venv,.venv)
	@echo "installing the library and its test tools into .venv (once)"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

.venv/.browser: .venv/.dev
	@echo "installing selenium into .venv (once)"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[browser]'
	@touch $@

.venv/.mpi: .venv/.dev
	@echo "installing mpi4py and MPICH into .venv (once)"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[mpi]'
	@touch $@

.venv/.docs: pyproject.toml
	$(call make_venv,.venv)
	@echo "installing pdoc into .venv (once)"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[docs]'
	@touch $@

.venv-torch/.mpi: $(TORCH_STAMP)
	@echo "installing mpi4py and MPICH into .venv-torch (once)"
	@$(TORCH_BIN)/python $(PIP_INSTALL) --editable '.[mpi]'
	@touch $@

$(TORCH_STAMP): pyproject.toml
	$(call make_venv,.venv-torch)
	@echo "installing the library, its test tools and $(TORCH) into .venv-torch (once)"
	@$(TORCH_BIN)/python $(PIP_INSTALL) --editable '.[dev]' $(TORCH)
	@touch $@

.venv-bench/.peers: pyproject.toml benchmarks/requirements.txt
	$(call make_venv,.venv-bench)
	@echo "installing the library and its peers into .venv-bench (once)"
	@$(BENCH_BIN)/python $(PIP_INSTALL) --editable . -r benchmarks/requirements.txt
	@touch $@

# An environment that works is kept as it is; one whose Python is gone is made anew.
define make_venv
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
  $(if $(wildcard $(1)/bin/python),,$(check_python)) \
  test -x $(1)/bin/python || clear=--clear; \
  $(PYTHON) -m venv $$clear $(1); }
endef

check_python = $(if $(python_fault),$(error tinygrad_lite needs $(python_fault)))
python_fault = $(shell \
  found=$$($(PYTHON) -c 'import sys; print(sys.version.split()[0])' 2>/dev/null); \
  if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
    echo "Python 3.11 or newer; found $${found:-none}; set PYTHON=/path/to/python3.11"; \
  elif ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
    echo "the venv module of Python $$found; on Debian and Ubuntu: apt-get install python3-venv"; \
  fi)
