PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/birds25
FAULTS := https://api.osv.dev/v1/vulns/OSV-2020-111

.DEFAULT_GOAL := help
.PHONY: app audit bench check format help nightly readme screenshots test

app: .venv/app ## Install what the app needs and open it
	$(BIN)/streamlit run streamlit_app/main.py

test: .venv/all check ## Install everything, check the code and run every test
	$(BIN)/pytest

nightly: .venv/all ## Feed the app 20,000 damaged files
	$(BIN)/pytest --hypothesis-profile=nightly -k damaged_file tests/streamlit_app/test_decoding.py

check: .venv/all ## Lint, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/all ## Put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

audit: .venv/all ## Ask for known faults of what is installed, where a database can be reached
	@$(PYTHON) -m venv .venv/audit
	@.venv/audit/bin/pip install --quiet pip-audit
	@if $(BIN)/python -c "from urllib.request import urlopen; urlopen('$(FAULTS)', timeout=10)" 2>/dev/null; \
	then .venv/audit/bin/pip-audit --vulnerability-service osv --path "$$($(BIN)/python -c \
	    "import sysconfig; print(sysconfig.get_path('purelib'))")"; \
	else echo "No database of known faults can be reached from here: nothing was audited."; fi

bench: .venv/all ## Time norms, steps, processes, export, an epoch, a folder, Ray, 50 visitors, a browser (DATA=photos)
	$(BIN)/python -m benchmarks.layers
	$(BIN)/python -m benchmarks.step
	$(BIN)/python -m benchmarks.processes
	$(BIN)/python -m benchmarks.onnx_norms
	$(BIN)/python -m benchmarks.onnx_saliency
	$(BIN)/python -m benchmarks.epoch $(DATA)
	$(BIN)/python -m benchmarks.batch $(DATA)
	$(BIN)/python -m benchmarks.scale $(DATA)
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.maps
	$(BIN)/python -m benchmarks.browser

readme: .venv/all ## Fill the README's tables from checkpoints/ and benchmarks/results/
	$(BIN)/python -m trainer.report

screenshots: .venv/all ## Draw the README's pictures of the app (needs Chromium)
	$(BIN)/python -m docs.screenshots

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/app: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.txt
	@touch $@

.venv/all: .venv/app trainer/requirements.txt cluster-requirements.txt tests/requirements.txt
	$(BIN)/pip install --quiet --requirement tests/requirements.txt
	@touch $@
