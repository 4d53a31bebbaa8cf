# On a fresh machine with Python 3.11 and make, everything is installed into .venv:
#   make check  lint, types, unit tests and doctests without the slow ones: under three minutes
#   make test   all tests
#   make book   execute the notebooks and build the book: _build/html/index.html
# Others: make house (rooms, floors and import arrows of the package), make bench, make lowest (the oldest versions that pyproject
# allows), make format, make sync (notebooks from their .py twins, executed), make clean.
PYTHON ?= python3
BIN := .venv/bin
# Progress bars, which only slow machines show, are no output to be checked.
export TQDM_DISABLE := 1
.PHONY: check house lint book test bench lowest format sync clean

# The constraints pin what the committed outputs were made with.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[book,test]"
	touch $@

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --level error

check: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n logical -p no:benchmark

# Needs nothing but Python.
house:
	@$(PYTHON) tests/house.py

book: .venv/installed
	$(BIN)/jupyter-book build . --warningiserror --keep-going

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical -p no:benchmark
	$(BIN)/python -m pytest -o addopts= tests/package/test_package.py
	$(BIN)/python -m pytest -o addopts= -p no:cacheprovider --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg notebooks
# The outputs that were just checked are the book's; to execute all a second time would show nothing new.
	mkdir -p _build && sed 's/execute_notebooks: cache/execute_notebooks: "off"/' _config.yml > _build/_config.yml
	PYTHONPATH=book/_ext $(BIN)/jupyter-book build . --config _build/_config.yml --warningiserror --keep-going
	$(BIN)/python -m pytest -o addopts= tests/site

# Compared with other libraries; the tables that notebooks 06 and 10 read are written anew (half an hour).
BENCH := LOSSBARCODE_UNCHECKED=1 $(BIN)/python -m pytest -o addopts= -o python_files="bench_*.py" -o python_functions="bench_*" --benchmark-columns=min,median,rounds --benchmark-sort=min --benchmark-group-by=group
bench: .venv/installed
	$(BENCH) tests/benchmarks/bench_barcode.py tests/benchmarks/bench_scale.py --benchmark-json=notebooks/results/10_performance.json
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BENCH) tests/benchmarks/bench_networks.py --benchmark-json=notebooks/results/06_gradients.json
	$(BENCH) tests/benchmarks/bench_neighbors.py tests/benchmarks/bench_morse.py

lowest: .venv/installed
	$(BIN)/python -m pytest -o addopts= tests/package/test_lower_bounds.py

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sync: .venv/installed
	cd notebooks && ../$(BIN)/jupytext --sync *.py && ../$(BIN)/jupyter execute --inplace --timeout=-1 *.ipynb

clean:
	rm -rf .venv _build .pytest_cache .hypothesis .ruff_cache .benchmarks
