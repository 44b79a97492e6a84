# Every target sets up what it needs; nothing but Python 3.11+, make and a package index is assumed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

SECONDS ?= 30
RUNS ?= 22

# What runs a network of validators; built with Go, which needs nothing else.
COMETBFT := 0.38.25

# What the native kernels are compiled from.
KERNELS := src/synnergy/tensor/kernels/build/.made
KERNEL_SOURCES := $(wildcard src/synnergy/tensor/kernels/c/*) tools/build_kernels.py
WHEELS := linux-x86_64 linux-aarch64 macos-arm64 macos-x86_64 windows-x86_64 any

.PHONY: setup demo test lint gen bench bench-network fuzz crash crash-network cometbft \
  verify-package lock clean
.PHONY: kernels compare-hosts wheels
setup: $(VENV)/.runtime $(KERNELS)

$(VENV)/.created:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.runtime: $(VENV)/.created requirements/runtime.lock pyproject.toml hatch_build.py
	$(PIP) install --require-hashes -r requirements/runtime.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

# Compiled anew whenever a source changed; what was compiled before, the compiler remembers.
$(KERNELS): $(VENV)/.runtime $(KERNEL_SOURCES)
	$(BIN)/python tools/build_kernels.py native
	touch $@

$(VENV)/.demo: $(VENV)/.runtime requirements/demo.lock | $(KERNELS)
	$(PIP) install --require-hashes -r requirements/demo.lock
	touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock | $(KERNELS)
	$(PIP) install --require-hashes -r requirements/dev.lock
	touch $@

demo: $(VENV)/.demo $(KERNELS)
	$(BIN)/synnergy demo

test: $(VENV)/.dev $(KERNELS)
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.dev $(KERNELS)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tools/determinism_lint.py
	$(BIN)/synnergy gas check

gen: $(VENV)/.dev
	$(BIN)/python tools/generate.py

# Everything that is made of the kernels' sources: builds, the committed modules, what is recorded.
kernels: $(KERNELS)
	$(BIN)/python tools/build_kernels.py all record
	$(BIN)/python tools/record_selftest.py

# The same programs on other hosts: V8 by Node, and aarch64 under qemu.
compare-hosts: $(VENV)/.dev $(KERNELS)
	$(BIN)/python tools/compare_hosts.py --every

# A wheel for every platform that has native kernels, and one for all others.
wheels: $(KERNELS)
	for platform in $(WHEELS); do \
	  SYNNERGY_WHEEL=$$platform $(PIP) wheel --no-build-isolation --no-deps -w dist . || exit 1; done

$(VENV)/.bench: $(VENV)/.dev requirements/bench.lock
	$(PIP) install --require-hashes -r requirements/bench.lock
	touch $@

bench: $(VENV)/.bench $(KERNELS)
	$(BIN)/python -m bench

# Four validators on this machine, beside CometBFT's own kvstore; about five minutes.
bench-network: $(VENV)/.dev
	$(BIN)/python -m bench.network

# Linux only. Looks for inputs that break a promise, SECONDS for each target of fuzz/targets/.
fuzz: $(VENV)/.dev $(KERNELS)
	$(BIN)/python -m fuzz --seconds $(SECONDS)

# Ends a ledger RUNS times, at every named point and at random, and looks it over each time.
crash: $(VENV)/.dev
	$(BIN)/python -m tests.crash.siege --runs $(RUNS)

# Faults of a network of four, with each of them ended at every point of a block, RUNS times over.
crash-network: $(VENV)/.dev
	NETWORK_CRASHES=$$(( 6 * $(RUNS) )) $(BIN)/python -m pytest tests/network/faults

# Only for networks of validators; the version that is there already is kept.
cometbft: $(VENV)/.created
	@if [ "$$($(BIN)/cometbft version 2>/dev/null)" = "$(COMETBFT)" ]; then \
	  echo "CometBFT $(COMETBFT) is in $(BIN)"; \
	elif ! command -v go >/dev/null; then \
	  echo "CometBFT is built with Go 1.22.11 or newer, and there is no go on the PATH: install it," >&2; \
	  echo "or let SYNNERGY_COMETBFT name a cometbft of version $(COMETBFT)" >&2; exit 1; \
	else \
	  echo "building CometBFT $(COMETBFT) into $(BIN)" && \
	  CGO_ENABLED=0 GOBIN="$(abspath $(BIN))" \
	    go install github.com/cometbft/cometbft/cmd/cometbft@v$(COMETBFT); \
	fi

# The browser's verifier of receipts, ready for npm: needs node 20 or newer.
verify-package:
	cd web/packages/verify && npm ci --ignore-scripts --no-audit --no-fund && npm run lint \
	  && npm run build && npm pack --dry-run

# Maintainers only: resolves the pins of pyproject.toml into the four lock files.
lock: $(VENV)/.created
	$(PIP) install uv==0.13.9
	for set in runtime demo dev bench; do \
	  extra=$$( [ $$set = runtime ] || echo "--extra $$set" ); \
	  $(BIN)/uv pip compile pyproject.toml requirements/build.in $$extra --universal --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url -o requirements/$$set.lock -q; done

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
