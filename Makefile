# Needs only python3 (with venv and pip), git and make: every target first makes the environment
# it runs in.  Options for a command go in ARGS, options for pytest in PYTEST_ARGS:
#   make reproduce ARGS=--help        make test PYTEST_ARGS="-k gating -x"
# Tests run in JOBS processes, whole files in each (pages, in the browser).

ARGS ?=
PYTEST_ARGS ?=
JOBS ?= 2
PYTHON := .venv/bin/python
CHAPTER := notebooks/01_neuron.ipynb
AT_ONCE = $(if $(PYTEST_ARGS),,-n $(JOBS) --dist loadfile)
EXTRAS := lava book lab distributed nir dev

# Bytecode saves seconds at each start, and nothing outside the environment may leak in.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME

# Lava exists for Python 3.10 only.  Browser tests have a target of their own.
NO_LAVA = $(shell $(PYTHON) -c "import sys; print(' and not lava' * (sys.version_info >= (3, 11)))")

# Tests of the example in C and of the core in Verilog, where what they need is not installed.
NO_TOOLS = $(shell command -v cc >/dev/null || echo " and not cc") \
           $(shell (command -v iverilog && command -v verilator) >/dev/null || echo " and not rtl")

# Every target that has a description below.
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(MAKEFILE_LIST))

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile

env: .venv/.ready  ## make .venv, with the command .venv/bin/sbp

.venv/.ready: pyproject.toml requirements.txt tools/env.sh
	@sh tools/env.sh .venv reference
	@touch $@

.venv-newest/.ready: pyproject.toml requirements.txt tools/env.sh
	@sh tools/env.sh .venv-newest newest
	@touch $@

.venv-lowest/.ready: pyproject.toml tools/env.sh
	@sh tools/env.sh .venv-lowest lowest
	@touch $@

reproduce: env  ## the main job: train, and print published next to measured
	.venv/bin/sbp reproduce $(ARGS)

prose: env  ## bring the numbers in README, book and chapters up to date with results/
	$(PYTHON) tools/prose.py $(ARGS)

reproduce-paper: env  ## the same at the paper's sizes, beside the committed results, compared
	.venv/bin/sbp reproduce --preset paper --compare $(ARGS)

lab: env  ## open the first chapter in JupyterLab
	.venv/bin/jupytext --quiet --sync notebooks/*.py
	.venv/bin/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/$(CHAPTER) \
	    $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

test: env  ## run all tests but the browser's
	$(PYTHON) -m pytest $(AT_ONCE) -m "not browser and not parameters$(NO_LAVA)$(NO_TOOLS)" \
	    $(PYTEST_ARGS)

coverage: env  ## run the tests and say which lines they run: htmlcov/index.html
	$(PYTHON) -m pytest -m "not browser and not parameters$(NO_LAVA)$(NO_TOOLS)" --cov \
	    --cov-report=term --cov-report=html $(PYTEST_ARGS)

shapes: env  ## the tests of the core, with every array held to the shape in its type
	SBP_SHAPES=1 $(PYTHON) -m pytest $(AT_ONCE) -m "not browser and not slow and not book" $(PYTEST_ARGS)

kill-points: env  ## kill every writing command at each of its writes, and let each write fail
	SBP_KILL_EVERY=1 $(PYTHON) -m pytest tests/test_kill_points.py $(PYTEST_ARGS)

mutations: env  ## damage every kind of file that is read, a thousand times each (ten minutes)
	SBP_MUTATIONS=1000 $(PYTHON) -m pytest tests/test_mutations.py $(PYTEST_ARGS)

test-newest: .venv-newest/.ready  ## the tests without Lava and the book, on the newest Python found
	.venv-newest/bin/python -m pytest $(AT_ONCE) -m "not browser and not lava and not book$(NO_TOOLS)" \
	    $(PYTEST_ARGS)

test-lowest: .venv-lowest/.ready  ## the same with the oldest packages that pyproject.toml allows
	.venv-lowest/bin/python -m pytest $(AT_ONCE) -m "not browser and not lava and not book and not slow" \
	    --ignore-glob="tests/test_lava*" \
	    $(PYTEST_ARGS)

test-parameters: env  ## run the chapters over the whole ranges of their parameters (half an hour)
	$(PYTHON) -m pytest -m "parameters$(NO_LAVA)" $(PYTEST_ARGS)

test-browser: book  ## tests of the built book in an installed Chromium
	$(PYTHON) -m pytest $(AT_ONCE:loadfile=load) -m browser $(PYTEST_ARGS)

notebooks: env  ## execute the book's notebooks that are not up to date
	$(PYTHON) tools/book.py notebooks $(ARGS)

book: notebooks  ## build the book: _build/html/index.html
	$(PYTHON) tools/book.py html

lint: env  ## check style, formatting and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-logo
	.venv/bin/mypy
	.venv/bin/mypy --platform win32
	.venv/bin/mypy --platform darwin

lint-lab: lab/node_modules/.ready  ## check the JavaScript: types, style and its tests (needs Node)
	cd lab && npm run --silent check

lab/node_modules/.ready: lab/package.json lab/package-lock.json lab/.npmrc
	cd lab && npm ci --silent --no-audit --no-fund
	@touch $@

format: env  ## format the code and mend what ruff can mend
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: env  ## time the engines
	$(PYTHON) -m benchmarks $(ARGS)

mutants: env  ## build small mistakes into the engines, and see whether a test notices each
	$(PYTHON) tools/mutants.py $(ARGS)

interop: env  ## run the exported network in five simulators of others (downloads several GB)
	$(PYTHON) tools/interop.py $(ARGS)

witnesses: env  ## run the golden traces in simulators of others (ARGS=--short; downloads 1 GB)
	$(PYTHON) tools/witnesses.py $(ARGS)

cost: env  ## energy and latency on a public model of the chip (downloads 40 MB)
	$(PYTHON) tools/cost.py $(ARGS)

faults: env  ## which wrong rule does each golden trace see?
	$(PYTHON) tools/faults.py $(ARGS)

rtl: env  ## replay the golden traces on the core in Verilog (ARGS=--help for the whole size)
	$(PYTHON) tools/rtl.py $(ARGS)

requirements: env  ## bring the pins and hashes of requirements.txt up to date (ARGS=--upgrade)
	.boot/bin/uv pip compile pyproject.toml $(EXTRAS:%=--extra %) --quiet --output-file \
	    requirements.txt --universal --python-version 3.10 --generate-hashes --no-emit-index-url \
	    --no-annotate --custom-compile-command "make requirements" $(ARGS)

clean:  ## remove what was built, and caches
	rm -rf _build build dist notebooks/*.ipynb notebooks/.ipynb_checkpoints .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -path './.venv*' -prune -o -path ./.boot -prune -o -path ./lab/node_modules -prune -o -name __pycache__ \
	    -exec rm -rf {} +

distclean: clean  ## remove the environments too
	rm -rf .boot .boot.log .venv .venv-newest .venv-lowest lab/node_modules
