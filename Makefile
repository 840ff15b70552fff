# `make help` lists the targets. Everything runs in .venv, which `make setup` fills from constraints.txt.

PYTHON ?= python3
BIN := .venv/bin
MARKS ?= not slow and not gpu and not network
WORKERS ?= 2
N ?= 500
ROUNDS ?= 5

export OMP_NUM_THREADS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run format lint types test test-all check soak bench bench-peers lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cvrun needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

setup: .venv/installed ## make .venv and install cvrun with its tools, versions from constraints.txt

run: setup ## train on scikit-learn's digits and show the result
	$(BIN)/cvrun train +exp=digits

format: setup ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: setup ## look for mistakes and for code out of form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## check the types
	$(BIN)/mypy

test: setup ## run the tests but the slow ones and those of gpu and network (MARKS="..." chooses others)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "$(MARKS)"

test-all: ## run all tests but those of gpu and network
	$(MAKE) test MARKS="not gpu and not network"

check: lint types test-all ## what CI runs: lint, types, test-all

soak: setup ## kill and resume N drawn runs (N=500) and compare bits; some ten minutes
	OMP_NUM_THREADS=1 $(BIN)/python tests/faults/soak.py $(N)

.venv-peers/installed: .venv/installed benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	$(BIN)/python -c 'import site; print("import site; site.addsitedir(%r)" % site.getsitepackages()[0])' \
		> "$$(.venv-peers/bin/python -c 'import site; print(site.getsitepackages()[0])')/zz_torch_of_venv.pth"
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-r benchmarks/peers/requirements.txt
	touch $@

bench-peers: .venv-peers/installed ## install what cvrun is measured against into .venv-peers, which uses torch of .venv

bench: setup ## measure against peers (those in .venv-peers), an hour and more; writes docs/benchmarks.md
	$(BIN)/python benchmarks/run.py --rounds $(ROUNDS) --and-page

lock: setup ## choose the versions in constraints.txt anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --all-extras --python-version 3.11 \
		--output-file constraints.txt --upgrade pyproject.toml

clean: ## remove caches and builds; never outputs/
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find cvrun tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
