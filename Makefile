# The daily work. `make` alone shows what there is. Every target sets up what it needs.

.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
PEERS := .venv-peers
CLIENTS := .venv-databricks

# The first Python of 3.11 or later on this machine.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help demo test check lint types imports unit clients docs bench format clean

help: ## show this
	@printf 'Ziggurat\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## run the lab on this machine, no key needed
	@$(BIN)/ziggurat demo

test: check unit ## everything a change must pass: checks, then all tests

check: lint types imports ## lint, types, import contracts

lint: $(VENV)/.dev ## ruff, formatting included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

imports: $(VENV)/.dev ## imports run one way
	$(BIN)/lint-imports

unit: $(VENV)/.dev $(CLIENTS)/.ready ## all tests, docs examples included; one file: make unit T=tests/unit/test_cli.py
	$(BIN)/pytest $(if $(T),$(T),-n 2 --dist loadfile)

clients: $(CLIENTS)/.ready ## databricks-langchain and its relatives, in an environment of their own

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev $(PEERS)/.ready ## measure against the peers, side by side
	@for one in orchestration durability streaming mapping building; do \
		$(BIN)/python benchmarks/$$one.py --peers-python $(PEERS)/bin/python || exit 1; done
	$(BIN)/python benchmarks/embedding.py --peers-python $(PEERS)/bin/python
	$(BIN)/python benchmarks/index.py
	$(BIN)/python benchmarks/million.py
	$(BIN)/python benchmarks/ingest.py --peers-python $(PEERS)/bin/python
	$(BIN)/python benchmarks/knowledge.py
	$(BIN)/python benchmarks/text_to_sql.py
	$(BIN)/python benchmarks/extraction.py
	$(BIN)/python benchmarks/summaries.py
	$(BIN)/python benchmarks/faults.py
	$(BIN)/python benchmarks/batch.py
	$(BIN)/python benchmarks/kills.py
	$(BIN)/python benchmarks/leases.py
	$(BIN)/python benchmarks/spark_index.py
	$(BIN)/python benchmarks/tables.py --peers-python $(PEERS)/bin/python

clean: ## remove what the targets made; downloaded models stay
	rm -rf $(VENV) $(PEERS) $(CLIENTS) demo-output .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# -- set-up ---------------------------------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Ziggurat needs Python 3.11 or later, and none is on this machine."; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
		$(call install-system,python3-venv,the venv module of Python) && $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install -q --upgrade pip

$(VENV)/.runtime: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing Ziggurat into $(VENV)"
	@$(BIN)/python -m pip install -q --prefer-binary -c constraints.txt -e ".[laptop,openai,providers]"
	@ldconfig -p 2>/dev/null | grep -q libgomp.so.1 || [ "$$(uname)" != Linux ] || \
		{ $(call install-system,libgomp1,the OpenMP library that the local models run on); }
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing the tools for development"
	@$(BIN)/python -m pip install -q --prefer-binary -c constraints.txt -e ".[laptop,openai,providers,sources,stores,tools,huggingface,transformers,databricks,mlflow,spark]" --group dev
	@command -v redis-server >/dev/null || { $(call install-system,redis-server,the Redis server that the tests start); }
	@command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || { $(call install-system,mariadb-server,the MariaDB server that the tests start); }
	@touch $@

$(PEERS)/.ready: constraints-peers.txt
	@echo "installing the peers for comparison into $(PEERS)"
	@$(PYTHON) -m venv $(PEERS) && $(PEERS)/bin/python -m pip install -q --upgrade pip
	@$(PEERS)/bin/python -m pip install -q torch==2.13.0
	@$(PEERS)/bin/python -m pip install -q -r constraints-peers.txt
	@touch $@

$(CLIENTS)/.ready: constraints-databricks.txt
	@echo "installing the clients of Databricks into $(CLIENTS)"
	@$(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip install -q --no-deps --prefer-binary -r constraints-databricks.txt
	@touch $@

# install-system(PACKAGE,WHAT): with apt-get where there is one and we may, else one clear line.
define install-system
if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	apt-get update -qq && apt-get install -y -qq $(1) >/dev/null; \
else echo "This machine lacks $(2): install the system package $(1), then run make again."; exit 1; fi
endef
