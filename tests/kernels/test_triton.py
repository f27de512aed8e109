"""Triton's kernel without a GPU: compiled to PTX, and its launches.

The interpreter, in ``test_contract.py``, shows that the arithmetic is right,
whatever a compiler would say; the compiler shows that a GPU would take the
code. What neither shows, ``tests/gpu`` does on a GPU.
"""

import os
import re
import sys
from contextlib import contextmanager
from importlib import import_module

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

pytest.importorskip('triton', reason='Triton is not installed')

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource, compile  # noqa: E402

import dark_codec.kernels.triton as kernel  # noqa: E402
from dark_codec import (  # noqa: E402
    ArgmaxDecoder,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)

HOPPER = GPUTarget('cuda', 90, 32)
TYPES = {
    torch.float32: 'fp32',
    torch.float16: 'fp16',
    torch.bfloat16: 'bf16',
}


def test_an_old_triton_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr('triton.__version__', '3.2.0')
    monkeypatch.delitem(sys.modules, kernel.__name__)
    with pytest.raises(ImportError, match='3.3 is needed, this is 3.2.0'):
        import_module(kernel.__name__)


class Launches:
    """Stands for the kernel, and keeps what it is launched with."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.grids = []
        self.arguments = []

    def __getitem__(self, grid):
        def launch(*args, **settings):
            names = dict(zip(self.kernel.arg_names, args))
            self.grids.append(grid)
            self.arguments.append({**names, **settings})

        return launch


@pytest.fixture
def launches(monkeypatch):
    recorded = Launches(kernel.decode_map)
    monkeypatch.setattr(kernel, 'decode_map', recorded)
    return recorded


RAW = TaylorDecoder(modulation=None, sigma=2.0)
MAX = TaylorDecoder(
    modulation=dict(type='GaussianModulation', rescale='max'), sigma=2.0
)
PEOPLE, SAPIENS, PIXEL = (64, 17, 64, 48), (1, 308, 256, 192), (1, 1, 1, 1)
VARIANTS = {
    'argmax': (ArgmaxDecoder(), torch.zeros(PEOPLE)),
    'sign': (QuarterShiftDecoder(), torch.zeros(PEOPLE)),
    'raw': (RAW, torch.zeros(PEOPLE)),
    'max, float16': (MAX, torch.zeros(PEOPLE, dtype=torch.float16)),
    'minmax': (TaylorDecoder(sigma=2.0), torch.zeros(PEOPLE)),
    'minmax, large, channels last': (
        TaylorDecoder(sigma=6.0, covariance=True),
        torch.zeros(SAPIENS, dtype=torch.bfloat16).to(
            memory_format=torch.channels_last
        ),
    ),
    'fit': (GaussianFitDecoder(2.0), torch.zeros(PEOPLE)),
    'narrow fit, float16': (
        GaussianFitDecoder(0.5, covariance=True),
        torch.zeros(PEOPLE, dtype=torch.float16),
    ),
    'minmax, one pixel': (TaylorDecoder(sigma=1.0), torch.zeros(PIXEL)),
    'fit, large, wide': (
        GaussianFitDecoder(6.0, covariance=True),
        torch.empty(1, device='meta')
        .expand(1, 2)
        .as_strided((1, 2, 256, 192), (0, 1, 2**24, 2)),
    ),
}


def compile_for_hopper(kernel, arguments):
    """As a launch would: what is 1 is compiled in, pointers are aligned."""
    constants, signature, attributes = {}, {}, {}
    for place, parameter in enumerate(kernel.params):
        name, value = parameter.name, arguments[parameter.name]
        aligned = True
        if parameter.is_constexpr or isinstance(value, int) and value == 1:
            constants[name], signature[name] = value, 'constexpr'
            aligned = False
        elif isinstance(value, torch.Tensor):
            signature[name] = '*' + TYPES[value.dtype]
        elif isinstance(value, float):
            signature[name], aligned = 'fp32', False
        else:
            signature[name] = 'i32' if value < 2**31 else 'i64'
            aligned = value % 16 == 0
        if aligned:
            attributes[(place,)] = [['tt.divisibility', 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    options = dict(num_warps=arguments['num_warps'])
    return compile(source, target=HOPPER, options=options)


@pytest.mark.skipif(
    os.environ.get('TRITON_INTERPRET') == '1',
    reason='the interpreter leaves nothing to compile',
)
@pytest.mark.parametrize('name', VARIANTS)
def test_compiles_to_ptx(name, launches):
    """The variants that a launch asks for, for an H100."""
    decoder, heatmaps = VARIANTS[name]
    kernel.decode(heatmaps, decoder.recipe)
    arguments = launches.arguments[0]
    assert arguments['WIDE'] == ('wide' in name)
    compiled = compile_for_hopper(launches.kernel, arguments)
    ptx = compiled.asm['ptx']
    assert '.target sm_90' in ptx and '.entry decode_map' in ptx
    # maps whose pixels follow each other are read by vectors
    if arguments['DENSE'] and heatmaps[0, 0].numel() % 16 == 0:
        assert 'ld.global.v4' in ptx
    # no sum of smoothed values in half precision, nor in TF32
    for word in ('fma.rn.f16', 'add.f16', 'fma.rn.bf16', 'tf32'):
        assert word not in ptx
    # what a program writes to scratch and reads again waits for all threads
    events = re.findall(r'\b(st\.global|ld\.global|bar\.sync)\b', ptx)
    assert ('st.global', 'ld.global') not in set(zip(events, events[1:]))
    # 48 KiB are there on every GPU
    assert compiled.metadata.shared <= 48 * 1024


class OnlyEmpty(TorchDispatchMode):
    """Keeps the names of the operators that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize('name', VARIANTS)
def test_one_launch_and_no_copy(name, launches):
    """But for the constants, which are copied at the first call."""
    decoder, heatmaps = VARIANTS[name]
    heatmaps = heatmaps.to('meta')
    kernel.decode(heatmaps, decoder.recipe)
    with OnlyEmpty() as seen:
        table = kernel.decode(heatmaps, decoder.recipe)
    assert set(seen.names) == {'empty'}
    assert table.is_meta
    assert launches.grids == [(len(table),)] * 2


def test_scratch_stays_small(launches):
    """Bands of a map, not maps: 8 KiB for each of them."""
    for name in ('minmax', 'minmax, large, channels last'):
        decoder, heatmaps = VARIANTS[name]
        kernel.decode(heatmaps.to('meta'), decoder.recipe)
        arguments = launches.arguments[-1]
        count, width = len(arguments['table']), heatmaps.shape[3]
        assert arguments['scratch'].numel() == (
            count * arguments['band'] * width
        )
        assert arguments['band'] * width <= 2048


@pytest.mark.parametrize('index', [0, 1])
def test_launches_on_the_tensors_own_device(index, launches, monkeypatch):
    """Device 0 is the current one: it needs no change."""
    entered = []

    @contextmanager
    def device(which):
        entered.append(which)
        assert not launches.grids
        yield
        assert len(launches.grids) == 1

    monkeypatch.setattr(torch.cuda, 'current_device', lambda: 0)
    monkeypatch.setattr(torch.cuda, 'device', device)
    with FakeTensorMode(allow_non_fake_inputs=True):
        maps = torch.empty(2, 3, 8, 6, device=f'cuda:{index}')
        table = kernel.decode(maps, ArgmaxDecoder().recipe)
    assert table.device == torch.device('cuda', index)
    assert entered == [torch.device('cuda', 1)] * index
