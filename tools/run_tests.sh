#!/usr/bin/env bash
# Style, types and tests. Usage: [VENV=FOLDER] bash tools/run_tests.sh [ARGS]
# ARGS are pytest's own, e.g. `tests/test_codec.py -k border`, or `-n 0` for one process
# in place of two.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

VENV=$VENV bash "$ROOT/tools/setup_env.sh"
cd "$ROOT"
"$VENV/bin/python" -m ruff check .
"$VENV/bin/python" -m ruff format --check .
"$VENV/bin/python" -m mypy
# two processes: by files, for tests of one share what they have trained; in
# the order of tests/conftest.py
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$VENV/bin/python" -m pytest \
    -n 2 --dist loadfile --no-loadscope-reorder --durations=10 "$@"
