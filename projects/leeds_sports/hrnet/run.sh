#!/usr/bin/env bash
# HRNet-W32 on Leeds Sports: trains one network with unbiased and one with
# biased encoding side by side, dumps what they predict, compares decoders.
# Usage: bash projects/leeds_sports/hrnet/run.sh OUT [key=value ...]
#   OUT        folder for trainings, dumps and reports; run again, it goes on
#   key=value  settings that replace those of both configs
# Needs data/leeds_sports (see projects/leeds_sports/README.md). With a GPU it
# trains in mixed precision.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../../.." && pwd)
export PYTHONPATH=$ROOT${PYTHONPATH:+:$PYTHONPATH}  # for projects.leeds_sports
PYTHON=${VENV:-$ROOT/.venv}/bin/python
[ -x "$PYTHON" ] || PYTHON=python
[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
shift
OPTIONS=()
[ $# -eq 0 ] || OPTIONS=(--cfg-options "$@")
AMP=()
! "$PYTHON" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' ||
    AMP=(--amp)
DECODERS=(argmax shift taylor dark dark-max 'dark-max:modulation.sigma=0.5' fit)

train() { # encoding, port
    local config=$HERE/configs/td-hm_hrnet-w32_$1-1xb128-20e_lsp-128x96.py
    PORT=$2 bash "$ROOT/tools/dist_train.sh" "$config" 1 \
        --work-dir "$OUT/$1" --resume ${AMP[@]+"${AMP[@]}"} \
        ${OPTIONS[@]+"${OPTIONS[@]}"} >"$OUT/$1.log" 2>&1
}

follow() { # encoding, process: its log lines, until that has ended
    tail -n 0 -F --pid="$2" "$OUT/$1.log" 2>/dev/null |
        sed -nu "s/.*\(Epoch(train)\)/$1: \1/p"
}

compare() { # encoding
    local config=$HERE/configs/td-hm_hrnet-w32_$1-1xb128-20e_lsp-128x96.py
    "$PYTHON" "$ROOT/tools/analysis_tools/dump_heatmaps.py" "$config" \
        "$(cat "$OUT/$1/last_checkpoint")" --full --out "$OUT/$1/dump" \
        --work-dir "$OUT/$1" ${OPTIONS[@]+"${OPTIONS[@]}"}
    "$PYTHON" "$ROOT/tools/analysis_tools/compare_decoders.py" \
        "$OUT/$1/dump" --decoders "${DECODERS[@]}" --out "$OUT/$1/report"
}

cd "$ROOT"
echo "Training in $OUT/dark.log and $OUT/biased.log"
train dark 29511 &
FIRST=$!
train biased 29512 &
SECOND=$!
follow dark "$FIRST" &
follow biased "$SECOND" &
trap 'kill "$FIRST" "$SECOND" 2>/dev/null || true' EXIT
for job in "$FIRST" "$SECOND"; do
    wait "$job" || { tail -n 20 "$OUT"/*.log; exit 1; }
done
trap - EXIT
compare dark
compare biased
