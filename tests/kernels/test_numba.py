"""The numba kernels with threads, in forked processes, and as files."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from dark_codec import TaylorDecoder, kernels

numba = pytest.importorskip('numba')
from dark_codec.kernels.numba import compile, decode  # noqa: E402
from dark_codec.kernels.numba.kernel import kernel_of  # noqa: E402

PACKAGE = Path(kernels.__file__).parents[1]
RECIPE = TaylorDecoder(sigma=2.0).recipe


@pytest.fixture
def many_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def random_maps(count):
    """Enough work for threads: a map takes some 2 us."""
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, 1, 32, 24, generator=generator)


def alone(maps):
    """Map by map: too little work for threads."""
    return torch.cat([decode(one[None], RECIPE) for one in maps])


@pytest.mark.parametrize('count', [300, 401, 1003])
def test_threads_share_the_maps(many_threads, count):
    maps = random_maps(count)
    assert torch.equal(decode(maps, RECIPE), alone(maps))
    names = [thread.name for thread in threading.enumerate()]
    assert any(name.startswith('dark_codec') for name in names)


def test_many_callers_at_once(many_threads):
    batches = [random_maps(300 + i) for i in range(16)]
    with ThreadPoolExecutor(8) as callers:
        tables = list(callers.map(lambda maps: decode(maps, RECIPE), batches))
    for maps, table in zip(batches, tables):
        assert torch.equal(table, alone(maps))


def test_others_run_meanwhile():
    """Without the GIL: this thread sleeps and wakes while the other works."""
    maps = torch.rand(1, 17, 64, 48).expand(4000, -1, -1, -1)
    worker = threading.Thread(target=decode, args=(maps, RECIPE))
    decode(maps[:1], RECIPE)
    worker.start()
    time.sleep(0.01)
    assert worker.is_alive()
    worker.join()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork here')
@pytest.mark.filterwarnings('ignore:.*multi-threaded.*fork')
def test_a_forked_process_has_threads_of_its_own(many_threads):
    maps = random_maps(500)
    expected = decode(maps, RECIPE)  # this process has threads now
    fork = multiprocessing.get_context('fork')
    ours, theirs = fork.Pipe(duplex=False)

    def send_table():
        theirs.send(decode(maps, RECIPE).tolist())

    child = fork.Process(target=send_table, daemon=True)
    child.start()
    assert ours.poll(60), 'the forked process hangs'
    assert ours.recv() == expected.tolist()
    child.join()


def test_compiled_code_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, 'CACHE_DIR', str(tmp_path))

    def hits():
        kernel = kernel_of.__wrapped__('argmax')
        return sum(kernel.stats.cache_hits.values())

    assert hits() == 0
    assert list(tmp_path.rglob('*.nbc'))
    assert hits() == 1
    # a part in another file has changed
    module = sys.modules[kernel_of.__module__]
    monkeypatch.setattr(module, 'sources', lambda: 'other')
    assert hits() == 0


@pytest.mark.parametrize(
    'part', ['kernels/numba/taylor.py', 'functional/refine.py']
)
def test_sources_are_those_of_all_parts(part, tmp_path):
    for folder in ('kernels', 'functional'):
        shutil.copytree(PACKAGE / folder, tmp_path / folder)
    spec = spec_from_file_location(
        'compile_elsewhere', tmp_path / 'kernels/numba/compile.py'
    )
    copy = module_from_spec(spec)
    spec.loader.exec_module(copy)
    assert copy.sources() == compile.sources()
    with open(tmp_path / part, 'a') as file:
        file.write('#')
    assert copy.sources() != compile.sources()


SCRIPT = """
import sys
import threading
import torch
import dark_codec
assert 'numba' not in sys.modules, 'importing dark_codec imports numba'
assert 'dark_codec.kernels.triton' not in sys.modules
torch.set_num_threads(4)
maps = torch.zeros(1, 17, 64, 48)
maps[0, :, 3, 2] = 1
decoded = dark_codec.ArgmaxDecoder()(maps)
assert 'numba' in sys.modules, 'numba has not decoded'
assert decoded.points.tolist() == [[[2, 3]] * 17], decoded
names = [thread.name for thread in threading.enumerate()]
assert not any(name.startswith('dark_codec') for name in names), (
    'one person pays for threads'
)
"""


def test_decodes_where_nothing_can_be_written(tmp_path):
    """Not in the package, not at home: files stand where folders should."""
    package = tmp_path / 'dark_codec'
    shutil.copytree(
        PACKAGE, package, ignore=shutil.ignore_patterns('__pycache__')
    )
    (package / 'kernels' / 'numba' / '__pycache__').touch()
    home = tmp_path / 'home'
    home.touch()
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in ('NUMBA_CACHE_DIR', 'XDG_CACHE_HOME', 'PYTHONPATH')
    }
    environment.update(
        HOME=str(home),
        MPLCONFIGDIR=str(tmp_path),
        PYTHONPATH=str(tmp_path),
        PYTHONDONTWRITEBYTECODE='1',
        DARK_CODEC_KERNELS='auto',
    )
    ran = subprocess.run(
        [sys.executable, '-c', SCRIPT],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    output = ran.stdout + ran.stderr
    assert ran.returncode == 0, output
    assert 'set NUMBA_CACHE_DIR' in output
