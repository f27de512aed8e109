"""tools/quickstart.sh with a tiny budget, run as a user runs it."""

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_run import call

from dark_codec.analysis.examples import (
    choose_examples,
    count_peaks,
)
from dark_codec.analysis.prediction import DARK, predict
from dark_codec.analysis.quantisation import (
    quantisation_errors,
)
from projects.quickstart.evaluation import (
    DECODERS,
    score_all,
)
from projects.quickstart.training import CONFIG, read_curve
from projects.quickstart.workdir import (
    OUTPUTS,
    Refused,
    WorkDir,
)

ROOT = Path(__file__).parents[2]

EPOCHS = 3  # of two iterations
TINY = [f'--epochs={EPOCHS}', '--figures=64', '--test-figures=40']
IN_OWN_ENVIRONMENT = Path(sys.prefix, '.dark_codec_env').exists()


def command(*arguments):
    """The script, where the environment is its own; else what it runs."""
    script = ['bash', ROOT / 'tools/quickstart.sh']
    if not IN_OWN_ENVIRONMENT:
        script = [sys.executable, ROOT / 'projects/quickstart/run.py']
    return [str(part) for part in [*script, *arguments]]


ENV = {**os.environ, 'VENV': sys.prefix, 'OMP_NUM_THREADS': '1'}


def quickstart(*arguments):
    return subprocess.run(
        command(*arguments),
        env=ENV,
        capture_output=True,
        text=True,
        timeout=900,
    )


@contextmanager
def started(*arguments):
    """A quickstart in a process group of its own, as a shell starts it."""
    process = subprocess.Popen(
        command(*arguments),
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        # of those that are left, if any
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def processes_that_name(folder):
    found = []
    for path in Path('/proc').glob('[0-9]*/cmdline'):
        with suppress(OSError):  # it has ended meanwhile
            if os.fsencode(folder) in path.read_bytes():
                found.append(path)
    return found


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A work dir, and what the run printed that finished it.

    The run before was killed with all its processes after its first epoch.
    """
    folder = tmp_path_factory.mktemp('quick start') / 'work dir'
    latest = folder / 'training/last_checkpoint'
    with started('--work-dir', folder, *TINY) as process:
        wait_for(latest, process)
    epoch = int(re.search(r'epoch_(\d+)', latest.read_text())[1])
    assert 1 <= epoch < EPOCHS
    result = quickstart('--work-dir', folder, *TINY)
    assert result.returncode == 0, result.stderr
    assert f'Resuming after epoch {epoch} of {EPOCHS}' in result.stdout
    # MMEngine speaks in the log, and nowhere else
    assert f'Epoch(train) [{EPOCHS}]' in (folder / 'log.txt').read_text()
    assert 'Epoch(' not in result.stdout + result.stderr
    assert 'Average Precision' not in result.stdout + result.stderr
    assert len((result.stdout + result.stderr).splitlines()) < 60
    return folder, result.stdout


@pytest.fixture(scope='module')
def table(finished):
    return json.loads((finished[0] / 'table.json').read_text())


@pytest.fixture(scope='module')
def config(finished):
    """The config as trained, with paths that the test tool needs."""
    (path,) = (finished[0] / 'training').glob('*.py')
    return path


@pytest.fixture(scope='module')
def prediction(finished, config, tmp_path_factory):
    cfg = Config.fromfile(config)
    cfg.work_dir = str(tmp_path_factory.mktemp('predicted'))
    cfg.load_from = str(finished[0] / f'training/epoch_{EPOCHS}.pth')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the commands: these maps are nearly flat
    yield predict(cfg)
    torch.set_num_threads(threads)


# the run


def test_everything_is_written(finished):
    folder, printed = finished
    written = {path.name for path in folder.iterdir()}
    assert written == {*OUTPUTS, 'training', 'quickstart.json'}
    for name in OUTPUTS:
        if name.endswith('.png'):
            height, width = cv2.imread(str(folder / name)).shape[:2]
            assert height > 300 and width > 800
    table = (folder / 'table.md').read_text()
    assert table in printed
    report = (folder / 'report.md').read_text()
    assert table in report
    shown = re.findall(r'\]\((\S+\.png)\)', report)
    assert sorted(shown) == sorted(n for n in OUTPUTS if n.endswith('.png'))


def test_table_has_all_decoders_and_what_they_ran_on(table):
    assert [row['decoder'] for row in table['rows']] == list(DECODERS)
    assert table['machine']['torch'] == torch.__version__
    assert table['machine']['cores'] == str(len(os.sched_getaffinity(0)))
    assert table['test_figures'] == 40
    assert table['seed'] == 0
    assert '--test-figures=40' in table['command']
    # the killed one could not write down its seconds
    (session,) = table['sessions']
    assert session['last_epoch'] == EPOCHS and session['seconds'] > 0
    for row in table['rows']:
        error = row['error_px']
        assert error['low'] < error['value'] < error['high']


@pytest.mark.parametrize('decoder', ['argmax', DARK])
def test_row_equals_what_the_test_tool_reports(
    decoder, table, finished, config, prediction, tmp_path
):
    """The same metrics, and since those are low here, the same keypoints."""
    result = call(
        'test.py',
        config,
        finished[0] / f'training/epoch_{EPOCHS}.pth',
        '--work-dir=tested',
        '--out=metrics.json',
        '--dump=predictions.pkl',
        '--cfg-options',
        f'codec.decoder={DECODERS[decoder]}',
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    row = next(row for row in table['rows'] if row['decoder'] == decoder)
    for ours, theirs in [('AP', 'AP'), ('AP50', 'AP .5'), ('AR', 'AR')]:
        assert row[ours] == pytest.approx(metrics[f'coco/{theirs}'], abs=1e-6)
    dumped = pickle.loads((tmp_path / 'predictions.pkl').read_bytes())
    theirs = [sample['pred_instances']['keypoints'] for sample in dumped]
    score = score_all(prediction)[decoder]
    # maps of a network that has hardly learnt are flat, and rounding differs
    # with the size of the batch; another decoder is a tenth of a pixel off
    np.testing.assert_allclose(score.points, np.concatenate(theirs), atol=1e-2)
    distance = np.linalg.norm(
        np.concatenate(theirs) - prediction.truth, axis=-1
    )
    mean = distance[prediction.labelled].mean()
    assert row['error_px']['value'] == pytest.approx(mean, abs=1e-3)


def test_curve_spans_the_interruption(finished):
    losses, precisions = read_curve(finished[0] / 'training')
    assert set(precisions) == {EPOCHS}
    # the last iteration of the first epoch, before, and of the last, after
    assert {2, 2 * EPOCHS} <= set(losses) <= set(range(1, 2 * EPOCHS + 1))
    assert all(loss > 0 for loss in losses.values())


def test_a_second_run_only_evaluates(finished, tmp_path):
    folder = tmp_path / 'moved'
    shutil.copytree(finished[0], folder)
    before = json.loads((folder / 'table.json').read_text())
    options = ['--work-dir', folder, *TINY]
    result = call('../projects/quickstart/run.py', *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert 'Trained already' in result.stdout
    after = json.loads((folder / 'table.json').read_text())
    assert after['rows'] == before['rows']
    assert after['sessions'] == before['sessions']
    for log in (folder / 'log.txt'), (finished[0] / 'log.txt'):
        assert log.read_text().count(f'Epoch(train) [{EPOCHS}][2/2]') == 1


@pytest.mark.parametrize(
    'number, code', [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_fresh_and_interrupted(finished, tmp_path, number, code):
    """Ctrl-C, and a kill, which only the first process hears of."""
    folder = tmp_path / 'copy'
    shutil.copytree(finished[0], folder)
    # MMEngine gives the config the same name again
    old = {p.name for p in (folder / 'training').iterdir()} - {CONFIG.name}
    with started('--work-dir', folder, '--fresh', '--epochs=90') as process:
        mark = folder / 'quickstart.json'
        while '"epochs": 90' not in mark.read_text():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        assert {p.name for p in folder.iterdir()} <= {mark.name, 'training'}
        with pytest.raises(Refused, match='another quickstart is at work'):
            WorkDir(folder, {}, fresh=True)
        wait_for(folder / 'training', process)
        assert not old & {p.name for p in (folder / 'training').iterdir()}
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == code
        if number == signal.SIGINT:
            assert errors.endswith(
                'Interrupted: continue with the same command.\n'
            )
        assert not processes_that_name(folder)
        WorkDir(folder, {}, fresh=True)  # the lock is free


# the folder


def test_foreign_folders_are_left_alone(tmp_path):
    (tmp_path / 'thesis.tex').write_text('mine')
    (tmp_path / 'training').mkdir()
    result = quickstart('--work-dir', tmp_path, '--fresh')
    assert result.returncode == 2
    assert 'Traceback' not in result.stderr
    assert 'holds what no quickstart has made: thesis.tex' in result.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'thesis.tex',
        'training',
    ]


@pytest.mark.parametrize('place', ['notes.txt', 'training/best.pth'])
def test_what_others_put_there_is_not_deleted(tmp_path, place):
    begun = WorkDir(tmp_path, {}, fresh=False)
    begun.training.mkdir()
    (tmp_path / 'table.md').write_text('old')
    (tmp_path / place).write_text('mine')
    del begun
    with pytest.raises(Refused, match=re.escape(place)):
        WorkDir(tmp_path, {}, fresh=True)
    assert (tmp_path / place).read_text() == 'mine'
    assert (tmp_path / 'table.md').read_text() == 'old'


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(Refused, match='is no folder'):
        WorkDir(tmp_path / 'file', {}, fresh=False)


def test_other_settings_need_a_fresh_start(tmp_path):
    begun = WorkDir(tmp_path, dict(epochs=3, figures=8), fresh=False)
    begun.add_session(dict(seconds=1))
    del begun
    with pytest.raises(Refused, match='epochs: 3 then, 4 now.*--fresh'):
        WorkDir(tmp_path, dict(epochs=4, figures=8), fresh=False)
    same = WorkDir(tmp_path, dict(epochs=3, figures=8), fresh=False)
    assert same.sessions == [dict(seconds=1)]
    del same
    assert WorkDir(tmp_path, dict(epochs=4), fresh=True).sessions == []


@pytest.mark.parametrize('argument', ['--epochs=0', '--figures=-1'])
def test_bad_arguments(argument):
    result = quickstart(argument)
    assert result.returncode == 2
    assert 'is not positive' in result.stderr


def test_help_needs_no_environment(tmp_path):
    script = ROOT / 'tools/quickstart.sh'
    result = subprocess.run(
        ['bash', script, '--help'],
        env={**os.environ, 'VENV': str(tmp_path / 'none')},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert '--fresh' in result.stdout and '--work-dir' in result.stdout
    assert not (tmp_path / 'none').exists()


# the numbers


def test_scores_of_perfect_heatmaps(prediction):
    """What the encoder draws is decoded to the truth, except by argmax."""
    codec = prediction.codec(DECODERS[DARK])
    inputs = prediction.to_input(prediction.truth)
    drawn = [codec.encode(points[None])['heatmaps'] for points in inputs]
    perfect = prediction._replace(heatmaps=torch.tensor(np.array(drawn)))
    scores = score_all(perfect)
    # a keypoint outside of the crop, at the border of the image, is lost
    outside = (inputs < 0) | (inputs > np.array(codec.input_size) - 1)
    assert (outside.any(-1) & prediction.labelled).mean() < 0.02
    assert scores[DARK].metrics['coco/AP'] > 0.98
    assert scores['argmax'].metrics['coco/AP'] < 0.95
    dark, argmax = scores[DARK], scores['argmax']
    assert dark.error.value < 0.3
    assert dark.gain.value == pytest.approx(
        argmax.error.value - dark.error.value
    )
    assert dark.gain.low > 0.5
    assert argmax.gain.value == argmax.gain.low == argmax.gain.high == 0


def test_examples_are_what_they_are_said_to_be(prediction):
    score = score_all(prediction)[DARK]
    errors = np.linalg.norm(score.points - prediction.truth, axis=-1)
    ragged, usual = choose_examples(prediction, errors, DECODERS)
    heatmaps = prediction.heatmaps.numpy()
    maxima = heatmaps.max((2, 3))
    middle = np.median(maxima[prediction.labelled])
    found = prediction.labelled & (maxima >= middle)
    most = max(count_peaks(h) for h in heatmaps[found])
    assert ragged.predicted.max() >= middle
    assert count_peaks(ragged.predicted) == most
    names = prediction.runner.test_dataloader.dataset.metainfo
    keypoint = names['keypoint_name2id'][usual.keypoint]
    np.testing.assert_array_equal(
        usual.predicted, heatmaps[usual.figure, keypoint]
    )
    labelled = np.sort(errors[prediction.labelled])
    place = np.searchsorted(labelled, errors[usual.figure, keypoint])
    assert abs(place - len(labelled) / 2) <= 1
    # half-pixel: the estimator's affine, then 4 input px per heatmap px
    meta = prediction.samples[usual.figure].metainfo
    corner = np.array(meta['input_center']) - meta['input_scale'] / 2
    pixel = prediction.truth[usual.figure, keypoint] - corner
    pixel = pixel / meta['input_scale'] * (48, 64)
    np.testing.assert_allclose(usual.truth, (pixel - 1.5) / 4, atol=1e-4)


def test_count_peaks():
    heatmap = np.zeros((9, 12), np.float32)
    heatmap[4, 2] = 1
    assert count_peaks(heatmap) == 1
    heatmap[4, 4] = 0.6
    heatmap[2, 2] = 0.4  # too low
    heatmap[4, 8] = 0.9  # too far
    assert count_peaks(heatmap) == 2


def test_quantisation_errors(prediction):
    codec = prediction.codec(DECODERS[DARK])
    # 4 input px per heatmap px: at heatmap px (1, 1) plus (0, .25, .75) px
    points = np.array([[5.5, 5.5], [6.5, 5.5], [5.5, 8.5]])
    errors = quantisation_errors(points, codec)
    np.testing.assert_allclose(errors['floor'], [0, 1, 3], atol=1e-5)
    np.testing.assert_allclose(errors['ceil'], [0, 3, 1], atol=1e-5)
    np.testing.assert_allclose(errors['round'], [0, 1, 1], atol=1e-5)
