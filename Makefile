# Thin on purpose: every target is one command, and the work is in hack/. Python 3.11 or newer is all that must be there.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
ifeq ($(PYTHON),)
$(error vpp-operator needs Python 3.11 or newer, and none of python3, python3.13, python3.12, python3.11 is that; install one or name it: make PYTHON=/path/to/python3)
endif
export PYTHONDONTWRITEBYTECODE := 1
IN_VENV := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test check up down images bench chaos generate venv

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

demo: ## from nothing to a living digital twin on a real cluster (VPP_DATA=FOLDER for real profiles, CONTEXT= for your cluster)
	@$(PYTHON) hack/demo.py

test: ## every test, with the cluster, images and packages they need
	@$(PYTHON) hack/run_tests.py

check: venv ## format, lint, types, imports, generated files, unit and contract tests: under two minutes
	@$(PYTHON) hack/run_tests.py --check

up: ## start the local cluster
	@$(PYTHON) hack/cluster.py up

down: ## stop the local cluster and leave nothing behind
	@$(PYTHON) hack/cluster.py down

images: ## build the container images and bring them to the cluster
	@$(PYTHON) hack/images.py load

bench: venv ## benchmarks, NAME=x for one (ARGS= for its options); results in out/bench
	@$(IN_VENV) hack/bench.py $(NAME) $(ARGS)

chaos: venv ## a plant through faults of every kind, about half an hour; out/chaos.json
	@$(PYTHON) hack/chaos.py

generate: venv ## make the generated files anew: CRDs, API reference, chart copies
	@$(IN_VENV) hack/generate.py

venv: ## .venv, the development environment, from the hashed lock
	@$(PYTHON) hack/make_venv.py
