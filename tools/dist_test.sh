#!/usr/bin/env bash
# Test with several processes on one or more machines.
# Usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [arguments of test.py]
# Environment: NNODES (1), NODE_RANK (0), MASTER_ADDR (127.0.0.1), PORT (29500)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"

[ $# -ge 3 ] || usage_error 'CONFIG, CHECKPOINT and GPUS are needed'
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3
need_file "$CONFIG"
need_count "$GPUS"
launch_torchrun "$GPUS" test.py "$CONFIG" "$CHECKPOINT" "$@"
