# Two commands do everything: `make demo` runs the main job on the demo study, `make test` runs the tests.
# Both set up their own virtual environment first and can be repeated.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
STUDY ?= demo-study

export DO_NOT_TRACK := 1

.PHONY: demo test unit lint bench lock clean

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(VENV)/.installed
	$(PY) -m flows.cli init --demo $(STUDY)
	$(PY) -m flows.cli refresh $(STUDY)

test: $(VENV)/.installed
	$(PY) -m pytest -n auto --dist loadfile

unit: $(VENV)/.installed
	$(PY) -m pytest tests/unit tests/golden

lint: $(VENV)/.installed
	$(PY) -m ruff check .
	$(PY) -m mypy

bench: $(VENV)/.installed
	$(PY) -m benchmarks
	$(PY) -m benchmarks.kernels
	$(PY) -m benchmarks.outcomes

# The lock names versions and hashes, never where they come from.
lock: $(VENV)/.installed
	$(PY) -m pip install --quiet uv
	$(PY) -m uv pip compile pyproject.toml --extra dev --extra dask --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --no-emit-find-links -o requirements.lock

clean:
	rm -rf $(VENV) $(STUDY)
