# `make serve` and `make test` are all that a new user needs; `make help` lists the rest.
# What is built and cached lives in ignored folders: .venv, target, node_modules, client/dist, web/dist.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMPS := .cache
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST := Cargo.toml Cargo.lock $(shell find rust/sfu rust/nameplate rust/sip rust/py -name '*.rs' -o -name Cargo.toml)
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade)
PACKAGES := $(shell find palaver packaging -type f -not -name '*.so' -not -path '*/__pycache__/*' -not -path 'palaver/api/site/*')
WEB := package.json package-lock.json $(shell find client/src web/src web/public client/*.json web/*.json web/index.html web/vite.config.ts -type f 2>/dev/null)

.PHONY: help build serve wheel test check lint unit bench fuzz soak wire lock docs clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

build: $(STAMPS)/core $(STAMPS)/web ## everything; leaves the command at .venv/bin/palaver

serve: build ## build, start the server, print the address of a page where two people can talk
	@exec $(BIN)/palaver serve $(ARGS)

wheel: $(STAMPS)/wheel ## wheels of the server, with the page inside, and of the Python client; in dist/

test: build wheel $(STAMPS)/wheelhouse $(STAMPS)/dev $(STAMPS)/apt-test lint ## everything that CI runs: lints, types, unit, whole-server and browser tests
	$(BIN)/python tools/run_tests.py $(TESTS)

check: build $(STAMPS)/dev lint unit ## what to run before a commit: lints, types, unit tests

lint: build $(STAMPS)/dev
	ruff format --check --quiet .
	ruff check --quiet .
	mypy
	$(PYTHON) -m mypy.stubtest palaver.media._core
	lint-imports
	$(PYTHON) tools/file_sizes.py
	$(PYTHON) tools/links.py
	$(BIN)/python tools/locked.py
	$(BIN)/python tools/version.py
	cargo fmt --check
	cargo clippy --release --workspace --all-targets --quiet -- -D warnings
	npm run --silent check
	$(PYTHON) tools/generated.py --check

unit:
	cargo test --release --workspace --quiet
	npx vitest run
	$(BIN)/pytest -q -m 'not net and not browser' $(TESTS)

wire: $(STAMPS)/dev ## regenerate what is made from the code: wire types, state diagrams, docs/configuration.md
	$(PYTHON) tools/generated.py

lock: $(STAMPS)/tools ## pin Python's libraries with their hashes, after pyproject.toml changed; UPGRADE=1: in their newest versions
	[ -x $(BIN)/uv ] || { $(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --require-hashes -r requirements/uv.txt; }
	$(LOCK) --all-extras pyproject.toml requirements/build.in -o requirements/build.txt
	$(LOCK) --all-extras --group dev -c requirements/build.txt pyproject.toml requirements/build.in -o requirements/dev.txt
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) requirements/zig.in -o requirements/zig.txt

bench: build $(STAMPS)/dev $(STAMPS)/apt-bench $(STAMPS)/load ## every benchmark; tables in bench/results
	for one in idle join rest portal refusals contract forwarding floods bad_network mix mix_live mix_node analytics; do $(BIN)/python -m bench.$$one; done

fuzz: build $(STAMPS)/dev ## fuzz REST and portal with CASES=100000, the puller of streams with PULLS=20000, and the parsers of network bytes for SECONDS_EACH=60 each (nightly Rust, cargo-fuzz)
	FUZZ_CASES=$${CASES:-100000} $(BIN)/pytest -q tests/hostile
	nice $(BIN)/python -m tests.streaming.fuzz $${PULLS:-20000}
	for target in $$(cd rust/fuzz && cargo fuzz list); do \
	  (cd rust/fuzz && cargo +nightly fuzz run $$target -- -max_total_time=$${SECONDS_EACH:-60}); done

soak: build $(STAMPS)/dev $(STAMPS)/load ## a full house, people coming and going for MINUTES=60, and a view for MIX_MINUTES=10; KILLS=100 of the server; tables in bench/results
	$(BIN)/python -m bench.soak --minutes $${MINUTES:-60}
	$(BIN)/python -m bench.mix_soak --minutes $${MIX_MINUTES:-10}
	PALAVER_KILLS=$${KILLS:-100} $(BIN)/python -m pytest -q tests/net/test_kill.py
	PALAVER_KILLS=$${UPLOAD_KILLS:-50} $(BIN)/python -m pytest -q tests/recording/test_uploader.py

clean: ## forget everything that was built
	rm -rf .venv target node_modules client/dist web/dist dist $(STAMPS) palaver/media/_core.abi3.so

# ── what the targets above stand on ─────────────────────────────────────────────────────────────────

$(STAMPS)/tools: tools/toolchain.sh
	@mkdir -p $(STAMPS)
	@bash tools/toolchain.sh
	@touch $@

$(STAMPS)/venv: requirements/uv.txt requirements/build.txt $(STAMPS)/tools
	[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	[ -x $(BIN)/uv ] || $(BIN)/pip install --quiet --require-hashes -r requirements/uv.txt
	uv pip install --quiet --require-hashes -r requirements/build.txt
	@touch $@

$(STAMPS)/core: $(STAMPS)/venv $(RUST)
	maturin develop --release --uv --quiet
	@touch $@

$(STAMPS)/node: package.json package-lock.json client/package.json web/package.json $(STAMPS)/tools
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

$(STAMPS)/web: $(STAMPS)/node $(WEB)
	npm run --silent build
	@touch $@

# With TARGETS (see tools/wheel.sh), or where dist/ was emptied, it is done each time it is asked for.
$(STAMPS)/wheel: $(STAMPS)/core $(STAMPS)/web tools/wheel.sh pyproject.toml README.md LICENSE $(PACKAGES) $(if $(TARGETS),always,$(if $(wildcard dist/palaver-*.whl),,always))
	$(if $(TARGETS),uv pip install --quiet --require-hashes -r requirements/zig.txt)
	TARGETS="$(TARGETS)" bash tools/wheel.sh
	@$(if $(TARGETS),rm -f $@,touch $@)

.PHONY: always
always:

# The libraries of the wheel, so that the tests install it without the network.
$(STAMPS)/wheelhouse: requirements/build.txt $(STAMPS)/venv
	@rm -rf $@
	$(BIN)/pip download --quiet --require-hashes --only-binary :all: --dest $@ -r requirements/build.txt
	@touch $@

$(STAMPS)/dev: $(STAMPS)/venv requirements/dev.txt
	uv pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# The load generator; and the core once more with its symbols, so that profiles can name them.
$(STAMPS)/load: $(STAMPS)/core $(shell find rust/bench -name '*.rs' -o -name Cargo.toml)
	cargo build --release --quiet -p palaver-load -p palaver-py
	cp target/release/libpalaver_py.so palaver/media/_core.abi3.so
	@touch $@

# Browsers, servers and fonts that the tests drive; a bare name is a package.
TEST_PACKAGES := chromium:chromium espeak-ng:espeak-ng turnserver:coturn kamailio:kamailio baresip:baresip-core sipp:sip-tester firefox-esr:firefox-esr ip:iproute2 ffmpeg:ffmpeg nginx:nginx-light caddy:caddy \
  /usr/lib/postgresql/15/bin/initdb:postgresql fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji libnginx-mod-rtmp \
  gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
  gstreamer1.0-plugins-ugly

$(STAMPS)/apt-test: tools/apt.sh Makefile
	bash tools/apt.sh $(TEST_PACKAGES)
	@touch $@

$(STAMPS)/apt-bench: tools/apt.sh
	bash tools/apt.sh wrk:wrk janus:janus ffmpeg:ffmpeg perf:linux-perf cc:gcc /usr/include/openssl/evp.h:libssl-dev
	@touch $@
