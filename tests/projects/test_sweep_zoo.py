"""A sample of MMPose's configs with the two lines; what the checks find."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from dark_codec import DARKCodec
from projects.zoo_sweep import __main__ as sweep
from projects.zoo_sweep import checks

BODY = 'body_2d_keypoint/topdown_heatmap/coco/'
# four levels, ViPNAS, two strides, ViT, UDP, keypoints of two datasets, hands,
# another input size
PASS = [
    f'{BODY}td-hm_rsn18_8xb32-210e_coco-256x192.py',
    f'{BODY}td-hm_vipnas-mbv3_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_alexnet_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_ViTPose-small_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm-vis_res50_8xb64-210e_coco-aic-256x192-merge.py',
    'hand_2d_keypoint/topdown_heatmap/onehand10k/'
    'td-hm_mobilenetv2_8xb64-210e_onehand10k-256x256.py',
    'animal_2d_keypoint/topdown_heatmap/locust/'
    'td-hm_res50_8xb64-210e_locust-160x160.py',
]
REFUSED = [
    f'{BODY}td-hm_hrnet-w32_udp-regress-8xb64-210e_coco-256x192.py',
    'body_2d_keypoint/simcc/coco/simcc_res50_8xb64-210e_coco-256x192.py',
    'wholebody_2d_keypoint/dwpose/coco-wholebody/s1_dis/'
    'dwpose_l_dis_m_coco-256x192.py',
]


@pytest.mark.parametrize('name', PASS)
def test_gaussian_heatmaps_take_the_two_lines(name):
    row = checks.check_config(name)
    assert row['status'] == 'passed', row['reason']
    assert row['codec'] in ('MSRAHeatmap', 'UDPHeatmap', 'MegviiHeatmap')


@pytest.mark.parametrize('name', REFUSED)
def test_others_are_refused(name):
    row = checks.check_config(name)
    assert row['status'] == 'refused'
    assert 'DARKCodec' in row['reason']


# what the checks find


def test_targets_of_another_codec_are_found():
    sizes = dict(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
    ours = DARKCodec(**sizes)
    same = dict(type='MSRAHeatmap', **sizes)
    checks.check_same_targets([ours], [same])
    for other in (dict(same, sigma=2.5), dict(same, type='UDPHeatmap')):
        with pytest.raises(AssertionError, match='differ'):
            checks.check_same_targets([ours], [other])


@pytest.mark.parametrize('use_udp', [False, True])
def test_a_wrong_round_trip_is_found(use_udp):
    points = np.array([[[30.2, 40.1], [150.7, 200.3]]], np.float32)
    codec = DARKCodec(use_udp=use_udp)
    result = dict(
        transformed_keypoints=points, **codec.encode(points, np.ones((1, 2)))
    )
    checks.check_round_trip(codec, result)
    other = DARKCodec(use_udp=use_udp, alignment='half_pixel')
    with pytest.raises(AssertionError, match='px off'):
        checks.check_round_trip(other, result)


class Network(torch.nn.Module):
    """Has the loss and the gradients that it is told."""

    def __init__(self, factor):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.factor = factor

    def train_step(self, data, optim_wrapper):
        loss = (self.weight * self.factor).sum()
        optim_wrapper.update_params(loss)
        return dict(loss=loss)


def test_a_training_without_effect_is_found():
    checks.check_training(Network(2.0), [dict(x=1)])
    for factor, message in ((np.nan, 'loss is nan'), (0.0, 'no gradients')):
        with pytest.raises(AssertionError, match=message):
            checks.check_training(Network(factor), [dict(x=1)])


# the command and its page


def test_the_command_reports_what_fails(capsys):
    names = [REFUSED[0], PASS[0], 'no/such.py']
    rows = [sweep.quiet_check(name) for name in names[::2]]
    assert [row['status'] for row in rows] == ['refused', 'skipped']
    with pytest.raises(SystemExit, match='0'):
        sweep.main([REFUSED[0]])
    assert '1 refused' in capsys.readouterr().out
    with pytest.raises(SystemExit, match='2'):
        sweep.main(['no-such-network'])
    assert 'no-such-network' in capsys.readouterr().err


def test_rows_become_tables(tmp_path):
    page = tmp_path / 'README.md'
    page.write_text(sweep.PAGE.read_text())
    rows = {
        'a/b/c.py': dict(status='failed', reason='x | y', codec=''),
        'd/e/f.py': dict(status='refused', reason='DARKCodec ...', codec=''),
        PASS[0]: dict(
            status='passed',
            reason='',
            codec='MegviiHeatmap',
            network='RSN, MSPN',
            input_size='192x256',
            keypoints=17,
            note='stand-in backbone',
        ),
    }
    rows = [dict(row, config=name) for name, row in rows.items()]
    page.write_text(sweep.fill(page.read_text(), sweep.tables(rows)))
    text = page.read_text()
    assert '| MegviiHeatmap | 1 |' in text and '| all | 1 |' in text
    assert 'RSN, MSPN | 192x256 | 17 | stand-in backbone |' in text
    assert '| a/b/c | failed | x \\| y |' in text
    assert '| d/e | 1 | DARKCodec ... |' in text


def test_the_page_is_that_of_the_installed_configs():
    """Of each config, the page says what came of it."""
    text = sweep.PAGE.read_text()
    gaussian = 0
    for path in Path(checks.ZOO).rglob('td-hm_res50*.py'):
        plain = Config.fromfile(path)
        if checks.predicts_gaussians(plain):
            gaussian += 1
            name = path.relative_to(checks.ZOO).as_posix()
            assert f'\n| {sweep.short_name(name)} | ' in text
    assert gaussian > 20
