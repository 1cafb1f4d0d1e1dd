# One command for everything. `make demo` and `make test` set up what they need, once.
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin

.PHONY: help demo test test-cluster lint types layers check fix docs manifests bench-quality \
	bench-recommendation bench-serving bench-operator bench-ingest bench-data-quality \
	bench-monitoring bench-experiments bench-assess bench-value bench-segmentation \
	image-sizes constraints clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: $(VENV)/.installed-all  ## play a real year: events to a monitored, retrained endpoint
	$(BIN)/tidemill demo

test: $(VENV)/.installed-dev  ## run all tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-cluster: $(VENV)/.installed-dev  ## run the operator against the cluster that KUBECONFIG names
	$(BIN)/python -m pytest -q -m e2e -rs tests/e2e

check: lint types layers  ## everything CI checks besides the tests

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy platform/tidemill feature_repo/tidemill_features pipelines/tidemill_pipelines \
		serving/tidemill_serving monitoring/tidemill_monitoring tools

layers: $(VENV)/.installed-dev
	$(BIN)/lint-imports

fix: $(VENV)/.installed-dev  ## format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-dev  ## write the pages that are made from the code
	$(BIN)/python -m tidemill.objective.reference > docs/objectives.md
	$(BIN)/python -m tidemill.events.plan.reference > docs/tracking-plan.md
	$(BIN)/python -m tidemill.cli.reference > docs/cli.md
	$(BIN)/python -m tidemill.experiments.vectors > docs/assignment-vectors.json
	$(BIN)/python tools/values.py
	$(BIN)/python -m tidemill.objective.crd > helm/tidemill/files/objectives.tidemill.dev.yaml

bench-quality: $(VENV)/.installed-dev  ## the model beside LightGBM and the one-line rule
	$(BIN)/python benchmarks/quality.py

bench-serving: $(VENV)/.installed-dev  ## CPU time a request beside kserve and FastAPI
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/serving_recommendations.py

bench-recommendation: $(VENV)/.installed-dev  ## recommenders beside each other; position bias
	$(BIN)/python benchmarks/recommendation.py
	$(BIN)/python benchmarks/recommendation_training.py
	$(BIN)/python benchmarks/position_bias.py

bench-operator: $(VENV)/.installed-dev  ## a thousand Objectives on one operator
	$(BIN)/python benchmarks/operating.py

bench-ingest: $(VENV)/.installed-dev  ## events a second over HTTP and from files; kill -9; freshness
	$(BIN)/python benchmarks/collecting.py --kills 20
	$(BIN)/python benchmarks/importing.py
	$(BIN)/python benchmarks/freshness.py

bench-data-quality: $(VENV)/.installed-dev  ## false alarms and detection of the data-quality report
	$(BIN)/python benchmarks/data_quality.py

bench-monitoring: $(VENV)/.installed-dev  ## false alarms and detection of monitor, gate, alerts
	$(BIN)/python benchmarks/monitoring.py
	$(BIN)/python benchmarks/gate.py
	$(BIN)/python benchmarks/alerts.py

bench-experiments: $(VENV)/.installed-dev  ## errors, power and intervals of simulated experiments
	$(BIN)/python benchmarks/experiments.py
	$(BIN)/python benchmarks/assignment.py
	$(BIN)/python benchmarks/launches.py
	$(BIN)/python benchmarks/experiment_scale.py

bench-segmentation: $(VENV)/.installed-dev  ## segments on users with and without kinds among them
	$(BIN)/python benchmarks/segmentation.py

bench-assess: $(VENV)/.installed-dev  ## verdicts on known truth; learning curves; planted leaks
	$(BIN)/python benchmarks/readiness.py
	$(BIN)/python benchmarks/leakage.py

bench-value: $(VENV)/.installed-dev  ## lifetime values beside BG/NBD and Pareto/NBD alone
	$(BIN)/pip install -q --no-deps lifetimes==0.11.3
	$(BIN)/python benchmarks/lifetime_value.py

image-sizes: $(VENV)/.installed-dev  ## installed size of each image's packages
	$(BIN)/python benchmarks/image_sizes.py

manifests: $(VENV)/.installed-dev  ## the chart's defaults as one file for kubectl
	@mkdir -p build
	$(BIN)/python tools/helm.py 4 template tidemill helm/tidemill --namespace kubeflow --skip-tests \
		--api-versions serving.kserve.io/v1alpha1/ClusterServingRuntime > build/tidemill.yaml
	@echo "wrote build/tidemill.yaml; kubectl apply --server-side -f build/tidemill.yaml"

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
