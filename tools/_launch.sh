# Sourced by dist_*.sh and slurm_*.sh: how several processes are started.
# Interpreter: that of the environment VENV (default: .venv of the checkout)
# where it exists, else the python on PATH.
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"
PYTHON=$VENV/bin/python
[ -x "$PYTHON" ] || PYTHON=python

# launch_torchrun GPUS SCRIPT ARGS...: GPUS processes on this machine, by
# torchrun. Without a GPU that many processes share the CPU (gloo).
launch_torchrun() {
    local gpus=$1 script=$2
    shift 2
    exec "$PYTHON" -m torch.distributed.run \
        --nnodes="${NNODES:-1}" \
        --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" \
        --master_port="${PORT:-29500}" \
        --nproc_per_node="$gpus" \
        "$ROOT/tools/$script" "$@" --launcher pytorch
}

# launch_srun PARTITION JOB_NAME SCRIPT ARGS...: GPUS processes, by slurm.
launch_srun() {
    local partition=$1 job_name=$2 script=$3
    shift 3
    local per_node=${GPUS_PER_NODE:-8}
    # SRUN_ARGS holds several arguments: it is split at blanks.
    # shellcheck disable=SC2086
    exec srun \
        --partition="$partition" \
        --job-name="$job_name" \
        --gres=gpu:"$per_node" \
        --ntasks="${GPUS:-8}" \
        --ntasks-per-node="$per_node" \
        --cpus-per-task="${CPUS_PER_TASK:-5}" \
        --kill-on-bad-exit=1 \
        ${SRUN_ARGS:-} \
        "$PYTHON" -u "$ROOT/tools/$script" "$@" --launcher slurm
}

# usage_error MESSAGE: say what is wrong and how the script is called.
usage_error() {
    echo "$(basename "$0"): error: $1" >&2
    usage >&2
    exit 2
}

# need_file PATH; need_count GPUS: refuse before any process is started.
need_file() {
    [ -f "$1" ] || usage_error "$1 does not exist"
}
need_count() {
    [[ $1 =~ ^[1-9][0-9]*$ ]] ||
        usage_error "GPUS must be a positive number, got '$1'"
}
