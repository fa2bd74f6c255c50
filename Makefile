# Everything runs in .venv, which is made when it is first needed; nothing but
# Python 3.11 or newer and make has to be there.
#
#   make demo                 from an event to CSV and JSON, on real services
#   make test ARGS="-k spool" the suite, against the built wheel
#   make check                all that CI looks at
#   make docs                 these pages as a site, in docs/_build/html
#   make notebooks            run examples/*.py anew, and keep what they show
#   make bench ONLY=kafka     how fast, beside peers and bare drivers
#   make bench-full           the same with up to 10⁷ events, for hours
#   make fuzz ARGS="url --seconds 600"   texts that break a promise
#   make hammer ROUNDS=1000   kills, cuts and outages, and what they cost
#   make soak ARGS="--seconds 86400"   one process among faults, for long
#   make mutants ARGS="--sample 50"   mistakes that no test notices

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
ARGS   ?=
ROUNDS ?= 20
ONLY   ?=

SOURCES := pyproject.toml README.md $(shell find auditlog -type f -not -name '*.pyc')
# What the suite needs, except for the package itself: that is the wheel's.
SUITE   := $(wildcard tests docs examples benchmarks conftest.py *.md LICENSE pyproject.toml)

.PHONY: demo test check lint types layers docs notebooks bench bench-full fuzz hammer soak mutants clean
.NOTPARALLEL:

demo: $(VENV)/services
	@$(BIN)/python -P -m auditlog demo $(ARGS)

test: $(VENV)/services $(VENV)/group-tests
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	cp -R $(SUITE) "$$folder" && pytest=$$PWD/$(BIN)/pytest && \
	cd "$$folder" && "$$pytest" $(ARGS)

check: lint types layers docs test

lint: $(VENV)/group-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/services $(VENV)/group-tests $(VENV)/group-typing
	$(BIN)/mypy

layers: $(VENV)/services $(VENV)/group-lint
	$(BIN)/lint-imports

docs: $(VENV)/services $(VENV)/group-docs
	$(BIN)/sphinx-build --nitpicky --fail-on-warning --quiet docs docs/_build/html

# One contest changes no page; all of them do.
bench: $(VENV)/services $(VENV)/group-bench
	$(BIN)/python benchmarks --publish $(if $(ONLY),--only $(ONLY)) $(ARGS)

bench-full: $(VENV)/services $(VENV)/group-bench
	$(BIN)/python benchmarks --full $(if $(ONLY),--only $(ONLY)) $(ARGS)

notebooks: $(VENV)/services $(VENV)/group-tests
	$(BIN)/python examples/with_services.py $(BIN)/python -m tests.notebooks $(ARGS)

fuzz: $(VENV)/services $(VENV)/group-fuzz
	$(BIN)/python -m tests.fuzz $(ARGS)

hammer: $(VENV)/services $(VENV)/group-tests
	$(BIN)/python -m tests.hammer --rounds $(ROUNDS) $(ARGS)

soak: $(VENV)/services $(VENV)/group-tests
	$(BIN)/python -m tests.soak $(ARGS)

# In the package's own folder: the mutants stand in for what is installed.
mutants: $(VENV)/services $(VENV)/group-mutation
	nice -n 10 $(BIN)/python -m tests.mutants $(ARGS)

clean:
	rm -rf $(VENV) build mutants docs/_build

# The files below say by their age what is installed.

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("auditlog needs Python 3.11 or newer; try make PYTHON=python3.13")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade "pip>=25.1"
	@touch $@

$(VENV)/wheel: $(SOURCES) | $(VENV)/python
	@rm -rf build/wheel
	$(PIP) wheel --no-deps --wheel-dir build/wheel .
	$(PIP) install --force-reinstall --no-deps build/wheel/*.whl
	@touch $@

$(VENV)/services: pyproject.toml | $(VENV)/wheel
	$(PIP) install "$$(echo build/wheel/*.whl)[services]"
	@touch $@

$(VENV)/group-%: pyproject.toml | $(VENV)/python
	$(PIP) install --group $*
	@touch $@
