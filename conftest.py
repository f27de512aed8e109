"""Leaves out the kernels whose library is not there: they are imported."""

from importlib.util import find_spec


def _missing(library: str) -> bool:
    try:
        return find_spec(library) is None
    except ImportError:
        return True


collect_ignore_glob = [
    f'dark_codec/kernels/{library}/*.py'
    for library in ('numba', 'triton')
    if _missing(library)
]
