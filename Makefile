ifeq ($(OS),Windows_NT)
PYTHON ?= python
SCRIPTS := Scripts
else
PYTHON ?= python3
SCRIPTS := bin
endif
BIN := .venv/$(SCRIPTS)
# As on Linux, files are UTF-8 on Windows.
export PYTHONUTF8 := 1
DATA ?= ../shared/birds25
UV := .venv/uv/$(SCRIPTS)/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate \
    --custom-compile-command "make lock"
FAULTS := https://api.osv.dev/v1/vulns/OSV-2020-111

# One process more than cores, since servers and browsers are waited for; the tests of a file stay
# together, and with them what they share.
PARALLEL = --numprocesses $(shell $(PYTHON) -c "import os; print(os.cpu_count() + 1)") \
    --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: app audit bench check format help lock nightly readme screenshots \
    test test-fast test-lowest

app: .venv/app ## Install what the app needs and open it (CHECKPOINTS=folder)
	$(BIN)/streamlit run streamlit_app/main.py $(if $(CHECKPOINTS),-- --checkpoints "$(CHECKPOINTS)")

test: .venv/all check ## Install everything, check the code and run every test
	$(BIN)/pytest $(PARALLEL)

test-fast: .venv/all ## Run the tests that are not marked slow
	$(BIN)/pytest $(PARALLEL) -m "not slow and not nightly"

test-lowest: .venv/lowest ## Run the tests of app and trainer with the lowest versions that the ranges allow
	.venv/lowest/$(SCRIPTS)/python -m pytest $(PARALLEL) tests/plumage tests/streamlit_app tests/trainer

nightly: .venv/all ## Feed the app 20,000 damaged files; audit ../shared/birds25 for near-duplicates across splits
	$(BIN)/pytest --hypothesis-profile=nightly -k damaged_file tests/streamlit_app/inference/test_decoding.py
	$(BIN)/pytest -m nightly

check: .venv/all ## Lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/all ## Put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

audit: .venv/all ## Look for known vulnerabilities of the installed packages
	@$(PYTHON) -m venv .venv/audit
	@.venv/audit/$(SCRIPTS)/pip install --quiet pip-audit
	@if $(BIN)/python -c "from urllib.request import urlopen; urlopen('$(FAULTS)', timeout=10)" 2>/dev/null; \
	then .venv/audit/$(SCRIPTS)/pip-audit --vulnerability-service osv --path "$$($(BIN)/python -c \
	    "import sysconfig; print(sysconfig.get_path('purelib'))")"; \
	else echo "No database of known faults can be reached from here: nothing was audited."; fi

bench: .venv/all ## Time norms, steps, processes, export, an epoch, reading, a folder, Ray, 50 visitors, a browser (DATA=photos)
	$(BIN)/python -m benchmarks.training.layers
	$(BIN)/python -m benchmarks.training.step
	$(BIN)/python -m benchmarks.training.processes
	$(BIN)/python -m benchmarks.onnx_norms
	$(BIN)/python -m benchmarks.onnx_saliency
	$(BIN)/python -m benchmarks.training.epoch $(DATA)
	$(BIN)/python -m benchmarks.reading $(DATA)
	$(BIN)/python -m benchmarks.batch $(DATA)
	$(BIN)/python -m benchmarks.scale $(DATA)
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.maps
	$(BIN)/python -m benchmarks.browser

readme: .venv/all ## Write the figures in documents from checkpoints/ and benchmarks/results/
	$(BIN)/python -m trainer.report

screenshots: .venv/all ## Draw the README's picture of the app (needs Chromium)
	$(BIN)/python -m docs.screenshots

lock: .venv/uv ## Lock versions after a change of the requirements (delete *.lock for the newest ones)
	$(COMPILE) tests/requirements.txt --output-file tests/requirements.lock
	$(COMPILE) requirements.txt --constraint tests/requirements.lock --output-file requirements.lock

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/app: requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	@touch $@

.venv/all: .venv/app tests/requirements.lock
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.lock
	@touch $@

.venv/lowest: .venv/uv requirements.txt trainer/requirements.txt cluster-requirements.txt tests/requirements.txt
	$(PYTHON) -m venv --clear .venv/lowest
	$(UV) pip compile --quiet --python .venv/lowest --resolution lowest-direct \
	    --no-annotate tests/requirements.txt --output-file .venv/lowest/requirements.lock
	$(UV) pip install --quiet --python .venv/lowest --requirement .venv/lowest/requirements.lock
	@touch $@

.venv/uv:
	$(PYTHON) -m venv .venv/uv
	.venv/uv/$(SCRIPTS)/python -m pip install --quiet uv
