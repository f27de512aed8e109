#!/usr/bin/env bash
# Train with several processes on one or more machines.
# Usage: bash tools/dist_train.sh CONFIG GPUS [arguments of train.py]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"

[ $# -ge 2 ] || usage_error 'CONFIG and GPUS are needed'
CONFIG=$1
GPUS=$2
shift 2
need_file "$CONFIG"
need_count "$GPUS"
launch_torchrun "$GPUS" train.py "$CONFIG" "$@"
