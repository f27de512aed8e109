"""docs/decoders.md says what bad maps decode to; this reads and holds it."""

from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from bad_maps import CENTRE, MAPS, SIGMA
from sample_maps import DECODERS

from dark_codec import DARKCodec

DOCUMENT = Path(__file__).parents[2] / 'docs' / 'decoders.md'


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
