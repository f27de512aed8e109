#!/usr/bin/env bash
# Makes a virtual environment with MMPose and all else that dark_codec, its
# tools and its tests need, in the versions that requirements/ pins, and
# installs dark_codec into it in editable form. Run it again after an
# interruption or a change: it does what is missing, and ends at once when
# nothing is.
#
# Usage: [VENV=FOLDER] [PYTHON=INTERPRETER] bash tools/setup_env.sh
#
#   VENV    the environment (default: .venv in the checkout)
#   PYTHON  the interpreter to make it with: Python 3.10, 3.11 or 3.12
#           (default: the first found of python3.11, 3.10, 3.12 and python3)
#
# A torch of your choice: torch 2.0 or newer with its torchvision, when the
# environment already holds them, is kept. Otherwise the pinned one is taken
# from the package index: on Linux a build for CUDA 13, which also runs without
# a GPU. For an older driver, or to spare 5 GB without a GPU, install torch
# first, with the pip command that https://pytorch.org/get-started gives:
#
#   python3.11 -m venv .venv
#   .venv/bin/pip install torch torchvision --index-url ...
#   bash tools/setup_env.sh
#
# An environment in which MMPose already works needs none of this: run
# `pip install -e .` there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

STAMP=$VENV/.dark_codec_env # written last: what was installed, by a hash
LOG=$VENV/setup_env.log
START_AGAIN="Remove $VENV, then start again, or set VENV to another folder."
VERSIONS='3.10, 3.11 or 3.12'
# xtcocotools has to be compiled for 3.12, which hence comes last
CANDIDATES='python3.11 python3.10 python3.12 python3'

fail() { # what is wrong; lines on what would do
    printf 'setup_env.sh: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# "3.11" for an interpreter; nothing when it does not run.
python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null ||
        true
}

need_version() { # what has that version; the version; lines on what would do
    case $2 in
        3.10 | 3.11 | 3.12) ;;
        '') fail "$1 does not run as a Python." "${@:3}" ;;
        *) fail "$1 is Python $2; $VERSIONS is needed." "${@:3}" ;;
    esac
}

find_python() { # sets PYTHON
    local version seen=''
    for PYTHON in $CANDIDATES; do
        version=$(python_version "$PYTHON")
        case $version in
            3.10 | 3.11 | 3.12) return ;;
            ?*) seen=" ($PYTHON is Python $version)" ;;
        esac
    done
    fail "found no Python $VERSIONS$seen." \
        "Install one, or name one that lies elsewhere:" \
        "PYTHON=/path/to/python3.11 bash tools/setup_env.sh"
}

need_disk() { # GB that are needed where VENV lies
    local folder=$VENV free
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$1" ] || fail \
        "$folder has $free GB of free disk space; $1 GB are needed." \
        "Free some, or set VENV to a folder on another disk."
}

make_environment() {
    if [ -d "$VENV" ] && [ ! -f "$VENV/pyvenv.cfg" ] &&
        [ -n "$(ls -A "$VENV")" ]; then
        fail "$VENV is a folder that holds other things." \
            "Set VENV to a new folder, or to a virtual environment."
    fi
    [ -n "${PYTHON-}" ] || find_python
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || fail \
        "$PYTHON cannot make virtual environments: venv is missing." \
        "On Debian and Ubuntu: apt install python3-venv" \
        "(or python3.11-venv and so on, for the version that is used)."
    need_disk 9 # a CUDA build of torch takes 5.5 GB, and its archives 3 GB
    echo "Making $VENV with Python $(python_version "$PYTHON")"
    "$PYTHON" -m venv "$VENV" || fail "could not make $VENV."
}

# What the result depends on. Isolated, without site-packages: takes 30 ms.
fingerprint() {
    "$VENV/bin/python" -I -S - "$ROOT" <<'END'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
digest = hashlib.sha256(f'{sys.version} {root}'.encode())
for path in [*sorted(root.glob('requirements/*.txt')), root / 'setup.cfg']:
    digest.update(path.name.encode() + path.read_bytes())
print(digest.hexdigest())
END
}

# mmcv and mmcv-lite, and the two OpenCV, use the same folders.
refuse_clashes() {
    local found
    found=$("$VENV/bin/python" - <<'END'
from importlib.metadata import distributions
names = {d.metadata['Name'].lower() for d in distributions()}
print(*sorted(names & {'mmcv', 'opencv-python-headless'}))
END
    )
    [ -z "$found" ] || fail \
        "$VENV holds $found; mmcv-lite and opencv-python would damage it." \
        "If MMPose works there, 'pip install -e .' is all that it needs;" \
        "otherwise set VENV to a new folder."
}

# Say what torch VENV holds; succeed when it can be kept.
torch_is_suitable() {
    "$VENV/bin/python" - 2>/dev/null <<'END'
import importlib.util, sys
if importlib.util.find_spec('torch') is None:
    sys.exit('no torch')
try:
    import torch
    if int(torch.__version__.split('.')[0]) < 2:
        print(f'Replacing torch {torch.__version__}: 2.0 or newer is needed')
        sys.exit(1)
    import torchvision
    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except Exception as error:
    print('Installing the pinned torch: the one here has no torchvision that',
          f'works with it ({type(error).__name__}: {error})')
    sys.exit(1)
print(f'Keeping torch {torch.__version__}, torchvision',
      torchvision.__version__)
END
}

pip_install() { # what it is, for messages; arguments of pip install
    "$VENV/bin/python" -m pip install --quiet --no-color --log "$LOG" \
        --disable-pip-version-check \
        -c "$ROOT/requirements/constraints.txt" "${@:2}" ||
        explain_failure "$1"
}

explain_failure() {
    if grep -q 'No space left on device' "$LOG"; then
        fail "the disk is full: could not install $1." \
            "Room is needed in $VENV and, while installing, in" \
            "${TMPDIR:-/tmp}; TMPDIR names another folder for the latter."
    elif grep -qE "command '[^']*' failed|Python\.h" "$LOG"; then
        fail "could not compile a part of $1." \
            "A C compiler and Python's header files are needed (Debian and" \
            "Ubuntu: apt install build-essential python3-dev). With Python" \
            "3.10 or 3.11 on Linux x86_64 nothing has to be compiled."
    elif grep -qE "Could not fetch URL .*: (connection error|There was a pro\
blem)|Max retries exceeded|urllib3\.exceptions\.(Read|Protocol|Incompl)" \
        "$LOG"; then
        fail "cannot reach the package index: could not install $1." \
            "Is there a network? Behind a proxy, or with an index of your" \
            "own, set HTTPS_PROXY or PIP_INDEX_URL. Then run this again."
    fi
    fail "pip could not install $1; the reason is above, more in $LOG"
}

install_all() {
    local pinned=() name
    for name in build runtime tests docs; do
        pinned+=(-r "$ROOT/requirements/$name.txt")
    done
    if torch_is_suitable; then
        need_disk 2
        echo "Installing what MMPose and the tests need (pip's log: $LOG)"
    else
        need_disk 9
        pinned+=(-r "$ROOT/requirements/torch.txt")
        echo "Installing torch and what MMPose and the tests need: some" \
            "gigabytes, several minutes (pip's log: $LOG)"
    fi
    pip_install 'the packages of requirements/' "${pinned[@]}"
    echo 'Installing MMPose and dark_codec'
    pip_install 'MMPose or xtcocotools' --no-deps --no-build-isolation \
        -r "$ROOT/requirements/no_deps.txt"
    pip_install dark_codec --no-deps --no-build-isolation -e "$ROOT"
}

# A package that was cut off half way shows here. dark_codec is only looked
# for: a mistake in the checkout is no fault of the environment.
check_imports() {
    if "$VENV/bin/python" -c '
import importlib.util
import cv2, mmcv, mmdet, mmengine, mmpose, numpy, onnxruntime, onnxscript
import myst_parser, pytest, sphinx, torchvision, xtcocotools.coco
assert importlib.util.find_spec("dark_codec"), "dark_codec is not found"
' >>"$LOG" 2>&1; then return; fi
    tail -n 3 "$LOG" >&2
    if tail -n 1 "$LOG" | grep -q 'cannot open shared object file'; then
        fail 'a library of the system is missing (see above).' \
            'OpenCV needs, on Debian and Ubuntu: apt install libgl1' \
            'libglib2.0-0. Then run this again.'
    fi
    fail 'the environment is not complete (see above).' "$START_AGAIN"
}

main() {
    case ${1-} in
        '') ;;
        -h | --help) usage; exit ;;
        *) usage >&2; exit 2 ;;
    esac
    local version wanted
    [ -z "${PYTHON-}" ] ||
        need_version "PYTHON=$PYTHON" "$(python_version "$PYTHON")"
    [ -e "$VENV/bin/python" ] || [ -L "$VENV/bin/python" ] || make_environment
    version=$(python_version "$VENV/bin/python")
    need_version "$VENV/bin/python" "$version" "$START_AGAIN"
    [ -z "${PYTHON-}" ] || [ "$version" = "$(python_version "$PYTHON")" ] ||
        fail "$VENV holds Python $version, another one than PYTHON=$PYTHON." \
            "$START_AGAIN"
    wanted=$(fingerprint)
    if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$wanted" ]; then
        echo "$VENV is ready: nothing has changed."
        return
    fi
    rm -f "$STAMP" "$LOG"
    refuse_clashes
    "$VENV/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$VENV/bin/python" -m ensurepip >/dev/null ||
        fail "$VENV has no pip, and ensurepip cannot add it."
    install_all
    check_imports
    echo "$wanted" >"$STAMP"
    echo "Ready: $VENV. To use it: source $VENV/bin/activate"
}

# On one line: bash reads a script while it runs it, and this one may change.
main "$@"; exit
