#!/usr/bin/env bash
# Style, types and tests. Usage: [VENV=FOLDER] bash tools/run_tests.sh [ARGS]
# ARGS are pytest's own, e.g. `tests/test_codec.py -k border` or `-n 2`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

VENV=$VENV bash "$ROOT/tools/setup_env.sh"
cd "$ROOT"
"$VENV/bin/python" -m ruff check .
"$VENV/bin/python" -m ruff format --check .
"$VENV/bin/python" -m mypy
"$VENV/bin/python" -m pytest "$@"
