# make test   sets everything up on a fresh machine and runs every check and test
# make studio builds the studio (web/) into the package; make test-studio tests its parts, make test-browser plays it in a real browser
# make test-guard plays only those scenarios that guard people's work; make test ends with them where Chromium is or can be installed
# make fuzz   sends mutants of the files in tests/corpus through every reader, for a minute of CPU time
# make wheel  builds dist/promptseg-*.whl with the studio inside
# make docs   builds the site of the documentation into site/, to be opened from there
# make demo   sets up what a user needs and segments the example pictures into out/
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDIO := src/promptseg/server/static/index.html
CHROMIUM_IS_THERE = bash tools/require.sh "$${CHROMIUM:-chromium}" chromium
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: fuzz test test-speech ready demo check format clean studio test-studio test-browser test-guard wheel docs

# Packages come over the network while the studio is built: side by side.
test:
	$(MAKE) --no-print-directory --jobs=2 --output-sync ready
	$(BIN)/python -m pytest -n 2 --dist worksteal
	bash tools/check.sh
	@if $(CHROMIUM_IS_THERE); then $(MAKE) --no-print-directory test-guard; \
	else echo "The scenarios of the studio (make test-guard) were left out: there is no Chromium to play them in."; fi

ready: $(VENV)/.test test-studio

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

studio: $(STUDIO)

$(STUDIO): web/node_modules/.done web/index.html web/openapi.json $(wildcard web/*.ts web/*.mjs) $(shell find web/src web/public -type f ! -name openapi.ts)
	cd web && npm run --silent build

web/node_modules/.done: web/package.json web/package-lock.json
	bash tools/require.sh node nodejs
	bash tools/require.sh npm
	cd web && npm ci --loglevel=error
	touch $@

test-studio: studio
	cd web && npm run --silent check && npm run --silent test

# The scenarios in a real browser take minutes more: a command of their own.
test-browser: $(VENV)/.test studio
	$(CHROMIUM_IS_THERE)
	$(BIN)/python -m pytest web/e2e

test-guard: $(VENV)/.test studio
	$(CHROMIUM_IS_THERE)
	$(BIN)/python -m pytest -n 2 web/e2e/test_guard.py

# Whisper's weights are 145 MB: a command of its own.
test-speech: $(VENV)/.test build/whisper-base/model.bin
	bash tools/require.sh espeak-ng
	PROMPTSEG_TEST_WHISPER=build/whisper-base $(BIN)/python -m pytest tests/speech

build/whisper-base/model.bin: | $(BIN)/python
	$(BIN)/python tools/fetch_whisper.py build/whisper-base

fuzz: $(VENV)/.test
	$(BIN)/python tools/fuzz.py --seconds 60 --seed $${SEED:-0}

wheel: studio | $(BIN)/python
	rm -f dist/promptseg-*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

docs: $(VENV)/.docs
	$(BIN)/python tools/stage_docs.py build/docs
	$(BIN)/zensical build --clean --strict

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build dist out site web/node_modules src/promptseg/server/static
