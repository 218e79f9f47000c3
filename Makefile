# make book      the whole book, from fresh runs; ARGS="--profile smoke" for other options of `vaelib book`
# make first     its first chapter alone, in minutes; `make book ARGS=--reuse` adds the others
# make test      style, types and tests
# make venv      the Python environment alone; the others make it themselves
# make pictures  bring the README's pictures from the last build
# make clean     remove what the build made; make distclean also the environment

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.made-from-lock
INSTALLED := $(VENV)/.vaelib-installed
ARGS ?=
MEDIA := _build/source/notebooks/media

export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: book first test venv pictures clean distclean

book: venv
	$(BIN)/vaelib book $(ARGS)

# With --reuse, or the runs of a whole book that is here already would be removed.
first: venv
	$(BIN)/vaelib book --chapter 01 --reuse $(ARGS)

test: venv
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

venv: $(INSTALLED)

# Made once, and again from nothing when the lock changes: then it holds what the lock says and nothing else.
$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11, 3.12 or 3.13 is needed; %s is %d.%d. Name another: make PYTHON=python3.12" % (sys.executable, *sys.version_info[:2]))'
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	touch $@

# The version stands in vaelib/__init__.py.
$(INSTALLED): pyproject.toml vaelib/__init__.py $(LOCKED)
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

pictures: $(MEDIA)/overview.png $(MEDIA)/walk.gif
	cp $^ book/images/

$(MEDIA)/%:
	@echo "$@ is missing: make book makes it" >&2; exit 1

clean:
	rm -rf _build

distclean: clean
	rm -rf $(VENV)
