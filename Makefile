# The tasks that people, the commit hook and CI share. The first one makes .venv.
SHELL := bash
PYTHON ?= python3.11 python3.12 python3
BIN := .venv/bin
CODE := $(wildcard churn cli steps pipelines materializers stacks seldon vault monitoring tests benchmarks)
LOCK := $(BIN)/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes \
	--only-binary :all: --no-annotate --no-header
unexport PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup services demo demo-clean test test-demo test-slow test-spark test-seldon test-k8s check format lock pictures

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Make .venv from the locked requirements (every other task does it too)

.venv/.ready: requirements/install requirements/dev.lock pyproject.toml
	@PYTHON="$(PYTHON)" requirements/install

services: ## Install what tests and benchmarks need from Debian's packages: Chromium, wrk, Prometheus
	@requirements/services

demo: setup .venv-serving/.ready ## Real data to models behind an API: ingest, train, promote, canary; SOURCE=online_retail, DATA=its folder, ASK=1
	@$(BIN)/churn demo $(if $(SOURCE),--source "$(SOURCE)") $(if $(DATA),--data "$(DATA)") $(if $(ASK),--ask)

demo-clean: ## Stop what the demo started and remove what it made
	@if [ -x $(BIN)/churn ]; then $(BIN)/churn demo --clean; else rm -rf .churn .zen; fi

test: setup .venv-serving/.ready ## Run the tests, two at a time
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not spark and not stock and not kube and not demo" $(ARGS)

test-demo: setup .venv-serving/.ready ## Run the whole demo, of four hours taken one by one, and hold it to what it says
	@$(BIN)/pytest -m demo tests/cli/test_whole_demo.py $(ARGS)

test-slow: setup .venv-serving/.ready ## Run the long suites: crashes at random points, simulated years
	@$(BIN)/pytest -m slow $(ARGS)

test-spark: setup .venv-spark/.ready ## Run the dbt project on Spark and compare it with DuckDB; needs Java 17
	@CHURN_REQUIRE_SERVICES=1 $(BIN)/pytest -m spark $(ARGS)

test-seldon: setup .venv-serving/.ready .venv-seldon/.ready ## Hold the stock seldon-core microservice and real clients against the prediction server
	@CHURN_REQUIRE_SERVICES=1 $(BIN)/pytest -m stock $(ARGS)

# A cluster that is down is started, and ended again afterwards.
KUBE ?= $(firstword $(wildcard ../shared/kube/kube))
test-k8s: setup ## Deploy and roll out on a real Kubernetes; needs root on Debian 12, KUBE names the tool that makes a cluster
	@if [ -z "$(KUBE)" ]; then echo "churn: no ../shared/kube/kube here; name the tool that runs a cluster: make test-k8s KUBE=…/kube" >&2; exit 2; fi
	@command -v prometheus >/dev/null || { echo "churn: no prometheus here; make services" >&2; exit 2; }
	@started=; case "$$($(KUBE) status)" in *"up; "*) ;; *) $(KUBE) up && started=1 ;; esac; \
	trap '[ -z "$$started" ] || $(KUBE) down' EXIT; \
	$(KUBE) build registry.test:5000/churn/serving:test . -f deploy/serving/Dockerfile >/dev/null && \
	CHURN_REQUIRE_SERVICES=1 $(KUBE) run -- $(BIN)/pytest -m kube tests/kube $(ARGS)

# pyspark comes as source only; what builds it is locked with the rest.
.venv-spark/.ready: requirements/spark.lock | setup
	@echo "churn: making .venv-spark, about a minute the first time" >&2
	@$(BIN)/uv --quiet venv --clear --python $(BIN)/python .venv-spark
	@$(BIN)/uv --quiet pip sync --python .venv-spark/bin/python --require-hashes \
		--build-constraints requirements/spark.lock requirements/spark.lock
	@touch $@

# Serving has an environment of its own, so that nothing which trains can slip into it. Whoever comes second waits.
.venv-serving/.ready: requirements/serving.lock | setup
	@if command -v flock >/dev/null; then exec 9<$<; flock 9; fi; \
	if [ $@ -nt $< ]; then exit 0; fi; \
	$(BIN)/uv --quiet venv --clear --python $(BIN)/python .venv-serving && \
	$(BIN)/uv --quiet pip sync --python .venv-serving/bin/python --require-hashes --compile-bytecode $< && \
	touch $@

# Four libraries of tracing come as source only; what builds them is locked with the rest.
.venv-seldon/.ready: requirements/seldon.lock | setup
	@$(BIN)/uv --quiet venv --clear --python $(BIN)/python .venv-seldon
	@$(BIN)/uv --quiet pip sync --python .venv-seldon/bin/python --require-hashes --compile-bytecode \
		--build-constraints requirements/seldon.lock requirements/seldon.lock
	@touch $@

pictures: setup services .venv-serving/.ready ## Run the demo and take the pictures of docs/images from what it leaves; CHURN_DEMO keeps it in a folder
	@CHURN_PICTURES="$(CURDIR)/docs/images" CHURN_REQUIRE_SERVICES=1 $(BIN)/pytest -q tests/dashboard $(ARGS)

check: setup ## Lint, format, types, layers, and a collection of the tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest --collect-only -qq

format: setup ## Mend what the linter and the formatter can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: setup ## Resolve requirements/*.in again, hashes included
	@$(LOCK) --upgrade requirements/platform.in --output-file requirements/platform.lock
	@$(LOCK) --upgrade requirements/dev.in --output-file requirements/dev.lock
	@$(LOCK) --upgrade requirements/serving.in --output-file requirements/serving.lock
	@$(LOCK) --no-binary pyspark --upgrade requirements/spark.in --output-file requirements/spark.lock
	@$(LOCK) $(addprefix --no-binary ,flask-opentracing opentracing jaeger-client threadloop) --upgrade \
		requirements/seldon.in --output-file requirements/seldon.lock
