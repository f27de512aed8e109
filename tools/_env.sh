# shellcheck shell=bash
# Sourced by the scripts beside it: where the checkout and its environment lie.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${VENV:-$ROOT/.venv}
case $VENV in
    /*) ;;
    *) VENV=$PWD/$VENV ;;
esac

# Print the comment at the top of the script that was called.
usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}
