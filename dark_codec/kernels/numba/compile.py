"""How the numba kernels are compiled, and where the result is kept.

numba keeps compiled code in ``__pycache__`` beside the source, in the user's
cache folder where that is read-only, or in ``NUMBA_CACHE_DIR``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

# As numpy: a division by zero is infinite or NaN, and no exception
_PLAIN: dict = dict(error_model='numpy', nogil=True)
# Sums in any order and fused products, but infinities and NaN as they are
_SUMS = {'reassoc', 'contract', 'nsz'}

# Parts of a kernel, compiled with it
part = njit(**_PLAIN)
part_of_sums = njit(**_PLAIN, fastmath=_SUMS)


def sources() -> str:
    """Digest of all that is compiled, and of the constants in it.

    numba compiles a kernel again when the file of the kernel changes, but not
    when the file of one of its parts does, unless its closure differs.
    """
    here = Path(__file__).parent
    constants = ('covariance', 'fit', 'modulate', 'refine')
    files = sorted(here.glob('*.py'))
    files += [here.parents[1] / f'functional/{name}.py' for name in constants]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def compiled(signature: Any) -> Callable[[Callable], Any]:
    """Decorate a kernel: compile it for one signature, or load it."""

    def compile_now(kernel: Callable) -> Any:
        try:
            return njit(signature, cache=True, **_PLAIN)(kernel)
        except (RuntimeError, OSError) as error:
            # no folder can be written to, or the disk is full
            logging.getLogger('dark_codec').warning(
                'dark_codec compiles its decoders at each start, for they '
                'cannot be kept: %s; set NUMBA_CACHE_DIR to a folder '
                'that can be written to',
                error,
            )
        return njit(signature, **_PLAIN)(kernel)

    return compile_now
