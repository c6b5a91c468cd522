# The Python that makes the virtual environment: make install PYTHON=python3.12
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
PY = $(VENV)/bin/python
STAMP = $(VENV)/.installed

# What `make demo` trains, compares and transcribes with.
SEED = 1234
RUN1 = runs/conformer_summarymixing/$(SEED)
RUN2 = runs/conformer_mhsa/$(SEED)
CORPUS = data/synthetic-librispeech
# Looked up when the recipe runs, which makes the corpus first.
SAMPLE = $$(find $(CORPUS)/test-clean -name '*.flac' | sort | head -n 1)

.PHONY: install test test-fast lint demo clean

install: $(STAMP)

$(STAMP): requirements.txt requirements-dev.txt pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -r requirements.txt -r requirements-dev.txt
	$(PY) -m pip install -e . --no-deps
	touch $@

# A worker a core; the files that share a trained run go to one of them (conftest.py).
WORKERS ?= auto

test: install
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup

test-fast: install
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup -m "not slow"

lint: install
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m yamllint --strict .

# Both trainings at once, each with half of the cores: small batches gain little from a second thread.
demo: install
	$(PY) tools/make_corpus.py librispeech $(CORPUS) --minutes 250 --seed 1234
	@mkdir -p $(dir $(RUN2)); echo "$(RUN2) is trained at the same time; its output goes to $(RUN2).txt"
	@export OMP_NUM_THREADS=$$(( ($$(getconf _NPROCESSORS_ONLN) + 1) / 2 )); \
	$(PY) train.py hparams/conformer_mhsa.yaml --seed $(SEED) > $(RUN2).txt 2>&1 & other=$$!; \
	trap 'kill $$other 2> /dev/null' EXIT; \
	$(PY) train.py hparams/conformer_summarymixing.yaml --seed $(SEED) && \
	{ wait $$other || { tail -n 3 $(RUN2).txt; exit 1; }; } && tail -n 2 $(RUN2).txt
	$(PY) tools/compare.py $(RUN1) $(RUN2)
	$(PY) tools/transcribe.py $(RUN1) "$(SAMPLE)"
	$(PY) tools/transcribe.py $(RUN1) "$(SAMPLE)" --stream --chunk-ms 640

# Runs and data are kept: they are work, not build products.
clean:
	rm -rf .pytest_cache .ruff_cache build *.egg-info
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
