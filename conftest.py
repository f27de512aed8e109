"""Leaves out the kernels whose library is not there: they are imported."""

from importlib.util import find_spec

_LIBRARIES = dict(cpu='numba', cuda='triton')


def _missing(library: str) -> bool:
    try:
        return find_spec(library) is None
    except ImportError:
        return True


collect_ignore_glob = [
    f'dark_codec/kernels/*{kernel}*.py'
    for kernel, library in _LIBRARIES.items()
    if _missing(library)
]
