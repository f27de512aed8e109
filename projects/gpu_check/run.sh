#!/usr/bin/env bash
# Checks dark_codec on this machine's GPUs, and ends with a report to send us.
#
# Usage: [VENV=FOLDER] bash projects/gpu_check/run.sh [OUT]
#
# Runs the tests that need a GPU, times decoding beside MMPose, profiles a test
# loop in mixed precision, and trains one epoch on all GPUs. Needs torch for
# your GPU in the environment: see docs/install.md. OUT (work_dirs/gpu_check)
# gets the logs. --cpu before OUT runs the same steps, small, without a GPU.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../tools/_env.sh"
cd "$ROOT"

case ${1-} in
    -h | --help) usage; exit ;;
esac
DEVICE=cuda BATCHES='1 64 256' TURNS=11
TESTS=(tests/kernels tests/gpu -k gpu)
TEST=(test_cfg.fp16=True)
TRAIN=(train_cfg.max_epochs=1 train_cfg.val_interval=1)
AMP=--amp
if [ "${1-}" = --cpu ]; then
    shift
    DEVICE=cpu BATCHES=1 TURNS=2
    TESTS=(tests/kernels/test_contract.py -k 'reference and real_heatmaps')
    TEST=(test_dataloader.dataset.num_samples=16)
    TRAIN+=(train_dataloader.dataset.num_samples=32)
    TRAIN+=(val_dataloader.dataset.num_samples=16)
    AMP= # MMPose's accuracy in training takes no bfloat16, the CPU's half
fi
OUT=${1:-work_dirs/gpu_check}
CONFIG=projects/quickstart/configs/td-hm_res18-slim_dark-half-pixel-1xb32-8e_figures-64x48.py
export PATH=$VENV/bin:$PATH PYTHONPATH=$ROOT VENV
GPUS=1
if [ "$DEVICE" = cuda ]; then
    GPUS=$(python -c 'import torch; print(torch.cuda.device_count())')
    if [ "$GPUS" = 0 ]; then
        echo "gpu_check: torch finds no GPU in $VENV; docs/install.md says" \
            'how to install torch for one' >&2
        exit 2
    fi
fi
mkdir -p "$OUT"
REPORT=$OUT/report.md
FAILED=0

# step NAME EXTRACT COMMAND...: run it, log it, and report what EXTRACT takes
step() {
    local name=$1 extract=$2 began=$SECONDS state=passed
    shift 2
    echo "$name: log in $OUT/$name.log"
    if ! "$@" > "$OUT/$name.log" 2>&1; then
        state=FAILED FAILED=1 extract='tail -n 20'
    fi
    {
        printf '\n## %s: %s in %d s\n\n' "$name" "$state" $((SECONDS - began))
        $extract "$OUT/$name.log" || true
    } >> "$REPORT"
}

python -m dark_codec > "$REPORT"
step tests 'tail -n 1' python -m pytest -q -n 0 "${TESTS[@]}"
step decoding 'sed -En s/^##/###/p;/^[|]|^$/p' python -m projects.benchmarks codec --quick \
    --device "$DEVICE" --batch-sizes $BATCHES --turns "$TURNS" --out "$OUT"
step test-loop 'grep ^|' python -m projects.benchmarks profile "$CONFIG" \
    --turns 1 --work-dir "$OUT/test-loop" --cfg-options "${TEST[@]}"
step training 'grep -E Epoch.(train|val)' bash tools/dist_train.sh "$CONFIG" \
    "$GPUS" $AMP --work-dir "$OUT/training" --cfg-options "${TRAIN[@]}"
echo
cat "$REPORT"
echo
echo "This is $REPORT. docs/faq.md says where to send it."
exit "$FAILED"
