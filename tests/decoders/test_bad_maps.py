"""docs/decoders.md says what bad maps decode to; this reads and holds it."""

from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from sample_maps import DECODERS, gaussians

from dark_codec import DARKCodec

DOCUMENT = Path(__file__).parents[2] / 'docs' / 'decoders.md'
SIZE, SIGMA = (48, 64), 2.0
PEAK = (20, 30)
CENTRE = (20.3, 30.4)
INF, NAN = np.inf, np.nan


def gaussian(height=1.0):
    return height * gaussians(np.array([CENTRE]), SIZE, SIGMA)[0]


def with_pixel(value, at, background=None):
    heatmap = (
        gaussian() if background is None else np.full((64, 48), background)
    )
    heatmap[at[1], at[0]] = value
    return heatmap


def pit():
    heatmap = -5 * gaussian()
    heatmap[30, 20] = 1e-3
    return heatmap


def small_map():
    return gaussians(np.array([[1.2, 0.1]]), (3, 2), SIGMA)[0]


FILL = np.full((64, 48), 1.0)
HALF, BRAIN = torch.float16, torch.bfloat16
# Heatmap, dtype, where refined decoders find it, and to how many px. (None:
# float32; CENTRE; 1e-3. Where a map is no Gaussian, decoders differ.)
MAPS = {
    'all zero': (0 * FILL,),
    'constant, positive': (0.7 * FILL,),
    'constant, negative': (-0.7 * FILL,),
    'nowhere positive': (-gaussian(),),
    'NaN everywhere': (NAN * FILL,),
    'one NaN far from the peak': (with_pixel(NAN, (5, 5)),),
    '+inf everywhere': (INF * FILL,),
    'one +inf': (with_pixel(INF, (5, 5)),),
    '-inf everywhere': (-INF * FILL,),
    'one -inf far from the peak': (with_pixel(-INF, (5, 5)),),
    'one -inf beside the peak': (with_pixel(-INF, (21, 30)),),
    '-inf but for one pixel': (with_pixel(1, PEAK, -INF),),
    'one hot pixel inside': (with_pixel(1, PEAK, 0.0), None, PEAK),
    'one hot pixel on the border': (
        with_pixel(1, (0, 30), 0.0),
        None,
        (-SIGMA, 30),
        0.05,
    ),
    'one hot pixel in the corner': (
        with_pixel(1, (47, 63), 0.0),
        None,
        (47 + SIGMA / 2**0.5, 63 + SIGMA / 2**0.5),
        0.05,
    ),
    'positive pixel in a deep pit': (pit(), None, PEAK),
    'flat top, cut off at 0.6': (gaussian().clip(max=0.6), None, CENTRE, 0.9),
    'peak of 1e-6': (gaussian(1e-6),),
    'peak of 1e4': (gaussian(1e4),),
    'peak of 1e4 in float16': (gaussian(1e4), HALF, CENTRE, 0.01),
    'float16': (gaussian(), HALF, CENTRE, 0.01),
    'bfloat16': (gaussian(), BRAIN, CENTRE, 0.05),
    'float64': (gaussian(), torch.float64),
    'float64, peak of 1e39': (gaussian(1e39), torch.float64),
    'float64, peak of 1e-46': (gaussian(1e-46), torch.float64),
    '1x1, positive': (np.ones((1, 1)),),
    '2x3, the peak in the middle column': (
        small_map(),
        None,
        (1.2, 0.1),
        0.35,
    ),
}


def read_table():
    """The rows of the table by their first cell: dicts by column."""
    lines = DOCUMENT.read_text().split('<!-- bad maps -->')[1].split('\n\n')[0]
    header, _, *rows = (
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in lines.strip().splitlines()
    )
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows}


TABLE = read_table()


def build(args):
    return DARKCodec(sigma=SIGMA, decoder=args).decoder


def test_the_table_is_about_these_maps():
    assert set(TABLE) == set(MAPS)
    for row in TABLE.values():
        assert set(row) == {'heatmap', 'score', *DECODERS}


def make(name):
    heatmap, dtype, centre, tolerance = (
        *MAPS[name],
        *(None, CENTRE, 1e-3)[len(MAPS[name]) - 1 :],
    )
    tensor = torch.from_numpy(np.array(heatmap)).to(dtype or torch.float32)
    return tensor[None, None], centre, tolerance


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('column', DECODERS)
@pytest.mark.parametrize('name', MAPS)
def test_the_table_is_true(name, column, kernel):
    heatmaps, centre, tolerance = make(name)
    decoded = build(DECODERS[column])(heatmaps)
    point = decoded.points[0, 0].double().numpy()
    check_score(TABLE[name], decoded.scores.item(), heatmaps)
    cell = TABLE[name][column]
    height, width = heatmaps.shape[2:]
    # in float32 for bfloat16, which numpy does not know
    heatmap = heatmaps[0, 0].float().numpy()
    if cell == 'middle':
        expected, tolerance = ((width - 1) / 2, (height - 1) / 2), 0
    elif cell == 'refined':
        expected = centre
    else:
        expected, tolerance = np.array(oracles.argmax(heatmap), float), 0
        if cell == 'shifted':
            expected += quarter_shift(heatmap)
        else:
            assert cell == 'pixel'
    assert np.abs(point - expected).max() <= tolerance
    own_rule = dict(argmax='pixel', shift='shifted').get(column, 'refined')
    assert decoded.refined.item() == (cell == own_rule)


def quarter_shift(heatmap):
    # the sign of inf - inf is unknown, that of equals is 0
    return oracles.quarter_shift_sign(np.maximum(heatmap, -1e30))


def check_score(row, score, heatmaps):
    if row['score'] == '0':
        assert score == 0
    else:
        assert row['score'] == 'maximum'
        assert score == heatmaps.float().max().item()


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('column', DECODERS)
def test_the_codec_gives_the_same_in_input_px(column):
    """All 48x64 maps of the table in one batch, by batch_decode."""
    names = [name for name in MAPS if make(name)[0].shape[2:] == (64, 48)]
    # beyond float32 is infinity, and below it zero, also in this batch
    maps = torch.cat([make(name)[0].double() for name in names])
    codec = DARKCodec(sigma=SIGMA, decoder=DECODERS[column])
    keypoints, scores = codec.batch_decode(maps)
    assert len(keypoints) == len(scores) == len(names) > 20
    decoded = codec.decoder(maps)
    for i, name in enumerate(names):
        assert keypoints[i].dtype == scores[i].dtype == np.float32
        np.testing.assert_allclose(
            keypoints[i][0], 4 * decoded.points[i], rtol=1e-6
        )
        middle = np.array_equal(keypoints[i][0, 0], [94, 126])
        assert (
            middle
            == (scores[i].item() == 0)
            == (TABLE[name][column] == 'middle')
        )
