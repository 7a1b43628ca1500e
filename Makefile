# Two commands do all the set-up: `make demo` and `make test`. `make stress` runs the tests
# that `make test` leaves out: killed training, thousands of mutated files, slow ones.
# On Linux, plain torch brings gigabytes of CUDA. For the CPU build elsewhere than on a
# machine that has its wheel, add: TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
# pip would compile all modules one after the other, most of which are never imported: 80 of
# 130 seconds. Python compiles what it imports, and keeps it unless it is told not to.
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile \
	--constraint constraints.txt
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test stress lint docs site-check wheel lowest bench experiments clean install

demo: $(INSTALLED)
	$(BIN)/skcluster demo $(ARGS)

PYTEST = OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 MPLBACKEND=Agg \
	$(BIN)/python -m pytest --numprocesses auto

test: $(INSTALLED)
	$(PYTEST) --dist worksteal $(ARGS)

stress: $(INSTALLED)
	$(PYTEST) --dist load -m "fuzz or kill or slow" tests $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(INSTALLED)
	$(BIN)/sphinx-build -W --keep-going -q -j auto -b html docs docs/_build/html
	$(BIN)/python docs/site_check.py docs/_build/html
	@echo "Open docs/_build/html/index.html"

# Opens the built site in headless Chromium, if there is one (apt-get install chromium).
site-check: docs
	$(BIN)/python docs/site_check.py docs/_build/html --browser

# Builds sdist and wheel, and tests the wheel in an environment without the checkout.
wheel: $(INSTALLED)
	$(BIN)/python .ci/check_distribution.py

# Runs the suite, or what ARGS says, with the lowest versions that pyproject.toml declares
# (but for torch). A Python newer than 3.12 lacks wheels of some of them: make lowest
# PYTHON=python3.11 VENV=.venv-3.11
LOWEST = .venv-lowest
lowest: $(INSTALLED)
	$(BIN)/python .ci/lowest_versions.py $(LOWEST)
	OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 MPLBACKEND=Agg \
		$(LOWEST)/bin/python -m pytest --numprocesses auto --dist worksteal \
		-W ignore::DeprecationWarning $(ARGS)

bench: $(INSTALLED)
	$(BIN)/python benchmarks/bench_maps.py
	$(BIN)/python benchmarks/bench_maps.py --survey 100000
	$(BIN)/python benchmarks/bench_sample.py
	$(BIN)/python benchmarks/bench_mock.py
	$(BIN)/python benchmarks/bench_training.py
	$(BIN)/python benchmarks/bench_phase_space.py
	$(BIN)/python benchmarks/bench_joint.py
	$(BIN)/python benchmarks/bench_joint.py --memory 20000
	$(BIN)/python benchmarks/bench_saliency.py
	$(BIN)/python benchmarks/bench_morphology.py
	$(BIN)/python benchmarks/bench_photon_features.py
	$(BIN)/python benchmarks/bench_startup.py
	$(BIN)/python benchmarks/bench_catalog.py

experiments: $(INSTALLED)
	$(BIN)/python experiments/magneticum_scatter.py --skip-missing

clean:
	rm -rf $(VENV) $(LOWEST) docs/_build docs/gallery docs/generated

# Installs again only when what is to be installed has changed (its text, not its date, which
# a checkout changes, too), so later calls work offline.
$(INSTALLED): pyproject.toml constraints.txt
	@if cat $^ | cmp -s - $@; then touch $@; else $(MAKE) --no-print-directory install; fi

install:
	@echo "Installing into $(VENV): a few minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(PIP) --index-url $(TORCH_INDEX) torch)
	$(PIP) --editable ".[dev]"
	@cat pyproject.toml constraints.txt > $(INSTALLED)
