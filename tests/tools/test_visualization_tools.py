"""tools/visualization: targets; decoders are in end_to_end."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from tiny_run import start, write_config, write_data

from dark_codec import apply_codec
from dark_codec.cli import UserError
from dark_codec.openmmlab.config import alignment_of, head_decoder
from tools.visualization import browse_targets

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


def targets(folder, codec='DARKCodec', extra=''):
    """Those of a config that is changed by some lines, and its alignment."""
    config = write_config(
        folder / 'changed.py', folder / 'data', codec=codec, extra=extra
    )
    cfg = apply_codec(Config.fromfile(config))
    batch = browse_targets.training_batch(cfg, 3, seed=1)
    found = browse_targets.read_targets(
        batch, browse_targets.preprocess(cfg, batch)
    )
    return found, alignment_of(head_decoder(cfg))


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
    folder, codec, extra, levels
):
    found, alignment = targets(folder, codec, extra)
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
    assert browse_targets.draw(found, alignment).axes


def test_browse_targets(folder):
    config = write_config(folder / 'tiny.py', folder / 'data')
    result = start(
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
        (['tiny.py', '--cfg-options', 'a'], "key=value expected: 'a'"),
    ],
)
def test_browse_refuses(folder, monkeypatch, arguments, message):
    write_config(folder / 'tiny.py', folder / 'data')
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=message):
        browse_targets.main(arguments)


def test_browse_refuses_a_number_of_samples(capsys):
    with pytest.raises(SystemExit, match='2'):
        browse_targets.main(['tiny.py', '--samples=0'])
    assert '--samples must be 1 at least' in capsys.readouterr().err
