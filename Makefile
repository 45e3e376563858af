# `make demo` and `make test` do all set-up: they need Python >= 3.11 with venv, and a C compiler.

PYTHON ?= python3
# Test processes: one a core, but no more than memory is sure to be there for.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); [ "$$n" -le 8 ] && echo "$$n" || echo 8)
VENV := .venv
BIN := $(VENV)/bin
# The same environment without brian2: everything but the spiking backend must work there.
RATE_VENV := .venv-rate

FOLDERS := circuits rules backends analysis training
PACKAGES := $(addprefix oneway.,$(FOLDERS))
# Folders too, so that a deleted file is noticed.
SOURCES := $(shell find $(FOLDERS) -not -path '*/__pycache__*')
CHECKED := $(FOLDERS) tests $(wildcard examples benchmarks docs releasing)

PIP := $(BIN)/python -m pip --disable-pip-version-check
# Processes with one thread each are faster than some that fight over the cores.
TEST_ENV := env MPLBACKEND=Agg OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports tests reliability doctest rate-only docs dist format images clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: $(VENV)/.installed ## create the environment and install the package

demo: install ## the tour: wires, checks, trains, spikes; writes demo/report.html
	$(BIN)/oneway demo --out demo

test: lint types imports tests reliability doctest rate-only docs ## everything that must hold

lint: install ## style
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)

types: install ## type hints of the installed package
	$(BIN)/mypy $(addprefix -p ,$(PACKAGES))

imports: install ## which folder may import which
	$(BIN)/lint-imports

# By file, since what a file's tests share is prepared once. The rate-only tests have a target of theirs.
tests: install ## the tests, against the installed package
	$(TEST_ENV) $(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder \
		--ignore tests/test_rate_only.py --ignore tests/reliability

# In processes of their own: they fork commands, which start with what went before.
reliability: install ## kills, full disks, two writers, signals, damaged files
	$(TEST_ENV) $(BIN)/pytest -n $(JOBS) --dist loadfile tests/reliability

doctest: install ## the examples in docstrings
	$(TEST_ENV) $(BIN)/pytest -n $(JOBS) --dist loadfile --doctest-modules --pyargs $(PACKAGES)

rate-only: $(RATE_VENV)/.installed ## what must work without brian2, in an environment without it
	! $(RATE_VENV)/bin/python -c 'import brian2' 2>/dev/null
	$(TEST_ENV) $(RATE_VENV)/bin/python -m pytest -n $(JOBS) tests/test_rate_only.py

# Read anew each time: notebooks run as a test of the code, which Sphinx does not look at.
docs: install ## the site, docs/_build/html: pages, notebooks, references; a warning is an error
	$(TEST_ENV) $(BIN)/python -m sphinx -E -W --keep-going -q -j $(JOBS) docs docs/_build/html

# twine, and then the wheel with what it asks for and nothing else, in environments of their own.
dist: install ## source archive and wheel in dist/, built twice alike, checked, and tried
	rm -rf dist .venv-dist
	$(BIN)/python releasing/build.py dist
	$(BIN)/python -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet -c constraints.txt twine
	.venv-dist/bin/python -m twine check --strict dist/*
	rm -rf .venv-dist
	$(BIN)/python -m venv .venv-dist
	.venv-dist/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	cd dist && ../.venv-dist/bin/oneway --version && ../.venv-dist/bin/oneway check mlp:64-32-32-10 --rule asap
	rm -rf .venv-dist

format: install ## rewrite the code in the project's style
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

images: install ## redraw the pictures in docs/img
	$(BIN)/python docs/make_images.py

clean: ## remove everything that make made
	rm -rf $(VENV) $(RATE_VENV) build *.egg-info .pytest_cache .hypothesis .mypy_cache \
		.ruff_cache .import_linter_cache docs/_build docs/generated \
		.venv-dist dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 11) or sys.exit(\
		f"oneway needs Python 3.11 or newer, {sys.executable} is {v}: try make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

# The requirements take a minute, the package itself seconds: two steps. Python compiles what it
# imports, which is little of what they bring.
$(VENV)/.required: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --no-compile -c constraints.txt setuptools ".[dev]"
	touch $@

# Not editable: tests see the wheel that users get. setuptools would add what lies in build/.
$(VENV)/.installed: $(VENV)/.required $(SOURCES) README.md
	rm -rf build *.egg-info
	$(PIP) install --quiet --no-deps --no-build-isolation --force-reinstall .
	rm -rf build *.egg-info
	touch $@

# A copy (by hard links where there are any) from which pip removes brian2.
$(RATE_VENV)/.installed: $(VENV)/.installed
	rm -rf $(RATE_VENV)
	$(BIN)/python -m venv --without-pip $(RATE_VENV)
	rm -rf $(RATE_VENV)/lib
	cp -al $(VENV)/lib $(RATE_VENV)/ 2>/dev/null || cp -R $(VENV)/lib $(RATE_VENV)/
	$(RATE_VENV)/bin/python -m pip --disable-pip-version-check uninstall --quiet --yes brian2 cython
	touch $@
