"""The core without MMPose and all else that only its hosts need."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dark_codec

PACKAGE = Path(dark_codec.__file__).parent
HOSTS = ['mmengine', 'mmcv', 'mmpose', 'mmdet', 'cv2', 'scipy', 'matplotlib']
# The rooms that each room may import beside itself; '' is the top of the
# package, where the codec and its parts lie
CORE = {'functional': [], 'kernels': ['functional']}
CORE[''] = ['functional', 'kernels']
ROOMS = {**CORE, 'openmmlab': ['', *CORE['']]}
ROOMS['deployment'] = ['openmmlab', *ROOMS['openmmlab']]
ROOMS['dumps'] = ['openmmlab', *ROOMS['openmmlab']]
ROOMS['analysis'] = ['dumps', *ROOMS['dumps']]
ROOMS['cli'] = ['analysis', 'deployment', *ROOMS['analysis']]
LIBRARIES = {'torch', 'numpy', *sys.stdlib_module_names}
KERNELS = {'numba': {'numba'}, 'triton': {'triton'}}

BLOCK = f"""
import sys

class Hiding:
    '''Finds modules but for some, as if they were not installed.'''

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] not in {HOSTS!r}:
            return self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Hiding, sys.meta_path)
"""


def run(code, **env):
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        env={**os.environ, 'OMP_NUM_THREADS': '1', **env},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_encode_decode_compile_and_export():
    run(
        BLOCK
        + """
import io
import numpy as np
import torch
import dark_codec
from dark_codec import DARKCodec, TaylorDecoder

assert 'dark_codec.openmmlab' not in sys.modules
codec = DARKCodec(
    (96, 128), decoder=dict(type='TaylorDecoder', covariance=True)
)
points = np.random.default_rng(0).uniform(20, 70, (1, 17, 2))
heatmaps = codec.encode(points)['heatmaps']
found, scores = codec.decode(heatmaps)
np.testing.assert_allclose(found, points, atol=1e-2)
maps = torch.from_numpy(heatmaps)[None]
decoded = codec.decode_on_device(maps)
assert decoded.covariance.shape == (1, 17, 2, 2)

plain = TaylorDecoder(sigma=1.0)
compiled = torch.compile(plain, backend='aot_eager')
torch.testing.assert_close(compiled(maps).points, plain(maps).points)
exported = torch.export.export(plain, (maps,)).module()
torch.testing.assert_close(exported(maps).points, plain(maps).points)
"""
    )


def test_onnx_of_a_decoder():
    pytest.importorskip('onnxruntime')
    run(
        BLOCK
        + """
from dark_codec import DARKCodec
from dark_codec.deployment import ExportedDecoder, check_onnx, export_onnx

module = ExportedDecoder(DARKCodec((48, 64), decoder='ArgmaxDecoder'))
check_onnx(export_onnx(module), module)
"""
    )


def test_what_needs_mmpose_says_so_in_one_sentence():
    printed = run(
        BLOCK
        + """
import importlib
import dark_codec
for part in ('openmmlab', 'dumps.reader', 'cli'):
    try:
        importlib.import_module(f'dark_codec.{part}')
    except ImportError as error:
        print(error)
try:
    dark_codec.apply_codec
except ImportError as error:
    print(error)
try:
    dark_codec.aply_codec
except AttributeError as error:
    print(error)
"""
    )
    *sentences, unknown = printed.splitlines()
    assert len(sentences) == 4
    for sentence in sentences:
        assert 'extends MMPose 1.x, but mmengine is not' in sentence
    assert "no attribute 'aply_codec'" in unknown


def imports(file):
    """Absolute names of all that a module imports, wherever it does."""
    folder = file.relative_to(PACKAGE.parent).parent.parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            yield '.'.join([*base, *(node.module or '').split('.')]).strip('.')


def files(room):
    """The modules of a room."""
    if room:
        return sorted((PACKAGE / room).rglob('*.py'))
    # which chooses the hosts that are there
    return sorted(set(PACKAGE.glob('*.py')) - {PACKAGE / '__init__.py'})


def room_of(name):
    """The room of a module of the package."""
    first = name.split('.')[1:2]
    return first[0] if first and (PACKAGE / first[0]).is_dir() else ''


@pytest.mark.parametrize('room', ROOMS)
def test_imports_of_a_room(room):
    assert files(room)
    for file in files(room):
        allowed = LIBRARIES | KERNELS.get(file.parent.name, set())
        for name in imports(file):
            if name.split('.')[0] == 'dark_codec':
                # what is said of a version is for everyone
                lower = [room, *ROOMS[room]]
                of_top = name in ('dark_codec.version', 'dark_codec')
                assert room_of(name) in lower or of_top, (file, name)
            elif room in CORE:
                assert name.split('.')[0] in allowed, (file, name)


def test_every_room_is_named():
    folders = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert folders == {*ROOMS} - {''}
