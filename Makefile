# make run: the daemon, in the foreground. make test: lint, types, all tests. Both need only Python >= 3.10.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: run test lint types unit bench clean
.DELETE_ON_ERROR:

run: .venv/run.stamp
	$(BIN)/vwserve serve

test: lint types unit

lint: .venv/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/test.stamp
	$(BIN)/mypy
	MYPYPATH=stubs $(BIN)/python -m mypy.stubtest pylibvw --ignore-missing-stub

unit: .venv/test.stamp
	$(BIN)/pytest

bench: .venv/run.stamp
	$(BIN)/vwserve bench $(ARGS)

clean:
	rm -rf .venv

.venv/run.stamp: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --editable .
	touch $@

.venv/test.stamp: .venv/run.stamp
	$(PIP) install --editable '.[test]'
	touch $@
