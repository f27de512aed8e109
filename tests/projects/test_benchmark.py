"""The benchmarks run and write what they should; nothing is timed here."""

import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from config_files import ROOT
from tiny_run import environment, write_config, write_data

from dark_codec.cli import UserError
from projects.benchmarks import benchmark_onnx
from projects.benchmarks.__main__ import COMMANDS, main
from projects.benchmarks.report import losses
from projects.benchmarks.timing import Timing, extra_memory, time_in_turns

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
    for way in ('one by one', 'batch')
}
PROCESSORS = {"ViTPose's processor", "Sapiens2's processor"}
TINY = ['--quick', '--turns=2', '--batch-sizes', '1', '2']


@pytest.fixture(scope='module')
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp('benchmark') / 'new'
    main(['codec', *TINY, f'--out={folder}'])
    return folder


@pytest.fixture(scope='module')
def results(out):
    return json.loads((out / 'codec.json').read_text())


@pytest.mark.parametrize(
    ('task', 'maps', 'names'),
    [
        ('decode', '17 x 64x48', {'argmax'} | MMPOSE | DECODERS),
        (
            'decode',
            '12 x 64x48, real heatmaps',
            {'argmax'} | MMPOSE | DECODERS,
        ),
        ('encode', '17 x 64x48', {'fill'} | MMPOSE | ENCODERS),
    ],
)
def test_everybody_takes_part_in_every_case(results, task, maps, names):
    found = [
        (row['batch'], row['name'])
        for row in results['rows']
        if (row['task'], row['maps']) == (task, maps)
    ]
    assert sorted(found) == sorted((b, name) for name in names for b in (1, 2))


def test_machine_and_versions(results):
    assert results['machine']['numpy'] == np.__version__
    assert results['machine']['torch'] == torch.__version__
    assert results['settings'] == dict(device='cpu', threads=1, turns=2)


def test_quartiles_are_in_order(results):
    for row in results['rows']:
        median, low, high = row['seconds']
        assert 0 < low <= median <= high
        assert ('times' in row) == (row['name'] in DECODERS | ENCODERS)


def test_what_is_timed_is_right(results):
    for row in results['rows']:
        if row['check'] is None:
            continue
        limit = 0.08
        if re.search('Argmax|Quarter|unmodulated|MSRAHeatmap$', row['name']):
            limit = 0.7  # the highest pixel alone decides
        if 'real' in row['maps']:
            limit = 2  # the network's own error
        if row['task'] == 'encode':
            limit = 1e-6
        assert row['check'] < limit, row
        assert row['task'] == 'encode' or row['memory'] > 0


def test_page_and_plot(out, results):
    page = (out / 'codec.md').read_text()
    row = next(r for r in results['rows'] if r['name'] == 'Taylor, max')
    line = re.search(r'^\| Taylor, max \|.*$', page, re.M)[0]
    cells = [cell.strip() for cell in line.split('|')[2:]]
    assert cells[:2] == [str(Timing(*row['seconds'])), f'{row["times"]:.3g}']
    assert page.count('\n- ') == len(losses(results['rows']))
    height, width = cv2.imread(str(out / 'codec.png')).shape[:2]
    assert width > height > 500


def test_losses_are_listed():
    row = dict(
        task='decode', maps='17 x 64x48', batch=1, name='A', baseline='B'
    )
    (loss,) = losses([dict(row, times=0.5), dict(row, times=1.5), row])
    assert loss == '- decode, 17 x 64x48, batch 1: A 0.50 x B'


def test_transformers(tmp_path):
    pytest.importorskip('transformers', reason='needs requirements/tests.txt')
    main(['transformers', *TINY[:-1], f'--out={tmp_path}'])
    rows = json.loads((tmp_path / 'transformers.json').read_text())['rows']
    ours = {f'{name}, use_dark' for name in PROCESSORS}
    assert {row['name'] for row in rows} == PROCESSORS | ours
    for row in rows:
        assert row['check'] < (2 if 'real' in row['maps'] else 0.1), row
        assert ('times' in row) == (row['name'] in ours)
    assert (
        '## transformers: 17 x 64x48'
        in (tmp_path / 'transformers.md').read_text()
    )


@pytest.mark.parametrize('option', ['--batch-sizes=0', '--turns=1'])
def test_refused_arguments(option, capsys):
    with pytest.raises(SystemExit, match='2'):
        main(['codec', option])
    assert f'{option[:-2]}: {option[-1]} is below' in capsys.readouterr().err


@pytest.mark.parametrize('command', COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit, match='0'):
        main([command, '--help'])
    usage = capsys.readouterr().out
    assert usage.startswith(f'usage: python -m projects.benchmarks {command}')


def test_as_users_start_it():
    done = subprocess.run(
        [sys.executable, '-m', 'projects.benchmarks', 'speed'],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert all(f"'{command}'" in done.stderr for command in COMMANDS)


# How it is measured


def test_turns_are_interleaved():
    order = []
    calls = {n: lambda n=n: order.append(n) for n in 'abc'}
    timings = time_in_turns(calls, turns=5)
    assert set(timings) == set('abc')
    for low, median, high in (
        (t.low, t.median, t.high) for t in timings.values()
    ):
        assert 0 < low <= median <= high
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


# The data pipeline and the test loop


@pytest.fixture
def config(tmp_path):
    data = write_data(tmp_path / 'data')
    return str(write_config(tmp_path / 'tiny.py', data))


def test_pipeline(config, tmp_path, capsys):
    out = tmp_path / 'out.json'
    budget = ['--turns=2', '--batches=2', f'--out={out}']
    main(['pipeline', config, *budget])
    results = json.loads(out.read_text())
    workers, device = results['GenerateTarget'], results['targets_on_device']
    printed = capsys.readouterr().out
    for found in (workers, device):
        low, high = found['quartiles']
        assert 0 < low <= found['samples_per_second'] <= high
        assert f'{found["bytes_per_sample"]:.0f} |' in printed
    heatmaps = 17 * 16 * 16 * 4
    saved = workers['bytes_per_sample'] - device['bytes_per_sample']
    assert saved == pytest.approx(heatmaps, rel=0.05)
    assert device['bytes_per_sample'] > 3 * 64 * 64


def test_pipeline_without_dark_is_refused(tmp_path):
    data = write_data(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.py', data, codec='MSRAHeatmap')
    with pytest.raises(UserError, match=r"needs codec=dict\(type='DARK"):
        main(['pipeline', str(config)])


def test_both_codecs_are_profiled(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    main(['profile', config, '--turns=1', '--out=profile.json'])
    rows = [r.split('|')[1:-1] for r in capsys.readouterr().out.splitlines()]
    header = next(
        i for i, r in enumerate(rows) if r and r[0].strip() == 'stage'
    )
    assert 'DARKCodec' in rows[header][1] and 'MSRAHeatmap' in rows[header][3]
    stages = [[float(x) for x in r[1:]] for r in rows[header + 2 :] if r]
    for column in (1, 3):
        total = sum(r[column] for r in stages)
        assert total == pytest.approx(100, abs=0.1)
    results = json.loads((tmp_path / 'profile.json').read_text())
    for seconds in results['seconds'].values():
        assert seconds['decoding'] > 0


@pytest.mark.parametrize('command', ['pipeline', 'profile', 'onnx'])
def test_missing_configs_are_named(command, capsys):
    with pytest.raises((UserError, SystemExit)) as error:
        main([command, 'no.py'])
    said = str(error.value) + capsys.readouterr().err
    assert 'no.py' in said


def test_onnx(config, tmp_path, capsys, monkeypatch):
    """The graphs themselves are those of tests/deployment."""
    argmax = dict(Argmax=benchmark_onnx.EXPORTED['Argmax'])
    monkeypatch.setattr(benchmark_onnx, 'EXPORTED', argmax)
    out = tmp_path / 'new' / 'found.json'
    options = ['--turns=2', '--batch-sizes', '2']
    main(['onnx', config, *options, f'--out={out}'])
    (rows,) = json.loads(out.read_text())['seconds'].values()
    assert list(rows) == ['network', 'Argmax', 'Argmax, alone']
    for timing in rows.values():
        assert 0 < timing['low'] <= timing['median'] <= timing['high']
    printed = capsys.readouterr().out
    assert '| batch 2 |' in printed and '| Argmax |' in printed
