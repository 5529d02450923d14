# make test   sets everything up on a fresh machine and runs every check and test
# make demo   sets up what a user needs and segments the example pictures into out/
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: test demo check format clean

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2
	bash tools/check.sh

check: $(VENV)/.test
	bash tools/check.sh

format: $(VENV)/.test
	$(BIN)/ruff format src tests tools benchmarks
	$(BIN)/ruff check --fix src tests tools benchmarks

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py out

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch is named first and exactly, so that pip takes the CPU build and nothing pulls another one.
$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(PIP) torch==2.13.0
	$(PIP) -e ".[all,test,lint]"
	$(PIP) --no-deps segment-anything==1.0 mobilesam-mirror==1.0.0 open-clip-torch==3.3.0
	touch $@ $(VENV)/.demo

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) -e .
	touch $@

clean:
	rm -rf $(VENV) out
