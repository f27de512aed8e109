#!/usr/bin/env bash
# Train on a slurm cluster.
# Usage: bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR
#            [arguments of train.py]
# Environment: GPUS (8, in all), GPUS_PER_NODE (8), CPUS_PER_TASK (5),
#     SRUN_ARGS (further arguments of srun)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_launch.sh"

[ $# -ge 4 ] ||
    usage_error 'PARTITION, JOB_NAME, CONFIG and WORK_DIR are needed'
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
WORK_DIR=$4
shift 4
need_file "$CONFIG"
launch_srun "$PARTITION" "$JOB_NAME" train.py \
    "$CONFIG" --work-dir="$WORK_DIR" "$@"
