# One command each: `make run` (toy samples to μ), `make test` (everything that must pass).
PYTHON ?= python3
CORES ?= 2
VENV := .venv
BIN := $(VENV)/bin
# Where this is set, every job would compile the package anew.
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup run test lint format schemas lock bench clean

setup: $(VENV)/.installed

# uv is itself in the lock; pip only bootstraps that pinned version, by its hash.
$(VENV)/.installed: locks/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' locks/requirements.txt > $(VENV)/uv.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@# Compiled here, once: where PYTHONDONTWRITEBYTECODE is set, every job would compile its imports anew, for seconds each.
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes locks/requirements.txt
	VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The main job: toy samples to μ, and the HTML report. CONFIG=config/mine.yaml takes another configuration.
CONFIG ?= config/config.yaml
# A configuration may take its name from the one that it extends.
NAME = $(shell $(BIN)/python -c 'import sys; from analysis import config; print(config.load(sys.argv[1]).name)' $(CONFIG))

run: setup
	$(BIN)/snakemake --cores $(CORES) --rerun-incomplete --configfile $(CONFIG)
	$(BIN)/snakemake --cores 1 --configfile $(CONFIG) --report results/$(NAME)/report/report.html
	@echo "μ and its uncertainty: results/$(NAME)/fit/result.json; the report: results/$(NAME)/report/report.html"

# Two processes: one takes the workflow tests, the other all the rest (--dist loadgroup).
test: setup
	$(BIN)/pytest -n 2 --dist loadgroup

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow analysis/campaign/loop.smk
	$(BIN)/snakemake --lint

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow analysis/campaign/loop.smk

# Schema and key reference, made from the configuration models.
schemas: setup
	$(BIN)/python -m analysis configuration --schemas workflow/schemas
	$(BIN)/python -m analysis configuration --reference config/README.md

bench: setup
	for file in benchmarks/*.py; do $(BIN)/python $$file || exit 1; done

clean:
	rm -rf results .snakemake

lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --all-extras --python-version 3.11 \
	  --no-emit-index-url --no-annotate --no-header pyproject.toml -o locks/requirements.txt
