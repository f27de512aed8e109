"""What alignments carry, and that one more is used everywhere."""

import numpy as np
import oracles
import pytest
import torch
from mmengine.config import Config
from mmpose.models.heads import HeatmapHead
from mmpose.structures import PoseDataSample

from dark_codec import DARKCodec, apply_codec
from dark_codec.analysis.flip_offset import (
    contradiction,
    expected_offset,
    find_alignment,
)
from dark_codec.functional import ALIGNMENTS, Alignment, get_alignment

STRIDES = [1, 2, 3, 4, 8]
CONFIG = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
)


@pytest.fixture
def corners(monkeypatch):
    """A heatmap px stands for s input px, the first of which it names."""
    corners = Alignment(lambda w, width: (w / width, w / width / 2))
    monkeypatch.setitem(ALIGNMENTS, 'corners', corners)
    return 'corners'


@pytest.mark.parametrize('stride', STRIDES)
@pytest.mark.parametrize('name', ALIGNMENTS)
def test_flip_gap(name, stride):
    """By the plain place and the mirrored one, mirrored back."""
    width = 24
    w = width * stride
    for x in (0, 7.25, w - 1):
        plain = oracles.input_to_heatmap(x, w, width, name)
        mirrored = oracles.input_to_heatmap(w - 1 - x, w, width, name)
        gap = ALIGNMENTS[name].flip_gap(w, width)
        assert gap == pytest.approx(plain - (width - 1 - mirrored), abs=1e-8)


@pytest.mark.parametrize('stride', STRIDES)
def test_flip_bias(stride):
    """Half an input px at every stride, and none where there is no gap."""
    w, width = 24 * stride, 24
    bias = {n: a.flip_bias(w, width) for n, a in ALIGNMENTS.items()}
    assert bias.pop('asymmetric') == pytest.approx(0.5, abs=1e-7)
    assert set(bias.values()) == {0.0}


@pytest.mark.parametrize('name', ['corners', None, ['half_pixel']])
def test_unknown_names(name):
    with pytest.raises(ValueError, match='alignment must be one of.*asymm'):
        get_alignment(name)
    with pytest.raises(ValueError, match='alignment must be one of.*asymm'):
        DARKCodec(alignment=name)


def test_a_new_alignment_in_the_codec(rng, corners):
    codec = DARKCodec(alignment=corners, decoder='GaussianFitDecoder')
    # 4 X + 2: the middle of the four input px from 4 X to 4 X + 4
    maps = codec.encode(np.array([[[102.0, 82.0]]]))['heatmaps']
    assert maps[0].argmax() == 20 * 48 + 25 and maps.max() == 1
    points = rng.uniform(40, 150, (1, 9, 2))
    decoded, _ = codec.decode(codec.encode(points)['heatmaps'])
    np.testing.assert_allclose(decoded, points, atol=1e-3)


def test_a_new_alignment_in_a_flip_test(rng, corners):
    points = rng.uniform(40, 150, (1, 9, 2))
    for correct, left in ((True, 0), (False, 0.5)):
        cfg = dict(
            type='DARKCodec', alignment=corners, correct_flip_shift=correct
        )
        head = HeatmapHead(
            in_channels=9,
            out_channels=9,
            deconv_out_channels=None,
            final_layer=None,
            decoder=cfg,
        )
        views = points, points * [-1, 1] + [192 - 1, 0]
        maps = [head.decoder.encode(view)['heatmaps'] for view in views]
        sample = PoseDataSample(metainfo=dict(flip_indices=list(range(9))))
        (found,) = head.predict(
            [(torch.from_numpy(m)[None],) for m in maps],
            [sample],
            dict(flip_test=True, shift_heatmap=False),
        )
        error = found.keypoints - points
        np.testing.assert_allclose(error[..., 0], left, atol=1e-2)


def test_a_new_alignment_in_a_config(corners, tmp_path):
    text = f"_base_ = '{CONFIG}'\ncodec = dict(type='DARKCodec', alignment="
    (tmp_path / 'new.py').write_text(f'{text}{corners!r})\n')
    cfg = apply_codec(Config.fromfile(tmp_path / 'new.py'))
    assert cfg.model.head.decoder.alignment == corners
    assert cfg.model.test_cfg.shift_heatmap is False


def test_a_new_alignment_is_diagnosed(rng, corners):
    sizes = (192, 256), (48, 64)
    plain = rng.uniform(5, 40, (300, 5, 2))
    noise = rng.normal(0, 0.3, plain.shape)
    found = find_alignment(plain, plain + [0.25, 0] + noise, *sizes)
    assert found.verdict == corners
    assert contradiction(found, corners) == ''
    assert "match 'corners'" in contradiction(found, 'half_pixel')
    # half an input px
    offset = expected_offset(found, *sizes, 'half_pixel')
    np.testing.assert_allclose(offset, -0.125, atol=1e-6)
