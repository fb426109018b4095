# The verbs of the house. `demo` and `test` are the README's two commands, to the letter.
# The others use the environment that `make test` made.
.DEFAULT_GOAL := help
.PHONY: help demo test check lint types fuzz bench tuned roofline gemm convolutions scaling calls leak memory replay clean
RUN := .venv/bin/python
BASE ?= main

help:  ## list these verbs
	@awk -F': *## ' '/^[a-z]+: *## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo:  ## make an environment, install, train a network on handwritten digits
	python3 -m venv .venv && .venv/bin/python -m pip install --quiet --editable '.[examples]' && .venv/bin/python examples/train_digits.py

test:  ## make an environment, install, run every check and every test
	python3 -m venv .venv && .venv/bin/python -m pip install --quiet --editable '.[dev]' && .venv/bin/python -m tests

check: ## every check but the tests themselves: format, lint, types, layers, sizes
	$(RUN) -m tests format lint types layers sizes

lint:  ## ruff and the import contracts
	$(RUN) -m tests format lint layers

types: ## mypy, strict
	$(RUN) -m tests types

fuzz:  ## 10,000 random programs and their derivatives and batches: interpreter against native code
	$(RUN) -m pytest -m fuzz -o timeout=0 --hypothesis-profile=long

bench: ## compile time, step time and peak memory beside NumPy, torch and JAX
	$(RUN) -m benchmarks

tuned:  ## how close the rules' schedules come to those that a search finds
	$(RUN) -m benchmarks.tuned

roofline: ## how near each workload comes to what the machine can do (make roofline WORKLOADS=FILE.py)
	$(RUN) -m benchmarks.roofline $(if $(WORKLOADS),--workloads $(WORKLOADS))

gemm: ## matrix products beside NumPy's and PyTorch's
	$(RUN) -m benchmarks.gemm

convolutions: ## convolutions and their gradients beside PyTorch's
	$(RUN) -m benchmarks.convolutions

scaling: ## one thread against two; what idle threads take
	$(RUN) -m benchmarks.scaling

calls: ## what a call costs beside its work
	$(RUN) -m benchmarks.calls

leak:  ## resident memory left behind by calls and by compilations, which must be next to none
	$(RUN) -m benchmarks.leak

memory: ## working memory of training steps against its lower bound, and peak memory
	$(RUN) -m benchmarks.memory

replay: ## prove a refactor: every dumped text is the same as at BASE (make replay BASE=main)
	$(RUN) -m tests.replay $(BASE)

clean: ## remove what the other verbs made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf graphc.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
