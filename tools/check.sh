#!/usr/bin/env bash
# Style, types, floors and spelling: everything that CI checks besides the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
ruff format --check src tests tools benchmarks web/e2e
ruff check src tests tools benchmarks web/e2e
pyright
lint-imports
typos src tests tools benchmarks web/src web/e2e docs README.md CHANGELOG.md
