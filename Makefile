# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Nothing here needs more network than the package index, and nothing a model hub.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
CHUNKERS := .cache/chunkers-venv
READERS := .cache/readers-venv

export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check bench bench-retrieval bench-crowd faults fuzz soak realfiles readers deploy-test clean install install-dev

help:  ## Say what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

demo: $(VENV)/.installed  ## Install, ingest the sample handbook, answer a search (state in .demo/)
	$(BIN)/ingestor --state-dir $(DEMO) backfill tests/data/handbook
	$(BIN)/ingestor --state-dir $(DEMO) search --top 3 "how long do refunds take"
	@echo
	@echo "Try your own:  $(BIN)/ingestor --state-dir $(DEMO) search \"...\""

test: $(VENV)/.installed-dev  ## Install what the tests need and run them all, short forms
	$(BIN)/python tests/run.py

check: $(VENV)/.installed-dev  ## Lint, types, architecture and the fast tests, in under two minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -m "not slow and not long" tests/unit tests/contract

bench: $(VENV)/.installed-dev  ## Measure: ledger, cutting, embedding, first and later runs, lag
	$(BIN)/python -m tests.benchmarks

bench-retrieval: $(VENV)/.installed-dev $(CHUNKERS)/.installed  ## What is found on a public benchmark, beside other chunkers; data by INGESTOR_BENCH_DATA
	$(BIN)/python -m tests.benchmarks.retrieval --chunkers $(CHUNKERS)/bin/python

bench-crowd: $(VENV)/.installed-dev  ## What is found among a million other passages, against comparing all of them; DISTRACTORS=N for another number, STATE=FOLDER keeps them. Long
	$(BIN)/python -m tests.benchmarks.retrieval.crowd --distractors $(or $(DISTRACTORS),1000000) $(if $(STATE),--state $(STATE))

faults: $(VENV)/.installed-dev  ## The long form of the fault suites; writes tests/results/
	$(BIN)/python -m tests.support.packages
	$(BIN)/python -m pytest -q -m long tests/faults tests/property tests/integration/test_search_under_churn.py tests/integration/test_large_wikis.py -p no:randomly -s

fuzz: $(VENV)/.installed-dev  ## Two thousand broken files through the parsers; writes tests/results/fuzz.md
	$(BIN)/python -m pytest -q -m long tests/faults/test_fuzz.py -s

soak: $(VENV)/.installed-dev  ## The service for half an hour in a folder that never rests; writes tests/results/soak.md
	$(BIN)/python -m pytest -q -m long tests/acceptance/test_soak.py -p no:randomly -s

realfiles: $(VENV)/.installed-dev  ## Real files of public projects against other readers; fetches them into .cache/
	$(BIN)/python -m tests.realfiles

readers: $(VENV)/.installed-dev $(READERS)/.installed  ## LlamaIndex and Haystack read the collection, from an environment of their own
	$(BIN)/python -m pytest -q -m long tests/acceptance/test_other_readers.py -p no:randomly

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

# torch first and pinned: a plain requirement would take the multi-gigabyte CUDA build.
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --retries 0 --timeout 5 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 \
		|| $(BIN)/pip install --quiet torch==2.13.0
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install --quiet --constraint deploy/constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install --quiet --constraint deploy/constraints.txt --editable '.[dev]'
	@touch $(VENV)/.installed $@

deploy-test: $(VENV)/.installed-dev  ## Build the container and let it live; the units under a real systemd. Long
	$(BIN)/python -m tests.support.packages --long
	$(BIN)/python -m pytest -q tests/deploy -p no:randomly -s
# What others need to cut has an environment of its own, so that none of it weighs on ours.
$(CHUNKERS)/.installed: tests/benchmarks/retrieval/requirements.txt
	$(PYTHON) -m venv $(CHUNKERS)
	$(CHUNKERS)/bin/pip install --quiet --retries 0 --timeout 5 --index-url https://download.pytorch.org/whl/cpu torch==2.13.0 \
		|| $(CHUNKERS)/bin/pip install --quiet torch==2.13.0
	$(CHUNKERS)/bin/pip install --quiet --requirement $<
	@touch $@

$(READERS)/.installed: tests/acceptance/readers.txt
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/pip install --quiet --requirement $<
	@touch $@

clean:  ## Remove what make made, but not .venv
	rm -rf $(DEMO) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
