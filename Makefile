# Everything that a newcomer or a CI machine does. `make` lists it.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUST   := $(shell find rust -name '*.rs' -o -name Cargo.toml) $(shell find kibana -type f) Cargo.toml Cargo.lock pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help build demo test test-rust test-python lint format docs kibana bench bench-answers bench-check fuzz clean

help:  ## List what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vpcflow needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	@command -v cargo >/dev/null || { echo "vpcflow needs Rust 1.88 or newer: https://rustup.rs"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.built: $(BIN)/python $(RUST)
	$(BIN)/python -m pip install --quiet 'maturin>=1.9.4,<2'
	unset CONDA_PREFIX; VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --quiet --profile quick
	@touch $@

build: $(VENV)/.built  ## Virtual environment, compiled core, vpcflow installed in it

demo: build  ## A made-up day of traffic: indexed into ./vpcflow-data, summarised, queried
	$(BIN)/vpcflow demo

$(VENV)/.test: $(VENV)/.built pyproject.toml
	$(BIN)/python -m pip install --quiet --group test --group lint
	@touch $@

test: lint test-rust test-python  ## Lint and all tests, with a real Elasticsearch where Java 17 and Maven are

test-rust:  ## The core's tests
	cargo test --quiet --workspace

test-python: $(VENV)/.test  ## The tests against the public API and the commands
	@tests/prepare
	$(BIN)/python -m pytest

lint: $(VENV)/.test  ## ruff, mypy, stubtest, rustfmt, clippy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest vpcflow._core
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	cargo clippy --quiet -p vpcflow-core --no-default-features --lib -- -D warnings

format: $(VENV)/.test  ## Put the code in the one format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	cargo fmt --all

docs: build  ## Write the pages of docs/ that the program itself knows
	$(BIN)/python docs/generate.py

kibana: $(VENV)/.test  ## Write kibana/saved_objects from kibana/dashboards
	$(BIN)/python -m vpcflow.kibana.build

bench: $(VENV)/.test  ## Measure against peers; writes benchmarks/RESULTS.md
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	unset CONDA_PREFIX; VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --quiet --release
	$(BIN)/python benchmarks/bench.py

bench-answers: $(VENV)/.test  ## Measure questions over a store of 20 million flows; writes benchmarks/RESULTS-answers.md
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/answers.py

bench-check: $(VENV)/.test  ## Whether speed has fallen by a quarter beside a peer's, in half a minute
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/bench.py --check

fuzz:  ## Fuzz each decoder for a minute (needs nightly Rust and cargo-fuzz)
	cd rust/core && for target in $$(cargo +nightly fuzz list); do cargo +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done

clean:  ## Remove what was built
	rm -rf $(VENV) target tests/elasticsearch/target tests/contract/target tests/integration/target dist
