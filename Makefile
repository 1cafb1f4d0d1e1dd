# One command for everything. `make demo` and `make test` set up what they need, once.
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin

.PHONY: help demo test lint types layers check fix docs bench-quality bench-serving constraints clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.installed-all  ## play a real year: events to a monitored, retrained endpoint
	$(BIN)/tidemill demo

test: $(VENV)/.installed-dev  ## run all tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

check: lint types layers  ## everything CI checks besides the tests

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy platform/tidemill feature_repo/tidemill_features pipelines/tidemill_pipelines \
		serving/tidemill_serving monitoring/tidemill_monitoring

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

fix: $(VENV)/.installed-dev  ## format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev  ## write the pages that are made from the code
	$(BIN)/python -m tidemill.objective.reference > docs/objectives.md
	$(BIN)/python -m tidemill.cli.reference > docs/cli.md

bench-quality: $(VENV)/.installed-dev  ## the model beside LightGBM and the one-line rule
	$(BIN)/python benchmarks/quality.py

bench-serving: $(VENV)/.installed-dev  ## CPU time a request beside kserve and FastAPI
	$(BIN)/python benchmarks/serving.py

constraints: $(VENV)/.installed-dev  ## resolve every version anew
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --no-annotate -o constraints.txt
	sed -i 's/+cpu$$//' constraints.txt

clean:  ## remove the environment and the demo's state
	rm -rf $(VENV) .tidemill

# An environment is made once and made again only when the versions change.
$(VENV)/.installed-%: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing tidemill[$*] into $(VENV) (a few minutes, once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$*]'
	@touch $@
