# Two commands, each of which sets up all it needs in .venv:
#   make cycle   search crystal structures of Li5Si2
#   make test    lint, types, documentation, tests
# and more:
#   make docs    the documentation site in build/site
#   make sanitize       the native engine's tests on a build with address and undefined-behaviour
#                       sanitizers (GCC on Linux)
#   make test-clients   CrySPY, ase-ga and AGOX take our seeds; SevenNet, matgl, Quantum ESPRESSO and
#                       GPAW compute; each in an environment of its own, made once and kept
#   make test-damaged   1,000 damaged files through every reader, in limits of memory and time;
#                       390 damaged copies of a run
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Workers and tests run side by side, one thread each.
export OMP_NUM_THREADS := 1
# Warnings are errors, a link that leads nowhere for example; the theme's notice of its own future
# is none.
BUILD_DOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: cycle docs test test-clients test-damaged sanitize clean

cycle: .venv/installed
	$(BIN)/gencsp cycle Li5Si2 --guests Li

test: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror native/*.cpp native/*.hpp native/*.inc native/denoiser/*
	$(BIN)/mypy
	$(BUILD_DOCS)
	$(BIN)/pytest -n 2

docs: .venv/installed-test
	$(BUILD_DOCS)

test-clients: .venv/installed-test
	$(BIN)/pytest -m clients --durations=0

test-damaged: .venv/installed-test
	$(BIN)/python tests/io/mutations.py 1000
	GENCSP_DAMAGED_COPIES=30 $(BIN)/pytest -n 0 tests/store/test_damage.py

SANITIZED := build/sanitize
# Python has to start with the runtimes of the sanitizers. It keeps memory until its end on purpose,
# so leaks are left to benchmarks/relax_leak.py.
sanitize: .venv/installed-test
	rm -rf $(SANITIZED)/site
	$(PIP) install $(PIP_FLAGS) --no-deps --target $(SANITIZED)/site \
		-C cmake.define.GENCSP_SANITIZE=ON -C build-dir=$(SANITIZED)/cmake .
	LD_PRELOAD="$$($(CXX) -print-file-name=libasan.so) $$($(CXX) -print-file-name=libubsan.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	$(BIN)/python tools/with_extension.py $(SANITIZED)/site -p no:cacheprovider \
		tests/potentials/chgnet/test_native.py tests/potentials/chgnet/test_native_relax.py tests/potentials/chgnet/test_same_path.py \
		tests/potentials/chgnet/test_any_input.py tests/diffusion/networks/test_native_denoiser.py

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "gencsp needs Python 3.11 or newer: make PYTHON=/path/to/python3 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: .venv/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[docs,test,train]'
	touch $@ .venv/installed

clean:
	rm -rf .venv build
