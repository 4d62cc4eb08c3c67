# make run    three DSCC nodes and two sites that share keys, KMIP on 127.0.0.1:5696 and 5697, their data in ./run
#             (DATA=folder: another one; SHIFT=1000: all ports so much higher)
# make demo   three sites share keys, replace and revoke them, step by step, by the hand of PyKMIP
# make test   every test on SQLite, then those that use a database on a real PostgreSQL that they start themselves
#             (DATABASES=sqlite: only the first, DATABASES=postgresql: only the second)
# make coverage   the same, and the lines and branches that none of them reached (TESTS=tests/cli: a folder's)
# make mutants  one authorization check of the server removed at a time: the tests have to find each (FILES=wrapping)
# make fuzz   parsers and state machines of DSCC against bytes that coverage guides (SECONDS=60 for each; TARGET=machine)
# make lint   style, types, architecture
# make demo-dscc  three DSCC nodes and four devices on this machine, step by step: from enrolment to revocation
# make bench-dscc  what a negotiation, a group and a fleet cost, beside TLS (QUICK=1: half a minute)
# make bench-sharing  keys that two sites share, beside those of one: three nodes, two gateways, clients (QUICK=1: a minute)
# make bench  our server and PyKMIP's own side by side (QUICK=1: a few seconds a figure), then bench-sharing

PYTHON ?= python3
VENV ?= .venv
DATA ?= run
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Each test process starts a server of its own, and waits for it a good part of its time: three for two processors, and
# no more than eight.
PROCESSORS := $(shell nproc 2>/dev/null || sysctl -n hw.logicalcpu 2>/dev/null || echo 2)
PYTEST_ARGS ?= -n $(shell expr $(PROCESSORS) \* 3 / 2) --maxprocesses 8 --dist worksteal
DATABASES ?= sqlite postgresql

SECONDS ?= 60
TARGET ?= frames message machine seed box codes

.PHONY: run demo test coverage mutants fuzz lint bench bench-dscc bench-sharing demo-dscc
.DEFAULT_GOAL := run
# What was begun and not finished, such as .venv on a system without ensurepip, is begun anew the next time.
.DELETE_ON_ERROR:

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing the server into $(VENV) ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml | $(BIN)/python
	@echo "Installing the server and what its tests need into $(VENV) ..."
	@$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.installed

run: $(VENV)/.installed
	@PYTHONPATH=. exec $(BIN)/python -m demo.run $(DATA) $(if $(SHIFT),--shift $(SHIFT))

demo: $(VENV)/.installed-test
	@PYTHONPATH=. $(BIN)/python -m demo.sharing_demo

test: $(VENV)/.installed-test
	@set -e; for kind in $(DATABASES); do \
		$(BIN)/python -m pytest $(PYTEST_ARGS) --database $$kind; \
	done

coverage: $(VENV)/.installed-test
	@$(BIN)/coverage erase
	@set -e; for kind in $(DATABASES); do \
		$(BIN)/python -m pytest $(PYTEST_ARGS) --database $$kind --cov --cov-append --cov-report= $(TESTS); \
	done
	@$(BIN)/coverage report

mutants: $(VENV)/.installed-test
	@PYTHONPATH=.:tests $(BIN)/python -m authorization.mutants $(FILES)

fuzz: $(VENV)/.installed-test
	@$(BIN)/python -c "import atheris" 2>/dev/null || $(PIP) atheris
	@set -e; for target in $(TARGET); do \
		echo "fuzzing: $$target"; \
		PYTHONPATH=.:tests/dscc $(BIN)/python -m tests.fuzz $$target -max_total_time=$(SECONDS); \
	done

lint: $(VENV)/.installed-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.installed-test
	@PYTHONPATH=.:tests $(BIN)/python -m bench $(if $(QUICK),--quick)
	@$(MAKE) --no-print-directory bench-sharing

bench-sharing: $(VENV)/.installed-test
	@PYTHONPATH=.:tests $(BIN)/python -m bench.sharing $(if $(QUICK),--quick)

bench-dscc: $(VENV)/.installed-test
	@PYTHONPATH=.:tests:tests/dscc/node $(BIN)/python -m bench.dscc $(if $(QUICK),--quick)

demo-dscc: $(VENV)/.installed
	@PYTHONPATH=. $(BIN)/python -m demo.dscc_demo
