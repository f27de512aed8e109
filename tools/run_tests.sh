#!/usr/bin/env bash
# Checks style and types, and runs the tests.
#
# Usage: [VENV=FOLDER] bash tools/run_tests.sh [ARGUMENTS OF PYTEST]
#
# Makes the environment first if need be, as tools/setup_env.sh does. Without
# arguments the whole suite runs, in two processes. Examples of arguments:
#   tests/functional -k border   some of the tests
#   -n 0                         one process in place of two
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

case ${1-} in
    -h | --help) usage; exit ;;
esac
VENV=$VENV bash "$ROOT/tools/setup_env.sh"
cd "$ROOT"
"$VENV/bin/python" -m ruff check .
"$VENV/bin/python" -m ruff format --check .
"$VENV/bin/python" -m mypy
# two processes, by files: the tests of a file share what they have trained; in
# the order of tests/conftest.py
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$VENV/bin/python" -m pytest \
    -n 2 --dist loadfile --no-loadscope-reorder --durations=10 "$@"
