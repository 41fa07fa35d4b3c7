# Every target runs in a virtual environment, which the first one makes and each one keeps in order
# (tools/bootstrap.py). Works with GNU make 3.81 and any POSIX sh; no recipe names an absolute path, so
# a checkout may lie anywhere. `make help` prints the texts behind ## below.

# The interpreter that bootstrap.py starts on; it looks for a better one on PATH by itself.
PYTHON ?= $(shell for name in python3 python3.12 python3.11 python3.13 python; do \
	"$$name" -c "" 2>/dev/null && echo "$$name" && break; done)
VENV ?= .venv
PYTEST_ARGS ?=
JOBS ?= 2
LAB_ARGS ?=
AWS_ARGS ?=
READY_ARGS ?=
TO ?= wheelhouse

python := "$(VENV)/bin/python"
studio := .venv-studio
# A file's tests stay in one process, and so do the servers that they share.
parallel = -n $(JOBS) --dist loadfile
fast = -m "not slow" $(parallel)
# A process has one core, and so has what it starts: two threads of torch take a quarter more of it.
pytest = OMP_NUM_THREADS=1 $(python) -m pytest

# Idle OpenMP threads that spin steal the core from the next process: five times slower on two cores.
OMP_WAIT_POLICY ?= PASSIVE
export OMP_WAIT_POLICY

# Where it is set, as in many container images, every process compiles all it imports anew.
PYTHONDONTWRITEBYTECODE =
export PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env run lab stop check test studio bench book slides verify-aws ready wheelhouse clean

help: ## List the targets and settings
	@echo "Targets:"
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile
	@echo "Settings (make NAME=value target, or in the environment):"
	@awk '/^## / {sub(/^## /, "  "); print}' Makefile

## PYTHON       the Python (3.11 to 3.13) to make the environment with; default: found on PATH
## TORCH_INDEX  a package index to take torch from. On Linux, PyPI's torch brings gigabytes of CUDA
##              libraries; https://download.pytorch.org/whl/cpu has CPU builds. Default: pip's own
## WHEELHOUSE   a folder that `make wheelhouse` wrote: env installs from it and needs no internet
## READY_ARGS   more arguments for ready, such as --quick, or --hub to fetch the hub's models too
## TO           the folder that wheelhouse writes; default: wheelhouse
## VENV         where the environment lies; default: .venv
## PYTEST_ARGS  more arguments for pytest, such as -x or -k endpoint
## JOBS         how many processes the tests run in; default: 2. With 0 they run in pytest's own
## LAB_ARGS     more arguments for JupyterLab, such as --no-browser or --port 8899
## AWS_ARGS     more arguments for verify-aws, such as --labs 1 or --max-usd 5; YES=1 asks nothing

.PHONY: find-python
find-python:
	@test -n "$(PYTHON)" || { echo "set-up: no Python was found: install Python 3.12." >&2; exit 1; }

env: find-python ## Make, update or repair the environment (every other target does it first)
	@"$(PYTHON)" tools/bootstrap.py --venv "$(VENV)"

run: env ## Run Lab 1 from end to end on the local SageMaker and print its figures
	@WORKSHOP_MODE=$${WORKSHOP_MODE:-local} $(python) -m workshop_utils run-lab1

lab: env ## Start the local SageMaker and open the labs in JupyterLab
	@$(python) -m local_sagemaker start --quiet
	@WORKSHOP_MODE=$${WORKSHOP_MODE:-local} $(python) -m jupyterlab $(LAB_ARGS)

stop: env ## Stop the local SageMaker (its data stays)
	@$(python) -m local_sagemaker stop

check: env ## Check style and types and run the fast tests: a few minutes
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(pytest) $(fast) $(PYTEST_ARGS)

test: check ## Run all checks and tests, whole notebooks included: up to an hour
	$(pytest) -m slow $(parallel) $(PYTEST_ARGS)

.PHONY: studio-env
studio-env: find-python
	@"$(PYTHON)" tools/bootstrap.py --venv $(studio) --constraints constraints-studio.txt --extra test

studio: studio-env ## Run the fast tests on the versions of Studio's image (Python 3.11 or 3.12 needed)
	OMP_NUM_THREADS=1 $(studio)/bin/python -m pytest $(fast) $(PYTEST_ARGS)

bench: env ## Run every script in benchmarks/, each against a named peer
	@failed=; for script in benchmarks/[a-z]*.py; do \
		echo "== $$script"; $(python) "$$script" || failed="$$failed $$script"; done; \
	test -z "$$failed" || { echo "These failed or missed a bar:$$failed" >&2; exit 1; }

book: env ## Run the labs and write them as pages for reading to docs/labs/: some minutes
	@$(python) tools/book.py

slides: env ## Make the slide deck docs/slides.html from docs/slides.md and recorded figures
	@$(python) tools/slides.py

verify-aws: env ## Run the labs in a real AWS account: costs money, says how much first, and asks
	@$(python) tools/verify_aws.py $(AWS_ARGS)

ready: env ## Check that all labs run here with the network off; --quick takes a few minutes
	@$(python) tools/ready.py $(READY_ARGS)

wheelhouse: env ## Write one folder from which `make env WHEELHOUSE=folder` needs no internet
	@$(python) tools/wheelhouse.py --to "$(TO)"

clean: ## Remove environments, caches and builds; the data of the local SageMaker stays
	@if [ -x $(python) ]; then $(python) -m local_sagemaker stop || true; fi
	rm -rf "$(VENV)" "$(VENV).lock" $(studio) $(studio).lock build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
