"""What the tests share: where the data is, random numbers, real heatmaps."""

import gc
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import unformatted_configs  # noqa: F401
from mmengine.registry import DefaultScope

from dark_codec import (
    kernels,  # before MMPose, which mmcv-lite alone lets down
)

REAL_HEATMAPS = Path(__file__).parent / 'data' / 'real_heatmaps.npz'

# Started in the background of a script, the tests and all that they start
# would be deaf to Ctrl-C, which some of them try.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Folders whose files take longest, one by one
_LONG = ('end_to_end', 'projects', 'tools', 'engine', 'dumps', 'docs')


def pytest_collection_modifyitems(items):
    """Long files first, so that processes that share them end together."""

    def place(item):
        folder = item.path.parent.name
        return _LONG.index(folder) if folder in _LONG else len(_LONG)

    items.sort(key=place)
    for item in items:
        if 'data_root' in getattr(item, 'fixturenames', ()):
            item.add_marker('photographs')


def pytest_collection_finish():
    """What is imported stays; MMEngine's datasets collect garbage each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def data_root():
    """The folder with Leeds Sports and MMPose's samples: photographs."""
    path = os.environ.get('DARK_CODEC_DATA')
    if path is None:
        pytest.skip('needs photographs; set DARK_CODEC_DATA to their folder')
    if not Path(path).is_dir():
        pytest.fail(f'DARK_CODEC_DATA={path} is no folder')
    return Path(path)


@pytest.fixture(autouse=True)
def mmpose_scope():
    """A detector or a runner in one test must not name another's scope."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        yield


@pytest.fixture(autouse=True)
def seeded():
    """Tests in another order, or alone, draw the same numbers."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(scope='session')
def real_heatmaps():
    """Heatmaps of a COCO network on photographs: (25, 12, 64, 48)."""
    with np.load(REAL_HEATMAPS) as arrays:
        return arrays['heatmaps'].astype(np.float32)


@pytest.fixture
def compiler():
    """torch.compile and torch.export, without the graphs of other tests."""
    # What is compiled has to know that it is, see kernels/__init__.py
    if not hasattr(getattr(torch, 'compiler', None), 'is_compiling'):
        pytest.skip('this torch has no torch.compiler.is_compiling')
    torch.compiler.reset()


@pytest.fixture(params=['reference', 'numba'])
def kernel(request, monkeypatch):
    """Decode by the functions of the paper, and by the host's kernel."""
    if request.param == 'numba':
        loaded = kernels.load('numba')
        if isinstance(loaded, ImportError):
            pytest.skip(f'no kernel for the host: {loaded}')
    monkeypatch.setenv(kernels.VARIABLE, request.param)
    return request.param
