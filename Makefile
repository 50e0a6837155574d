# The menu. Every stage is stamped under .cache/ and done again only when what it was made from has changed.
#   make        everything that a running product needs: packages, the Rust extension, the web client
#   make demo   the five daemons in one process on http://localhost
#   make test   every check and every test
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAGE := @tools/stage
# Node comes from the venv, so that everyone builds the web client with the same one.
export PATH := $(BIN):$(PATH)
export CARGO_TARGET_DIR ?= $(CURDIR)/.cache/target
export npm_config_fund := false
export npm_config_audit := false
export npm_config_update_notifier := false

RUST_SOURCES := $(shell find rust -name target -prune -o -type f \( -name '*.rs' -o -name '*.toml' -o -name 'Cargo.lock' \) -print)
WEB_SOURCES := $(shell find web -name node_modules -prune -o -type f -print)
CARGO := cd rust && cargo
ARGS ?=

.PHONY: all demo test lint types rust web api check-rust check-web pytest browser bench quality soak interop clean
all: .cache/native .cache/web

demo: all
	@exec $(BIN)/meeting demo $(ARGS)

# --- stages

.cache/prerequisites: tools/prerequisites
	@mkdir -p .cache
	@tools/prerequisites $(PYTHON)
	@touch $@

.cache/python: requirements/build.txt | .cache/prerequisites
	@[ -x $(BIN)/python ] || tools/stage "virtual environment" $(PYTHON) -m venv $(VENV)
	$(STAGE) "build tools" $(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps -r requirements/build.txt
	@touch $@

.cache/packages: requirements/runtime.txt .cache/python
	$(STAGE) "Python packages" $(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	@touch $@

.cache/test-packages: requirements/test.txt .cache/packages
	$(STAGE) "Python packages of the tests" $(BIN)/uv pip install --python $(BIN)/python --require-hashes -r requirements/test.txt
	@touch $@

.cache/native: $(RUST_SOURCES) setup.cfg pyproject.toml .cache/packages
	$(STAGE) "meeting and its Rust extension" $(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.cache/node-modules: web/package-lock.json .cache/python
	$(STAGE) "web packages" npm ci --prefix web
	@touch $@

.cache/web: $(WEB_SOURCES) .cache/node-modules
	$(STAGE) "web client" npm run --prefix web build
	@touch $@

.cache/system-packages: tools/system-packages
	@mkdir -p .cache
	$(STAGE) "system packages of the tests" tools/system-packages
	@touch $@

.cache/pebble: tools/pebble
	@mkdir -p .cache
	$(STAGE) "certificate authority of the tests" tools/pebble
	@touch $@

.cache/pion: tools/pion tests/pion/go.mod tests/pion/go.sum tests/pion/main.go
	@mkdir -p .cache
	$(STAGE) "TURN client of the tests" tools/pion
	@touch $@

# --- checks: pytest last, so that its closing line is what is seen

test: .cache/test-packages .cache/native .cache/web .cache/system-packages .cache/pebble .cache/pion
	@$(MAKE) lint types check-rust check-web
	@$(MAKE) browser
	@$(MAKE) pytest

lint: .cache/test-packages
	$(STAGE) "ruff check" $(BIN)/ruff check --no-fix
	$(STAGE) "ruff format" $(BIN)/ruff format --check
	$(STAGE) "import contracts" $(BIN)/lint-imports --config setup.cfg

types: .cache/test-packages .cache/native
	$(STAGE) "mypy" $(BIN)/mypy

rust: .cache/native

check-rust: | .cache/prerequisites
	$(STAGE) "cargo fmt" bash -c '$(CARGO) fmt --all --check'
	$(STAGE) "cargo clippy" bash -c '$(CARGO) clippy --locked --workspace --all-targets -- -D warnings'
	$(STAGE) "cargo test" bash -c '$(CARGO) test --locked --workspace'

web: .cache/web

# After a change of the hub's API: the copy of its document in web/, and the web client's types made from it.
api: .cache/native .cache/node-modules
	@$(BIN)/python tools/api
	@npm run --silent --prefix web api-types >/dev/null

check-web: .cache/node-modules
	$(STAGE) "eslint" npm run --prefix web lint
	$(STAGE) "tsc" npm run --prefix web typecheck
	$(STAGE) "vitest" npm run --prefix web test

# What is in memory on two cores at once; what starts servers one after the other, so that none waits for another's.
pytest: .cache/test-packages .cache/native .cache/web .cache/system-packages .cache/pebble .cache/pion
	@$(BIN)/pytest -n 2 --dist loadfile tests/unit $(ARGS)
	@exec $(BIN)/pytest tests/integration $(ARGS)

# Real browsers, in a network of their own.
browser: .cache/test-packages .cache/native .cache/web .cache/system-packages
	@exec tests/browser/namespace.sh $(BIN)/pytest -c tests/browser/pytest.ini tests/browser $(ARGS)

# --- longer ones, on demand

bench: .cache/test-packages .cache/native .cache/system-packages
	@$(BIN)/python -m tests.bench $(ARGS)
	@$(BIN)/python -m tests.bench.turn
	@exec $(BIN)/python -m tests.bench.hub

# What Chromium shows of Chromium over bad networks; nothing else should run beside it.
quality: .cache/test-packages .cache/native .cache/node-modules .cache/system-packages
	@exec tests/browser/namespace.sh $(BIN)/python -m tests.quality $(ARGS)

soak: .cache/test-packages .cache/native
	@$(BIN)/python -m tests.soak.year
	@$(BIN)/python -m tests.soak.hub --people 30 --arrivals 10 --seconds 20 --pause 2
	@MEETING_SCHEMA_EXAMPLES=25 $(BIN)/pytest -q tests/unit/apiserver/test_schema.py
	@MEETING_TURN_HOURS=48 $(BIN)/pytest -q tests/unit/turnserver/test_turn_random_hour.py
	@cd rust && SIMULATED_MINUTES=360 cargo test --locked -q -p meeting-forward --test long_call -- --nocapture
	@exec $(BIN)/python -m tests.soak $(ARGS)

# Other people's implementations against ours: MySQL instead of MariaDB, LiveKit's Python SDK, coturn's and aioice's TURN
# clients, and the SDK together with a browser.
interop: .cache/test-packages .cache/native .cache/web .cache/system-packages
	$(STAGE) "MySQL" tools/mysql
	@MEETING_TESTS_DATABASE=mysql $(BIN)/pytest tests/integration/hub/test_*_mariadb.py
	@$(BIN)/pytest tests/integration/sfuserver/test_livekit_sdk.py tests/integration/turnserver $(ARGS)
	@exec tests/browser/namespace.sh $(BIN)/pytest -c tests/browser/pytest.ini tests/browser/test_official_sdk.py $(ARGS)

clean:
	rm -rf .cache $(VENV) build dist src/*.egg-info src/meeting/apiserver/static src/meeting/dataplane/*.so web/node_modules
