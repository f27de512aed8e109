"""The numba kernels with threads, in forked processes, and as files."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

pytest.importorskip('numba')
import numba  # noqa: E402

from dark_codec.decoders import TaylorDecoder  # noqa: E402
from dark_codec.kernels import (  # noqa: E402
    Recipe,
    _cpu_compile,
    _cpu_decode,
    cpu,
)

ROOT = Path(__file__).parents[2]
RECIPE = TaylorDecoder(sigma=2.0).recipe


@pytest.fixture
def many_threads(monkeypatch):
    """Four threads for whatever there is to do."""
    before = torch.get_num_threads()
    monkeypatch.setattr(cpu, '_GRAIN', 1)
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


def alone(maps):
    return torch.cat([cpu.decode(one[None], RECIPE) for one in maps])


@pytest.mark.parametrize('count', [1, 3, 4, 5, 33])
def test_threads_share_the_maps(many_threads, count, monkeypatch):
    maps = torch.rand(count, 1, 32, 24)
    used = set()
    kernel = cpu._plan(RECIPE, 32, 24)

    def watched(*args):
        used.add((threading.get_ident(), args[-2:]))
        kernel.kernel(*args)

    monkeypatch.setattr(
        cpu, '_plan', lambda *_: kernel._replace(kernel=watched)
    )
    table = cpu.decode(maps, RECIPE)
    ranges = sorted(part for _, part in used)
    assert len(ranges) == min(4, count)
    assert [start for start, _ in ranges[1:]] == [
        end for _, end in ranges[:-1]
    ]
    monkeypatch.undo()
    assert torch.equal(table, alone(maps))


def test_little_work_stays_in_its_thread(monkeypatch):
    """One person does not pay for threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    monkeypatch.setattr(cpu, '_pool', lambda *_: pytest.fail('threads'))
    try:
        for method in ('argmax', 'sign', 'taylor', 'fit'):
            recipe = Recipe(method, kernel=RECIPE.kernel, sigma=2.0)
            cpu.decode(torch.rand(1, 17, 64, 48), recipe)
    finally:
        torch.set_num_threads(before)


def test_many_callers_at_once(many_threads):
    batches = [torch.rand(20, 3, 32, 24) for _ in range(16)]
    with ThreadPoolExecutor(8) as callers:
        tables = list(callers.map(lambda m: cpu.decode(m, RECIPE), batches))
    for maps, table in zip(batches, tables):
        assert torch.equal(table, alone(maps))


def test_others_run_meanwhile():
    """Without the GIL: this thread sleeps and wakes while the other works."""
    maps = torch.rand(1, 17, 64, 48).expand(4000, -1, -1, -1)
    worker = threading.Thread(target=cpu.decode, args=(maps, RECIPE))
    cpu.decode(maps[:1], RECIPE)
    worker.start()
    time.sleep(0.01)
    assert worker.is_alive()
    worker.join()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='no fork here')
@pytest.mark.filterwarnings('ignore:.*multi-threaded.*fork')
def test_a_forked_process_has_threads_of_its_own(many_threads):
    maps = torch.rand(20, 3, 32, 24)
    expected = cpu.decode(maps, RECIPE)  # this process has threads now
    fork = multiprocessing.get_context('fork')
    ours, theirs = fork.Pipe(duplex=False)

    def decode():
        theirs.send(cpu.decode(maps, RECIPE).tolist())

    child = fork.Process(target=decode, daemon=True)
    child.start()
    assert ours.poll(60), 'the forked process hangs'
    assert ours.recv() == expected.tolist()
    child.join()


def test_compiled_code_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, 'CACHE_DIR', str(tmp_path))
    compile_kernel = _cpu_decode.shift_kernel.__wrapped__

    def hits():
        return sum(compile_kernel().stats.cache_hits.values())

    assert hits() == 0
    assert list(tmp_path.rglob('*.nbc'))
    assert hits() == 1
    # a part in another file has changed
    monkeypatch.setattr(_cpu_decode, 'sources', lambda: 'other')
    assert hits() == 0


@pytest.mark.parametrize(
    'part', ['kernels/_cpu_steps.py', 'functional/refine.py']
)
def test_sources_are_those_of_all_parts(part, tmp_path, monkeypatch):
    package = Path(_cpu_compile.__file__).parents[1]
    for folder in ('kernels', 'functional'):
        shutil.copytree(package / folder, tmp_path / folder)
    before = _cpu_compile.sources()
    monkeypatch.setattr(
        _cpu_compile, '__file__', str(tmp_path / 'kernels/_cpu_compile.py')
    )
    assert _cpu_compile.sources() == before
    with open(tmp_path / part, 'a') as file:
        file.write('#')
    assert _cpu_compile.sources() != before


SCRIPT = """
import sys
import torch
import dark_codec
from dark_codec.decoders import ArgmaxDecoder
assert 'numba' not in sys.modules, 'importing dark_codec imports numba'
maps = torch.zeros(1, 1, 5, 4)
maps[0, 0, 3, 2] = 1
decoded = ArgmaxDecoder()(maps)
assert 'numba' in sys.modules, 'numba has not decoded'
assert decoded.points.tolist() == [[[2, 3]]], decoded
"""


def test_decodes_where_nothing_can_be_written(tmp_path):
    """Not in the package, not at home: files stand where folders should."""
    package = tmp_path / 'dark_codec'
    shutil.copytree(
        ROOT / 'dark_codec',
        package,
        ignore=shutil.ignore_patterns('__pycache__'),
    )
    (package / 'kernels' / '__pycache__').touch()
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
