"""A representative part of MMPose's configs, and how they are swept."""

import json
import os
import signal
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_run import call

from dark_codec import DARKCodec
from projects.zoo_sweep import checks, configs, sweep_zoo
from projects.zoo_sweep.isolation import run_isolated
from projects.zoo_sweep.report import fill_page, read_rows, write_row

TOOL = '../projects/zoo_sweep/sweep_zoo.py'
PAGE = Path(__file__).parents[2] / 'projects' / 'zoo_sweep' / 'README.md'
BODY = 'body_2d_keypoint/topdown_heatmap/coco/'
# Two stages, four levels, ViPNAS, two strides, ViT, Lite-HRNet, Swin, UDP,
# visibility, hands, faces, animals, all of the body
PASS = [
    f'{BODY}td-hm_hourglass52_8xb32-210e_coco-256x256.py',
    f'{BODY}td-hm_rsn18_8xb32-210e_coco-256x192.py',
    f'{BODY}td-hm_vipnas-mbv3_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_alexnet_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_ViTPose-small_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_litehrnet-18_8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm_swin-t-p4-w7_8xb32-210e_coco-256x192.py',
    f'{BODY}td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192.py',
    f'{BODY}td-hm-vis_res50_8xb64-210e_coco-aic-256x192-merge.py',
    'hand_2d_keypoint/topdown_heatmap/onehand10k/'
    'td-hm_mobilenetv2_8xb64-210e_onehand10k-256x256.py',
    'face_2d_keypoint/topdown_heatmap/coco_wholebody_face/'
    'td-hm_mobilenetv2_8xb32-60e_coco-wholebody-face-256x256.py',
    'animal_2d_keypoint/topdown_heatmap/locust/'
    'td-hm_res50_8xb64-210e_locust-160x160.py',
    'wholebody_2d_keypoint/topdown_heatmap/coco-wholebody/'
    'cspnext-m_udp_8xb64-210e_coco-wholebody-256x192.py',
]
REFUSED = [
    f'{BODY}td-hm_hrnet-w32_udp-regress-8xb64-210e_coco-256x192.py',
    'body_2d_keypoint/simcc/coco/simcc_res50_8xb64-210e_coco-256x192.py',
    'body_2d_keypoint/topdown_regression/coco/'
    'td-reg_res50_8xb64-210e_coco-256x192.py',
    'wholebody_2d_keypoint/dwpose/coco-wholebody/s1_dis/'
    'dwpose_l_dis_m_coco-256x192.py',
]


def sweep(*arguments, cwd, **env):
    # not what is free at the moment
    fixed = '--memory=8', '--out=rows.jsonl'
    result = call(TOOL, *arguments, *fixed, cwd=cwd, **env)
    rows = {row['config']: row for row in read_rows(cwd / 'rows.jsonl')}
    return result, rows


def test_a_part_of_the_zoo(tmp_path):
    result, rows = sweep(*PASS, *REFUSED, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert '13 passed, 0 failed, 4 refused, 0 skipped' in result.stdout
    assert {name: rows[name]['status'] for name in PASS} == dict.fromkeys(
        PASS, 'passed'
    )
    for name in REFUSED:
        assert rows[name]['status'] == 'refused'
        assert 'DARKCodec' in rows[name]['reason']
    keypoints = {rows[name]['keypoints'] for name in PASS}
    assert keypoints >= {17, 21, 68, 133}
    for name in PASS:
        assert rows[name]['error_px'] < 0.4  # a tenth of a heatmap px
        assert np.isfinite(rows[name]['loss'])


def test_without_data_and_again(tmp_path):
    """Keypoints are made up; what is in the file is not run again."""
    name = PASS[2]
    env = dict(DARK_CODEC_DATA=str(tmp_path / 'none'))
    result, rows = sweep(name, cwd=tmp_path, **env)
    assert rows[name]['status'] == 'passed', result.stderr
    assert rows[name]['samples'] == 'generated'
    with (tmp_path / 'rows.jsonl').open('a') as file:
        file.write('{"config": "half a li')
    again, rows = sweep(name, REFUSED[0], cwd=tmp_path, **env)
    text = (tmp_path / 'rows.jsonl').read_text()
    assert text.count(f'"{name}"') == text.count(f'"{REFUSED[0]}"') == 1
    assert '1 passed, 0 failed, 1 refused' in again.stdout
    assert set(rows) == {name, REFUSED[0]}
    _, rows = sweep('--fresh', REFUSED[0], cwd=tmp_path, **env)
    assert set(rows) == {REFUSED[0]}


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('no-such-network', 'no-such-network'),
        ('--page=no.md', 'no.md does not exist'),
        ('--memory=0', '--memory must be positive'),
        ('--batch=0', '--batch must be at least 1'),
    ],
)
def test_user_errors(argument, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['sweep_zoo.py', argument])
    with pytest.raises(SystemExit) as end:
        sweep_zoo.parse_args()
    assert end.value.code == 2
    assert message in capsys.readouterr().err


# what the checks find


def test_targets_of_another_codec_are_found():
    sizes = dict(input_size=(192, 256), heatmap_size=(48, 64), sigma=2)
    ours = DARKCodec(**sizes)
    same = dict(type='MSRAHeatmap', **sizes)
    assert checks.check_same_targets([ours], [same]) < 0.02
    for other in (
        dict(same, sigma=2.5),
        dict(same, type='UDPHeatmap', heatmap_size=(48, 64)),
    ):
        with pytest.raises(checks.CheckError, match='differ'):
            checks.check_same_targets([ours], [other])


@pytest.mark.parametrize('use_udp', [False, True])
def test_a_wrong_round_trip_is_found(use_udp):
    points = np.array([[[30.2, 40.1], [150.7, 200.3]]], np.float32)
    codec = DARKCodec(use_udp=use_udp)
    result = dict(
        transformed_keypoints=points, **codec.encode(points, np.ones((1, 2)))
    )
    assert checks.check_round_trip(codec, [result]) < 0.01
    other = DARKCodec(use_udp=use_udp, alignment='half_pixel')
    with pytest.raises(checks.CheckError, match='input px off'):
        checks.check_round_trip(other, [result])


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


@pytest.mark.parametrize(
    ('factor', 'message'),
    [(np.nan, 'loss is nan'), (0.0, 'no gradients')],
)
def test_a_training_without_effect_is_found(factor, message):
    assert checks.check_training(Network(2.0), [dict(x=1)]) == 2.0
    with pytest.raises(checks.CheckError, match=message):
        checks.check_training(Network(factor), [dict(x=1)])


def test_second_opinion_on_what_is_gaussian():
    for name in (*PASS, *REFUSED):
        plain = Config.fromfile(configs.ZOO / name)
        assert configs.predicts_gaussians(plain) == (name in PASS)


def test_pretrained_weights_are_taken_out():
    file = configs.ZOO / PASS[-1]
    cfg = configs.load_with_dark(file, Config.fromfile(file))
    assert 'Pretrained' in str(cfg.model)
    configs.make_runnable(cfg)
    assert 'Pretrained' not in str(cfg.model)


# a process for each config


def _raise(error):
    raise error


def test_what_fails_stays_in_its_process():
    row = run_isolated(dict, (dict(status='passed').items(),), 2.0)
    assert row['status'] == 'passed'
    row = run_isolated(_raise, (KeyError('x'),), 2.0)
    assert (row['status'], row['reason']) == ('failed', "KeyError: 'x'")
    row = run_isolated(np.ones, (2**34,), 2.0)
    assert row['status'] == 'skipped'
    assert row['reason'].startswith('memory')
    row = run_isolated(cv2.resize, (np.ones((8, 8)), (2**15, 2**15)), 2.0)
    assert row['status'] == 'skipped'
    row = run_isolated(os._exit, (3,), 2.0)
    assert (row['status'], row['reason']) == (
        'failed',
        'ended with exit code 3',
    )
    row = run_isolated(signal.raise_signal, (signal.SIGKILL,), 2.0)
    assert row['status'] == 'skipped'


# the page


def test_rows_become_tables(tmp_path):
    page = tmp_path / 'zoo.md'
    page.write_text(PAGE.read_text())
    row = dict(
        config=PASS[1],
        status='passed',
        reason='',
        codec='MegviiHeatmap',
        backbone='RSN',
        head='MSPNHead',
        input_size=[192, 256],
        keypoints=17,
        samples='coco',
        batch=2,
        error_px=0.0123,
        gap=0.03,
        loss=1.5,
        seconds=2.0,
        peak_gb=0.7,
        notes=['no Albumentation'],
    )
    path = tmp_path / 'rows.jsonl'
    write_row(path, row)
    write_row(path, dict(config='a/b/c.py', status='failed', reason='x | y'))
    fill_page(page, read_rows(path), ['d/e.py', PASS[1]])
    text = page.read_text()
    assert '| MegviiHeatmap | 1 | 1 | 0 | 0 |' in text
    assert 'RSN, MSPN | 192x256 | 17 | coco | 2 | 0.012 |' in text
    assert '| d/e | not run |' in text
    assert '| a/b/c | failed | x \\| y |' in text
    assert json.loads(path.read_text().splitlines()[1]) == row
