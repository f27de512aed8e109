"""tools/visualization: targets and logs; decoders are in end_to_end."""

import json
import runpy
import sys

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from tiny_run import TOOLS, call, write_config, write_data

from dark_codec import apply_codec
from dark_codec.openmmlab.engine.logs import read_scalars

ON_DEVICE = '\ntargets_on_device = True\n'
MULTILEVEL = """
levels = [dict(codec, sigma=sigma) for sigma in (2.0, 1.0)]
train_pipeline[3] = dict(
    type='GenerateTarget', encoder=levels, multilevel=True)
"""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    write_data(folder / 'data')
    return folder


@pytest.fixture(scope='module')
def browse():
    return runpy.run_path(str(TOOLS / 'visualization/browse_targets.py'))


def targets(browse, folder, codec='DARKCodec', extra=''):
    """Those of a config that is changed by some lines, and its alignment."""
    config = write_config(
        folder / 'changed.py', folder / 'data', codec=codec, extra=extra
    )
    cfg = apply_codec(Config.fromfile(config))
    batch = browse['training_batch'](cfg, 3, seed=1)
    build = browse['MODELS'].build
    samples = build(cfg.model.data_preprocessor)(batch, training=True)
    found = browse['read_targets'](batch, samples['data_samples'])
    return found, browse['alignment_of'](browse['head_decoder'](cfg))


@pytest.mark.parametrize(
    'codec, extra, levels',
    [
        ('DARKCodec', '', 1),
        ('DARKCodec', ON_DEVICE, 1),
        ('DARKCodec', MULTILEVEL, 2),
        ('MSRAHeatmap', '', 1),
        ('UDPHeatmap', '', 1),
    ],
)
def test_targets_have_their_peaks_at_the_keypoints(
    browse, folder, codec, extra, levels
):
    found, alignment = targets(browse, folder, codec, extra)
    assert len(found) == 3 * levels
    assert alignment == (
        'align_corners' if codec == 'UDPHeatmap' else 'asymmetric'
    )
    stride = 63 / 15 if codec == 'UDPHeatmap' else 4
    for target in found:
        assert target.image.shape == (64, 64, 3)
        for k in np.flatnonzero(target.drawn):
            row, column = divmod(target.heatmaps[k].argmax(), 16)
            off = target.points[k] / stride - (column, row)
            assert np.abs(off).max() <= 0.51
    assert browse['draw'](found, alignment).axes


def test_browse_targets(folder):
    config = write_config(folder / 'tiny.py', folder / 'data')
    result = call(
        'visualization/browse_targets.py',
        config,
        '--samples=4',
        '--out=new/folder/targets.png',
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    assert cv2.imread(str(folder / 'new/folder/targets.png')).std() > 20


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['no.py'], 'no.py does not exist'),
        (['tiny.py', '--out=a.txt'], 'must end in .png'),
        (['tiny.py', '--samples=0'], '--samples must be 1 at least'),
    ],
)
def test_browse_refuses(
    browse, folder, monkeypatch, capsys, arguments, message
):
    write_config(folder / 'tiny.py', folder / 'data')
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'argv', ['browse_targets.py', *arguments])
    with pytest.raises(SystemExit, match='2'):
        browse['run_tool'](browse['main'])
    assert message in capsys.readouterr().err


# logs


def write_log(work_dir, session, *entries, end=''):
    folder = work_dir / session / 'vis_data'
    folder.mkdir(parents=True)
    lines = ''.join(json.dumps(entry) + '\n' for entry in entries)
    (folder / 'scalars.json').write_text(lines + end)


def trained(step, loss):
    return dict(loss=loss, epoch=step, iter=step, step=step)


@pytest.fixture
def resumed(tmp_path):
    """Killed in the third iteration, and resumed after the first."""
    work_dir = tmp_path / 'resumed'
    write_log(
        work_dir,
        '20260101_000000',
        trained(1, 8.0),
        {'coco/AP': 0.1, 'time': 1.0, 'step': 1},
        trained(2, 7.0),
        end='{"loss": 6.5, "ep',
    )
    write_log(
        work_dir,
        '20260101_000100',
        trained(2, 6.0),
        trained(3, 5.0),
        {'coco/AP': 0.3, 'time': 1.0, 'step': 3},
    )
    return work_dir


def test_sessions_are_joined(resumed):
    scalars = read_scalars(resumed)
    assert scalars.training['loss'] == {1: 8.0, 2: 6.0, 3: 5.0}
    assert scalars.validation['coco/AP'] == {1: 0.1, 3: 0.3}
    assert scalars.unit == 'epoch'


def test_a_training_that_counts_iterations(tmp_path):
    entries = [dict(loss=1.0, iter=4, step=4), {'PCK': 0.5, 'step': 4}]
    write_log(tmp_path, 'a', *entries)
    scalars = read_scalars(tmp_path)
    assert scalars.unit == 'iteration'
    assert scalars.validation['PCK'] == {4: 0.5}


def test_plot_logs(resumed, tmp_path):
    write_log(
        tmp_path / 'other', 'a', trained(1, 9.0), {'coco/AP': 0, 'step': 1}
    )
    tool = 'visualization/plot_logs.py'
    result = call(tool, 'resumed', 'other', '--out=p.png', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    height, width, _ = cv2.imread(str(tmp_path / 'p.png')).shape
    assert width > 2 * height  # two panels


def test_plot_logs_draws_what_was_logged(resumed):
    plot = runpy.run_path(str(TOOLS / 'visualization/plot_logs.py'))
    runs = {resumed: plot['read'](resumed)}
    keys = plot['default_keys'](runs[resumed])
    assert keys == ['loss', 'coco/AP']
    left, right = plot['draw'](runs, keys).axes
    assert left.lines[0].get_xydata().tolist() == [[1, 8], [2, 6], [3, 5]]
    assert right.lines[0].get_xydata().tolist() == [[1, 0.1], [3, 0.3]]
    assert (left.get_xlabel(), right.get_xlabel()) == ('iteration', 'epoch')
    with pytest.raises(plot['UserError'], match='--keys AP: .* loss, .*coco'):
        plot['draw'](runs, ['AP'])
    with pytest.raises(plot['UserError'], match='no log of a training'):
        plot['read'](resumed.parent)
