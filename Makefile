# Everything from a fresh checkout: each target sets up what is missing, then does its work.
.PHONY: help demo test run check experiment bench figures clean
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# Processes that run the tests; 0 is none beside the main one. Two keep two cores busy and disturb each other little.
WORKERS ?= 2

# Else every program that the tests start compiles all its modules anew: half of their time.
unexport PYTHONDONTWRITEBYTECODE

# The RTSP camera and the WHIP publisher of tests/interop, run by the system's Python.
GSTREAMER := python3-gi gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly

help:  ## what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): requirements-dev.txt requirements-torch.txt
	@echo "setting up $(VENV) (a few minutes the first time) ..." >&2
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check -r requirements-torch.txt
	@touch $@

.PHONY: setup
setup: $(STAMP)  ## Debian packages, weights and samples, where they are missing
	@$(BIN)/python -m edge setup $(PACKAGES)

demo: PACKAGES = chromium
demo: setup  ## the main job on a sample video, end to end (ARGS="--seconds 60")
	$(BIN)/python -m edge demo $(ARGS)

test: PACKAGES = chromium firefox-esr coturn mosquitto nats-server nginx $(GSTREAMER)
test: setup  ## all tests (ARGS="-m 'not browser'"; WORKERS=0 for one process)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

run: setup  ## serve until Ctrl-C (ARGS="--port 9000")
	$(BIN)/python -m edge serve $(ARGS)

check: $(STAMP)  ## ruff, mypy and the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

experiment: PACKAGES = chromium
experiment: setup  ## the smoke matrix, with figures: real browsers behind LTE-like links, beside plain aiortc; as root
	$(BIN)/python -m netem run netem/experiments/smoke.toml --out out/smoke $(ARGS)
	$(BIN)/python -m analysis figures out/smoke

bench: PACKAGES = chromium
bench: setup  ## the benchmarks
	$(BIN)/python -m analysis bench receive
	$(BIN)/python -m analysis bench handover
	$(BIN)/python -m analysis bench detector

# Of whatever experiments there are; with none, of the profiles alone.
RESULTS ?= $(wildcard out/smoke out/real out/paper)
figures: $(STAMP)  ## all figures and tables into out/figures (RESULTS="out/smoke": folders or files of results)
	$(BIN)/python -m analysis figures $(RESULTS) $(ARGS)

# Versions that are locked already stay; after a change in pyproject.toml, or with ARGS="--upgrade-package NAME".
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-package torch \
	--custom-compile-command "make lock" pyproject.toml
.PHONY: lock
lock:  ## write requirements.txt and requirements-dev.txt from pyproject.toml
	$(LOCK) $(ARGS) --extra mqtt --extra fleet --output-file requirements.txt
	$(LOCK) $(ARGS) --extra mqtt --extra fleet --extra lab --extra dev --output-file requirements-dev.txt

clean:  ## remove what was set up here (not the cache of fetched files)
	rm -rf $(VENV) out .import_linter_cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
