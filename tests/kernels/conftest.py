"""The kernels as parameters: each decodes what the contract asks for."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from kernel_cases import BACKENDS, decode_by

from dark_codec import kernels


class Backend:
    """One way to decode.

    Attributes:
        name: ``reference``, ``numba``, ``interpreted`` or ``gpu``.
        slow: Whether it takes a second for a dozen maps.
    """

    def __init__(self, name, pool=None):
        self.name, self.pool = name, pool
        self.slow = name == 'interpreted'

    def decode(self, decoder, heatmaps):
        """The table, on the host, of heatmaps or of what makes them."""
        if self.name == 'reference':
            maps = heatmaps() if callable(heatmaps) else heatmaps
            return decoder.decode_maps(maps.flatten(0, 1)).to_table()
        if self.name == 'numba':
            return decode_by('numba', heatmaps, decoder.recipe)
        if self.name == 'gpu':
            return decode_by('triton', heatmaps, decoder.recipe, 'cuda').cpu()
        task = self.pool.submit(decode_by, 'triton', heatmaps, decoder.recipe)
        return task.result()

    def few(self, maps, count=4):
        """All maps (B, K, H, W), or a few for a slow kernel."""
        if not self.slow:
            return maps
        return maps[:, :: max(1, -(-maps.shape[1] // count))]


def _or_skip(name):
    kernel = kernels.load(name)
    if isinstance(kernel, ImportError):
        pytest.skip(f'no kernel of {name}: {kernel}')


@pytest.fixture(scope='session')
def interpreter():
    """A process with Triton's interpreter, asked for before its import."""
    _or_skip('triton')
    before = os.environ.get('TRITON_INTERPRET')
    os.environ['TRITON_INTERPRET'] = '1'
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        pool.submit(int).result()
        if before is None:
            del os.environ['TRITON_INTERPRET']
        yield pool


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == 'numba':
        _or_skip('numba')
    if request.param == 'gpu':
        if not torch.cuda.is_available():
            pytest.skip('needs a GPU')
        _or_skip('triton')
    pool = None
    if request.param == 'interpreted':
        pool = request.getfixturevalue('interpreter')
    return Backend(request.param, pool)
