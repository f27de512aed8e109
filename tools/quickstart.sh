#!/usr/bin/env bash
# Trains a small network with DARK on synthetic figures, in five minutes on two
# cores, and shows what decoding does. `--help` says how to use it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

export PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH}
case ${1-} in
    -h | --help) exec python3 -m projects.quickstart --help ;; # at once
esac
VENV=$VENV bash "$ROOT/tools/setup_env.sh"
exec "$VENV/bin/python" -m projects.quickstart "$@"
