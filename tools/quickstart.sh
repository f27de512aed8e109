#!/usr/bin/env bash
# Trains a small network with DARK on painted figures, in five minutes on two
# cores, and shows what decoding does. `--help` says how to use it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

RUN=$ROOT/projects/quickstart/run.py
case ${1-} in
    -h | --help) exec python3 "$RUN" --help ;; # needs no environment
esac
VENV=$VENV bash "$ROOT/tools/setup_env.sh"
exec "$VENV/bin/python" "$RUN" "$@"
