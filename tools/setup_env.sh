#!/usr/bin/env bash
# Makes the Python environment of this checkout. `--help` says how to use it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/_env.sh"

STAMP=$VENV/.dark_codec_env # written last: what was installed, by a hash
LOG=$VENV/setup_env.log
START_AGAIN="Remove $VENV, then start again, or set VENV to another folder."
GB_WITH_TORCH=9 # CUDA builds of torch take 5.5 GB, and their archives 3 GB
GB_WITHOUT_TORCH=2
# pip's words for it: for pages of the index, and for archives
NO_INDEX='Could not fetch URL .*: (connection error|There was a problem)'
NO_INDEX+='|Max retries exceeded|urllib3\.exceptions\.(Read|Protocol|Incompl)'

usage() {
    cat <<'EOF'
Usage: [VENV=FOLDER] [PYTHON=INTERPRETER] bash tools/setup_env.sh

Makes a virtual environment with MMPose and all else that dark_codec, its
tools and its tests need, in the versions that requirements/ pins, and
installs dark_codec into it in editable form. Run it again after an
interruption or a change: it does what is missing, and ends at once when
nothing is.

  VENV    the environment (default: .venv in the checkout)
  PYTHON  the interpreter to make it with: Python 3.10, 3.11 or 3.12
          (default: the first found of python3.11, 3.10, 3.12 and python3)

A torch of your choice: torch 2.0 or newer with its torchvision, when the
environment already holds them, is kept. Otherwise the pinned one is taken
from the package index: on Linux a build for CUDA 13, which also runs without
a GPU. For an older driver, or to spare 5 GB without a GPU, install torch
first, with the pip command that https://pytorch.org/get-started gives:

  python3.11 -m venv .venv
  .venv/bin/pip install torch torchvision --index-url ...
  bash tools/setup_env.sh

An environment in which MMPose already works needs none of this: run
`pip install -e .` there.
EOF
}

fail() {
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

in_range() {
    case $1 in
        3.10 | 3.11 | 3.12) true ;;
        *) false ;;
    esac
}

# Sets BASE_PYTHON. xtcocotools has to be compiled for 3.12, which hence comes
# after 3.11 and 3.10.
find_python() {
    local candidate version seen=''
    for candidate in python3.11 python3.10 python3.12 python3; do
        version=$(python_version "$candidate")
        if in_range "$version"; then
            BASE_PYTHON=$candidate
            return
        fi
        [ -z "$version" ] || seen=" ($candidate is Python $version)"
    done
    fail "found no Python 3.10, 3.11 or 3.12$seen." \
        "Install one, or name one that lies elsewhere:" \
        "PYTHON=/path/to/python3.11 bash tools/setup_env.sh"
}

# PYTHON is the user's word: it must be usable, and fit a VENV that exists.
check_named_python() {
    local version
    version=$(python_version "$PYTHON")
    [ -n "$version" ] || fail "PYTHON=$PYTHON does not run as a Python."
    in_range "$version" || fail \
        "PYTHON=$PYTHON is Python $version; 3.10, 3.11 or 3.12 is needed."
    BASE_PYTHON=$PYTHON
}

check_environment() {
    local version
    version=$(python_version "$VENV/bin/python")
    [ -n "$version" ] ||
        fail "$VENV/bin/python does not run." "$START_AGAIN"
    in_range "$version" || fail \
        "$VENV holds Python $version; 3.10, 3.11 or 3.12 is needed." \
        "$START_AGAIN"
    [ -z "$BASE_PYTHON" ] ||
        [ "$version" = "$(python_version "$BASE_PYTHON")" ] || fail \
        "$VENV holds Python $version, another one than PYTHON=$BASE_PYTHON." \
        "$START_AGAIN"
}

make_environment() {
    if [ -d "$VENV" ] && [ ! -f "$VENV/pyvenv.cfg" ] &&
        [ -n "$(ls -A "$VENV")" ]; then
        fail "$VENV is a folder that holds other things." \
            "Set VENV to a new folder, or to a virtual environment."
    fi
    [ -n "$BASE_PYTHON" ] || find_python
    "$BASE_PYTHON" -c 'import ensurepip, venv' 2>/dev/null || fail \
        "$BASE_PYTHON cannot make virtual environments: venv is missing." \
        "On Debian and Ubuntu: apt install python3-venv" \
        "(or python3.11-venv and so on, for the version that is used)."
    check_disk $GB_WITH_TORCH
    echo "Making $VENV with Python $(python_version "$BASE_PYTHON") ..."
    "$BASE_PYTHON" -m venv "$VENV" || fail "could not make $VENV."
}

check_disk() { # GB that are needed where VENV lies
    local folder=$VENV free
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    free=$(df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$1" ] || fail \
        "$folder has $free GB of free disk space; $1 GB are needed." \
        "Free some, or set VENV to a folder on another disk."
}

# What the result depends on. Isolated, without site-packages: takes 30 ms.
fingerprint() {
    "$VENV/bin/python" -I -S - "$ROOT" <<'EOF'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
digest = hashlib.sha256(f'{sys.version} {root}'.encode())
for path in [*sorted(root.glob('requirements/*.txt')), root / 'setup.cfg']:
    digest.update(path.name.encode() + path.read_bytes())
print(digest.hexdigest())
EOF
}

# Both would be overwritten in part: their pinned twins use the same folders.
refuse_clashes() {
    local found
    found=$("$VENV/bin/python" - <<'EOF'
from importlib.metadata import distributions
names = {d.metadata['Name'].lower() for d in distributions()}
print(*sorted(names & {'mmcv', 'opencv-python-headless'}))
EOF
    )
    [ -z "$found" ] || fail \
        "$VENV holds $found; mmcv-lite and opencv-python would damage it." \
        "If MMPose works there, 'pip install -e .' is all that it needs;" \
        "otherwise set VENV to a new folder."
}

# Says what torch VENV holds; succeeds when it can be kept.
torch_is_suitable() {
    "$VENV/bin/python" - 2>/dev/null <<'EOF'
import importlib.util, sys
if importlib.util.find_spec('torch') is None:
    sys.exit('no torch')
try:
    import torch
    if int(torch.__version__.split('.')[0]) < 2:
        print(f'Replacing torch {torch.__version__}: 2.0 or newer is needed.')
        sys.exit(1)
    import torchvision
    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
except Exception as error:
    print('Installing the pinned torch: the one here has no torchvision that',
          f'works with it ({type(error).__name__}: {error}).')
    sys.exit(1)
print(f'Keeping torch {torch.__version__}, torchvision',
      torchvision.__version__)
EOF
}

pip_install() { # what it is, for messages; arguments of pip install
    local what=$1
    shift
    "$VENV/bin/python" -m pip --no-color --log "$LOG" install \
        -c "$ROOT/requirements/constraints.txt" "$@" || explain_failure "$what"
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
    elif grep -qE "$NO_INDEX" "$LOG"; then
        fail "cannot reach the package index: could not install $1." \
            "Is there a network? Behind a proxy, or with an index of your" \
            "own, set HTTPS_PROXY or PIP_INDEX_URL. Then run this again."
    fi
    fail "pip could not install $1; the reason is above, more in" \
        "$LOG"
}

install_all() {
    local pinned=() name
    for name in build runtime tests docs; do
        pinned+=(-r "$ROOT/requirements/$name.txt")
    done
    if ! torch_is_suitable; then
        check_disk $GB_WITH_TORCH
        pinned+=(-r "$ROOT/requirements/torch.txt")
        echo 'torch comes with some gigabytes: this takes several minutes.'
    else
        check_disk $GB_WITHOUT_TORCH
    fi
    echo '[1/4] The packages that MMPose, the tools and the tests need'
    pip_install 'the packages of requirements/' "${pinned[@]}"
    echo '[2/4] MMPose'
    pip_install 'MMPose or xtcocotools' --no-deps --no-build-isolation \
        -r "$ROOT/requirements/no_deps.txt"
    echo '[3/4] dark_codec'
    pip_install dark_codec --no-deps --no-build-isolation -e "$ROOT"
}

# A package that was cut off half way shows here. dark_codec is only looked
# for: a mistake in the checkout is no fault of the environment.
check_imports() {
    echo '[4/4] Checking'
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
    BASE_PYTHON=''
    [ -z "${PYTHON-}" ] || check_named_python
    [ -e "$VENV/bin/python" ] || [ -L "$VENV/bin/python" ] || make_environment
    check_environment
    local wanted
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
