# One machine: install, run, test. Every target does what it needs first; a second start takes seconds.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.SUFFIXES:

# Without bytecode every start costs five times as much.
unexport PYTHONDONTWRITEBYTECODE
# requests would prefer it to the file of the local authority.
unexport CURL_CA_BUNDLE

VENV := .venv
IN := $(VENV)/bin
PIP := $(IN)/python -m pip --disable-pip-version-check install --quiet --require-hashes
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard shared/texts/locale/*/LC_MESSAGES/*.po))
AZURITE := .run/azurite/node_modules/.package-lock.json

TENANT ?= 11111111-1111-4111-8111-111111111111
GROUP ?= office
LOCATION ?= 2nd floor
COUNT ?= 1
# More than cores: a test waits for Azurite, browsers and sockets half of its time.
WORKERS ?= 4

.PHONY: help install test-install run test lint demo ticket texts pictures pins clean package proof bench bench-cold infra-check

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/installed $(AZURITE) $(CATALOGUES) ## the environment in .venv, Azurite in .run/azurite (the others do it themselves)

run: install ## the whole service here: app, emulated Microsoft, storage, virtual printer; Ctrl-C ends it
	@exec $(IN)/python -m local

test: test-install ## every test; ARGS="tests/local -k azurite" for some of them, WORKERS=0 for one process
	$(IN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(VENV)/installed-test ## ruff, mypy and the import contracts, as the tests demand them
	$(IN)/ruff check .
	$(IN)/ruff format --check .
	$(IN)/mypy
	$(IN)/lint-imports

demo: install ## one scan from press to mailbox, watched; FILE=scan.pdf sends yours, HOST=functions uses Microsoft's worker
	@exec $(IN)/python -m local.demo $(if $(FILE),--file "$(FILE)") $(if $(HOST),--host "$(HOST)")

ticket: install ## a line that enrols a printer while `make run` runs; TENANT= GROUP= LOCATION= COUNT=
	@$(IN)/python -m local.ticket --tenant "$(TENANT)" --group "$(GROUP)" --location "$(LOCATION)" --count "$(COUNT)"

texts: $(VENV)/installed ## collect the texts of the source into every language's catalogue (docs/translating.md)
	@mkdir -p .run
	$(IN)/pybabel --quiet extract --mapping-file shared/texts/babel.cfg --keywords say --add-location file --sort-by-file --width 120 \
	  --output-file .run/messages.pot shared functions
	$(IN)/pybabel --quiet update --input-file .run/messages.pot --output-dir shared/texts/locale --no-fuzzy-matching --ignore-obsolete \
	  --ignore-pot-creation-date --width 120

pictures: test-install ## a picture of every page at three widths in .run/pictures, and sheets of them; LANGUAGES="en be" PAGES=console
	@$(IN)/python -m local.picture_pages .run/pictures $(PAGES) --languages $(or $(LANGUAGES),en be)

package: $(VENV)/installed ## what is deployed, in .run/package: zip, hash, bill of materials; TWICE=1 proves that two builds are equal
	@$(IN)/python -m infra.package $(if $(TWICE),--twice)

proof: test-install ## all proofs in full, each bounded in time: crashes, storage, histories, soak, fuzzing, mutations; PARTS="crash soak" for some
	@$(IN)/python -m bench.proof $(PARTS)

bench: test-install $(if $(filter cold,$(or $(PARTS),cold)),package) .run/bench/installed ## everything measured beside its floors, into docs/performance.md; QUICK=1, PARTS="deliver smtp"
	@PYTHONPATH=clients/python/src $(IN)/python -m bench $(if $(QUICK),--quick) $(PARTS)

bench-cold: package $(AZURITE) ## cold start of every door in Microsoft's worker, against a FastAPI app of one route; ROUNDS=5
	@$(IN)/python -m bench.cold --rounds $(or $(ROUNDS),5)

infra-check: .run/infra/installed $(if $(ALL),.run/checkov/installed) ## the Bicep files against Microsoft's own models and our own rules, with planted mistakes; ALL=1 asks checkov's policies too
	@.run/infra/bin/python -m infra.check
	@$(if $(ALL),.run/infra/bin/python -m infra.policies)

# uv resolves for every supported Python and platform at once, which pip does not.
UV := .run/uv/bin/uv pip compile --quiet --native-tls --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-header
pins: $(IN)/python ## pin the newest of everything again, with hashes; UPGRADE= keeps what need not change
	$(IN)/python -m venv --clear .run/uv
	.run/uv/bin/python -m pip --disable-pip-version-check install --quiet uv
	$(UV) $(UPGRADE) pyproject.toml -o requirements.txt
	$(UV) $(UPGRADE) --group local -c requirements.txt -o local/requirements.txt
	$(UV) $(UPGRADE) --group test -c requirements.txt -c local/requirements.txt -o tests/requirements.txt
	rm -rf .run/uv
UPGRADE ?= --upgrade

clean: ## forget this machine's state (mailboxes, keys, storage) and caches; rm -rf .venv .run forgets the rest
	rm -rf .run/app .run/log .run/printer .run/storage .run/tls .run/microsoft
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

# ---- what the targets above stand on ----

test-install: install $(VENV)/installed-test
	@$(IN)/python -m local.chromium

# PYTHON where it is given, else the newest that runs: one on PATH may be a pyenv shim that only says it is not selected.
$(IN)/python:
	@for version in 3.13 3.12 3.11; do \
	  for candidate in $(or $(PYTHON),"python$$version" "$$HOME/.pyenv/versions/$$version"*/bin/python python3); do \
	    "$$candidate" -c "import sys, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" 2>/dev/null || continue; \
	    echo "Python $$version: $$candidate"; \
	    "$$candidate" -m venv $(VENV); exit 0; \
	  done; \
	done; \
	echo "No Python 3.11, 3.12 or 3.13 with venv and ensurepip was found (Debian: apt-get install python3-venv)." >&2; \
	echo "Name one: make PYTHON=/path/to/python" >&2; exit 1

$(VENV)/installed: requirements.txt local/requirements.txt | $(IN)/python
	$(PIP) -r requirements.txt -r local/requirements.txt
	@touch $@

$(VENV)/installed-test: requirements.txt local/requirements.txt tests/requirements.txt | $(VENV)/installed
	$(PIP) -r requirements.txt -r local/requirements.txt -r tests/requirements.txt
	@touch $@

$(AZURITE): local/azurite/package.json local/azurite/package-lock.json | $(VENV)/installed
	$(IN)/python -m local.azurite
	@touch $@

.run/infra/installed: infra/requirements.txt | $(IN)/python
	@$(IN)/python -m venv .run/infra
	@.run/infra/bin/python -m pip --disable-pip-version-check install --quiet -r infra/requirements.txt
	@touch $@

.run/checkov/installed: infra/requirements-checkov.txt | $(IN)/python
	@$(IN)/python -m venv .run/checkov
	@.run/checkov/bin/python -m pip --disable-pip-version-check install --quiet -r infra/requirements-checkov.txt
	@touch $@

# What is measured beside us, and what draws: in an environment of their own.
.run/bench/installed: bench/requirements.txt | $(IN)/python
	@$(IN)/python -m venv .run/bench
	@.run/bench/bin/python -m pip --disable-pip-version-check install --quiet -r bench/requirements.txt
	@touch $@

%.mo: %.po | $(VENV)/installed
	$(IN)/pybabel --quiet compile --input-file $< --output-file $@
