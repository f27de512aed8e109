"""The quickstart with a tiny budget, run as a user runs it."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from importlib.metadata import distribution
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_run import call

from dark_codec.analysis.decoders_by_name import BY_TITLE, DARK
from projects.quickstart.__main__ import CONFIG, main, take_folder
from projects.quickstart.report import render_table
from projects.quickstart.scores import Score, best, gain

ROOT = Path(__file__).parents[2]
EPOCHS = 3  # of two iterations
TINY = [f'--epochs={EPOCHS}', '--figures=64', '--test-figures=40']
# made by tools/setup_env.sh of this checkout, which has nothing to do then
INSTALLED = json.loads(
    distribution('dark_codec').read_text('direct_url.json') or '{}'
)
IN_OWN_ENVIRONMENT = (
    Path(sys.prefix, '.dark_codec_env').exists()
    and INSTALLED.get('url') == ROOT.as_uri()
)
PICTURES = ['predictions', 'modulation', 'quantisation', 'curve']


@contextmanager
def started(*arguments):
    """A quickstart in a process group of its own, as a shell starts it."""
    command = ['bash', ROOT / 'tools/quickstart.sh']
    if not IN_OWN_ENVIRONMENT:
        command = [sys.executable, '-m', 'projects.quickstart']
    process = subprocess.Popen(
        [str(part) for part in [*command, *arguments]],
        cwd=ROOT,
        env={**os.environ, 'VENV': sys.prefix, 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # all may be gone
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A work dir, and what the run printed that finished it.

    The run before was killed with all its processes after its first epoch.
    """
    folder = tmp_path_factory.mktemp('quick start') / 'work_dir'
    latest = folder / 'training/last_checkpoint'
    with started('--work-dir', folder, *TINY) as process:
        wait_for(latest, process)
    epoch = int(re.search(r'epoch_(\d+)', latest.read_text())[1])
    assert 1 <= epoch < EPOCHS
    with started('--work-dir', folder, *TINY) as process:
        printed, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    # MMEngine speaks in the log, and nowhere else
    log = (folder / 'log.txt').read_text()
    assert f'resumed epoch: {epoch}' in log
    assert log.count(f'Epoch(train) [{EPOCHS}][2/2]') == 1
    assert 'Average Precision' in log
    assert 'Epoch(' not in printed + errors
    assert len(printed.splitlines()) < 40 and len(errors.splitlines()) < 5
    return folder, printed


@pytest.fixture(scope='module')
def record(finished):
    return json.loads((finished[0] / 'table.json').read_text())


def test_everything_is_written(finished, record):
    folder, printed = finished
    for name in PICTURES:
        height, width = cv2.imread(str(folder / f'{name}.png')).shape[:2]
        assert height > 300 and width > 800
    table = (folder / 'table.md').read_text()
    report = (folder / 'report.md').read_text()
    assert table in printed and table in report
    shown = re.findall(r'\]\((\w+)\.png\)', report)
    assert shown == PICTURES
    assert list(record['rows']) == list(BY_TITLE)
    assert record['machine']['torch'] == torch.__version__
    assert (record['test_figures'], record['seed']) == (40, 0)
    for row in record['rows'].values():
        error = row['error_px']
        assert error['low'] < error['mean'] < error['high']


@pytest.mark.parametrize('decoder', ['argmax', DARK])
def test_row_equals_what_the_test_tool_reports(
    decoder, record, finished, tmp_path
):
    result = call(
        'test.py',
        CONFIG,
        finished[0] / f'training/epoch_{EPOCHS}.pth',
        '--work-dir=tested',
        '--out=metrics.json',
        '--dump=predictions.pkl',
        '--cfg-options',
        f'codec.decoder={BY_TITLE[decoder]["type"]}',
        'test_dataloader.dataset.num_samples=40',
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    row = record['rows'][decoder]
    for ours, theirs in [('AP', 'AP'), ('AP50', 'AP .5'), ('AR', 'AR')]:
        assert row[ours] == pytest.approx(metrics[f'coco/{theirs}'], abs=1e-6)
    distances = [
        np.linalg.norm(
            sample['pred_instances']['keypoints']
            - sample['gt_instances']['keypoints'],
            axis=-1,
        )
        for sample in pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    ]
    assert row['error_px']['mean'] == pytest.approx(
        np.mean(distances), abs=1e-3
    )


def test_the_next_steps_work_as_printed(finished):
    folder, printed = finished
    steps = printed.split('\n\n')[-2]
    assert len(re.findall(r'\w+\.py ', steps)) == 3 + 1  # and the config
    # as many figures as were tested here
    few = '--cfg-options test_dataloader.dataset.num_samples=40'
    steps = steps.replace(f"epoch_{EPOCHS}.pth'", f"epoch_{EPOCHS}.pth' {few}")
    assert few in steps
    done = subprocess.run(
        ['bash', '-ec', steps], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (folder / 'comparison/report.md').is_file()
    assert (folder / 'diagnosis/diagnosis.md').is_file()


def test_a_second_run_only_evaluates(finished, record, capsys):
    folder, _ = finished
    folder = folder.rename(folder.with_name('moved'))
    try:
        main(['--work-dir', str(folder), *TINY])
    finally:
        folder.rename(finished[0])
    assert 'trained already' in capsys.readouterr().out
    after = json.loads((finished[0] / 'table.json').read_text())
    assert after['rows'] == record['rows']


@pytest.mark.parametrize(
    'number, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_interrupted(tmp_path, number, code):
    """Ctrl-C, and a kill, which only the first process hears of."""
    folder = tmp_path / 'work'
    options = [*TINY, '--epochs=90']
    with started('--work-dir', folder, *options) as process:
        wait_for(folder / 'training/epoch_1.pth', process)
        with pytest.raises(ValueError, match='another quickstart is at work'):
            take_folder(folder, {})
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == code
        assert errors.endswith(
            'Interrupted: continue with the same command.\n'
        )
        with pytest.raises(ProcessLookupError):  # no worker is left
            os.killpg(process.pid, 0)
    with pytest.raises(ValueError, match='other settings'):
        take_folder(folder, {'epochs': 3})  # and not that it is in use


# the folder


@pytest.mark.parametrize('fresh', [False, True])
def test_foreign_folders_are_left_alone(tmp_path, fresh, capsys):
    (tmp_path / 'thesis.tex').write_text('mine')
    command = ['--work-dir', str(tmp_path)]
    with pytest.raises(SystemExit, match='2'):
        main([*command, '--fresh'] if fresh else command)
    assert 'holds things that no quickstart has made' in (
        capsys.readouterr().err
    )
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_other_settings_need_a_fresh_start(tmp_path):
    folder = tmp_path / 'work'
    take_folder(folder, dict(epochs=3, figures=8)).close()
    (folder / 'report.md').write_text('old')
    with pytest.raises(ValueError, match=r'epochs: 3 then, 4 now.*--fresh'):
        take_folder(folder, dict(epochs=4, figures=8))
    take_folder(folder, dict(epochs=3, figures=8)).close()
    for number in (1, 2):
        take_folder(folder, dict(epochs=4), fresh=True).close()
        assert [path.name for path in folder.iterdir()] == ['quickstart.json']
        assert (tmp_path / f'work.{number}').is_dir()
    assert (tmp_path / 'work.1/report.md').read_text() == 'old'


def test_bad_arguments(tmp_path, capsys):
    (tmp_path / 'file').touch()
    for argument, message in (
        ('--epochs=0', 'is not positive'),
        (f'--work-dir={tmp_path / "file"}', 'File exists'),
    ):
        with pytest.raises(SystemExit, match='2'):
            main([argument])
        assert message in capsys.readouterr().err


# the numbers


def scores(**errors):
    metrics = dict(AP=0.5, AP50=0.5, AP75=0.5, AR=0.5)
    return {
        name.replace('_', ' '): Score(metrics, np.zeros((0, 17, 2)), values)
        for name, values in errors.items()
    }


def test_no_best_where_the_difference_may_be_none(rng):
    errors = rng.uniform(1, 5, 500)
    noise = rng.normal(0, 0.5, 500)
    noise += 0.005 - noise.mean()
    found = scores(
        argmax=errors + 1,
        quarter_shift=errors + noise,
        third=errors,
        fourth=errors + 0.01,
    )
    # 0.01 px is certain, as all figures say it; 0.005 px of noise is not
    assert best(found) == ['quarter shift', 'third']
    difference = gain(found, 'fourth', 'argmax')
    assert difference == pytest.approx((0.99, 0.99, 0.99))
    low, high = gain(found, 'third', 'quarter shift')[1:]
    assert high - low == pytest.approx(4 * 0.5 / 500**0.5, rel=0.15)

    table, _, finding = render_table(found).partition('\n\n')
    assert len({len(line) for line in table.splitlines()}) == 1  # aligned
    assert table.count('**') == 2 * len(best(found))
    assert 'Not distinguishable' in finding
    only = scores(argmax=errors + 1, quarter_shift=errors)
    assert 'The least error: quarter shift.' in render_table(only)
