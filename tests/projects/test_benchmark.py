"""The benchmarks run and write what they should; nothing is timed here."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_run import call, refused, write_config, write_data

from projects.benchmarks.cases import all_cases
from projects.benchmarks.contestants import Contestant
from projects.benchmarks.report import losses
from projects.benchmarks.run import measure_case
from projects.benchmarks.timing import extra_memory, time_in_turns

CODEC = '../projects/benchmarks/benchmark_codec.py'
PIPELINE = '../projects/benchmarks/benchmark_pipeline.py'
BATCHES = (1, 2)
SHAPES = {(17, 24, 32), (17, 48, 64), (17, 72, 96), (133, 48, 64)}
MMPOSE = {'MSRAHeatmap', 'MSRAHeatmap, unbiased', 'UDPHeatmap'}
DECODERS = {
    'Argmax',
    'QuarterShift, sign',
    'QuarterShift, second',
    'Taylor, minmax',
    'Taylor, max',
    'Taylor, none',
    'Taylor, unmodulated',
    'Taylor, max, covariance',
    'GaussianFit',
}
ENCODERS = {
    f'{name}, {way}'
    for name in ('Unbiased', 'Biased')
    for way in ('one by one', 'batch, tensors', 'batch, arrays')
}


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('benchmark')
    sizes = ['--batch-sizes', *map(str, BATCHES)]
    # the tool has to see to the threads itself
    run = call(CODEC, '--quick', *sizes, cwd=folder, OMP_NUM_THREADS='2')
    assert run.returncode == 0, run.stderr
    return folder / 'work_dirs' / 'benchmark_codec'


@pytest.fixture(scope='module')
def results(out):
    return json.loads((out / 'benchmark_codec.json').read_text())


def on_cpu(results, task):
    return [
        row
        for row in results['one']['rows']
        if row['device'] == 'cpu' and row['task'] == task
    ]


@pytest.mark.parametrize(
    ('task', 'names'),
    [
        ('decode', {'argmax'} | MMPOSE | DECODERS),
        ('encode', {'fill'} | MMPOSE | ENCODERS),
    ],
)
def test_everybody_takes_part_in_every_case(results, task, names):
    found = {
        (row['keypoints'], *row['size'], row['batch'], row['name'])
        for row in on_cpu(results, task)
        if 'real' not in row['maps']
    }
    expected = {(*shape, batch) for shape in SHAPES for batch in BATCHES}
    assert found == {(*case, name) for case in expected for name in names}


def test_real_heatmaps_take_part(results, data_root):
    found = {
        (row['batch'], row['name'])
        for row in on_cpu(results, 'decode')
        if row['maps'] == '12 x 64x48, real heatmaps'
    }
    names = {'argmax'} | MMPOSE | DECODERS
    assert found == {(batch, name) for batch in BATCHES for name in names}


def test_first_calls(results, out):
    assert list(results['first'])[:2] == [
        'cpu, empty cache',
        'cpu, full cache',
    ]
    for seconds in results['first'].values():
        assert all(first > 0 for first, _ in seconds.values())
    assert '## First call' in (out / 'benchmark_codec.md').read_text()


def test_threads(results):
    assert results['one']['threads'] == dict(torch=1, opencv=1, blas=1)
    threads = results['all']['threads']
    cores = len(os.sched_getaffinity(0))
    assert threads['blas'] == cores
    assert len(results['all']['rows']) == len(results['one']['rows'])


def test_machine_and_versions(results):
    machine = results['one']['machine']
    assert machine['numpy'] == np.__version__
    assert machine['torch'] == torch.__version__
    assert machine['opencv'] == cv2.__version__
    assert machine['processor']


def test_quartiles_are_in_order(results):
    for row in results['one']['rows'] + results['all']['rows']:
        assert 0 < row['low'] <= row['median'] <= row['high']
        assert row['passes'] > 0
        assert ('speedup' in row) == (row['side'] == 'dark_codec')


def is_coarse(name):
    """Whether the highest pixel alone decides."""
    return name in ('Argmax', 'MSRAHeatmap') or (
        'Quarter' in name or 'unmodulated' in name
    )


def test_what_is_timed_is_right(results):
    for row in on_cpu(results, 'decode'):
        if row['side'] == 'limit':
            continue
        limit = 0.7 if is_coarse(row['name']) else 0.08
        if 'real' in row['maps']:
            limit = 2  # the network's own error
        assert 0 < row['check'] < limit, row['name']
        assert row['memory_share'] > 0
    for row in on_cpu(results, 'encode'):
        if row['side'] == 'dark_codec':
            assert row['check'] < 1e-6, row['name']


@torch.inference_mode()
def test_large_maps():
    """The last case of a full run, which --quick spares; few of them here."""
    *_, large = all_cases((), BATCHES, Path('none'), large=True)
    case = (large.keypoints, *large.size, large.batch)
    assert case == (308, 192, 256, 1)
    rows = list(measure_case(replace(large, keypoints=32), 'cpu', turns=2))
    # they are not encoded
    assert {row['name'] for row in rows} == {'argmax'} | MMPOSE | DECODERS
    for row in rows:
        if row['side'] != 'limit':
            # noise moves the highest pixel of so wide a peak
            limit = 1 if is_coarse(row['name']) else 0.08
            assert 0 < row['check'] < limit, row['name']
            assert row['memory_share'] > 0


def test_page_and_plot(out, results):
    page = (out / 'benchmark_codec.md').read_text()
    for heading in ('Threads: one', 'Threads: all', 'Decoding on cpu: 133 x'):
        assert heading in page
    row = next(
        row
        for row in on_cpu(results, 'decode')
        if row['name'] == 'Taylor, max' and row['batch'] == 1
    )
    line = re.search(r'^\| dark_codec: Taylor, max \|.*$', page, re.M)[0]
    cells = [cell.strip() for cell in line.split('|')[2:]]
    assert float(cells[0].split()[0]) == pytest.approx(
        1000 * row['median'], rel=0.01
    )
    assert float(re.search(r'[\d.e+]+', cells[1])[0]) == pytest.approx(
        row['speedup'], rel=0.01
    )
    slower = len(losses(results['one']['rows']))
    slower += len(losses(results['all']['rows']))
    assert page.count('(slower)') == page.count(' x MSRAHeatmap') == slower
    height, width = cv2.imread(str(out / 'benchmark_codec.png')).shape[:2]
    assert width > height > 500


def test_losses_are_listed():
    row = dict(
        task='decode',
        device='cpu',
        side='dark_codec',
        size=[48, 64],
        keypoints=17,
        maps='17 x 64x48',
        batch=1,
        name='A',
        rival='B',
    )
    (loss,) = losses([dict(row, speedup=0.5), dict(row, speedup=1.5)])
    assert loss == '- decode, cpu, 17 x 64x48, batch 1: A 0.50 x B'


@pytest.mark.parametrize(
    'options', [('--batch-sizes', '0'), ('--threads', 'few')]
)
def test_refused_arguments(tmp_path, options):
    assert options[0] in refused(call(CODEC, *options, cwd=tmp_path))


# How it is measured


def test_turns_are_interleaved():
    order = []
    contestants = [
        Contestant(name, 'limit', lambda name=name: order.append(name))
        for name in 'abc'
    ]
    timings = time_in_turns(contestants, 'cpu', turns=5)
    for name in 'abc':
        timing = timings[name]
        assert timing.turns == 5
        # warm-up of three calls, and one in each turn that is not timed
        calls = 3 + 5 * (1 + timing.calls_a_turn)
        assert order.count(name) == calls
    changes = sum(a != b for a, b in zip(order, order[1:]))
    assert changes >= 2 + 10


def test_memory_of_numpy_and_torch():
    floats = 100_000

    def with_numpy():
        first = np.ones(floats, np.float32)
        second = first + 1
        return second.sum()

    def with_torch():
        return torch.ones(floats).view(10, -1).sum()

    kilobyte = 1000
    assert abs(extra_memory(with_numpy, 'cpu') - 8 * floats) < 5 * kilobyte
    assert abs(extra_memory(with_torch, 'cpu') - 4 * floats) < 5 * kilobyte


# The data pipeline


def test_pipeline(tmp_path):
    data = write_data(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.py', data)
    budget = ['--turns', '2', '--batches', '2', '--out', 'out.json']
    run = call(PIPELINE, config, *budget, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    results = json.loads((tmp_path / 'out.json').read_text())
    workers, device = results['GenerateTarget'], results['targets_on_device']
    for found in (workers, device):
        low, high = found['quartiles']
        assert 0 < low <= found['samples_per_second'] <= high
        size = f'{found["bytes_per_sample"]:.0f} |'
        assert size in run.stdout
    heatmaps = 17 * 16 * 16 * 4
    saved = workers['bytes_per_sample'] - device['bytes_per_sample']
    assert saved == pytest.approx(heatmaps, rel=0.05)
    assert device['bytes_per_sample'] > 3 * 64 * 64


def test_pipeline_without_dark_is_refused(tmp_path):
    data = write_data(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.py', data, codec='MSRAHeatmap')
    run = call(PIPELINE, config, cwd=tmp_path)
    assert run.returncode == 1
    assert "error: targets_on_device=True needs codec=dict(type='DARK" in (
        run.stderr
    )
    assert 'Traceback' not in run.stderr


def test_pipeline_refuses_bad_arguments(tmp_path):
    message = refused(call(PIPELINE, 'no.py', cwd=tmp_path))
    assert 'no.py does not exist' in message


def test_help_is_there(tmp_path):
    for tool in (CODEC, PIPELINE):
        run = call(tool, '--help', cwd=tmp_path)
        assert run.returncode == 0
        assert 'usage' in run.stdout
