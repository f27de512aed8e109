"""codec.scores in configs of MMPose: sigmas of the data set, and tests."""

import json
import pickle

import numpy as np
import pytest
from mmengine.config import Config
from mmpose.registry import KEYPOINT_CODECS
from tiny_run import call, refusal, save_weights, write_config, write_data

from dark_codec import ExpectedOKS, HeatmapHeight, apply_codec
from dark_codec.scores import COCO_SIGMAS

COCO = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
)
MPII = (
    'mmpose::body_2d_keypoint/topdown_heatmap/mpii/'
    'td-hm_hrnet-w32_8xb64-210e_mpii-256x256.py'
)


def two_lines(folder, base, codec):
    path = folder / 'two_lines.py'
    path.write_text(
        f'_base_ = [{base!r}]\n'
        "custom_imports = dict(imports=['dark_codec'])\n"
        f"codec = dict(type='DARKCodec', {codec})\n"
    )
    return Config.fromfile(path)


def head_codec(cfg):
    return KEYPOINT_CODECS.build(cfg.model.head.decoder)


@pytest.mark.parametrize(
    'spelling', ["scores='ExpectedOKS'", "scores=dict(type='ExpectedOKS')"]
)
def test_sigmas_are_those_of_the_data_set(tmp_path, spelling):
    codec = head_codec(two_lines(tmp_path, COCO, spelling))
    assert isinstance(codec.scores, ExpectedOKS)
    assert codec.scores.sigmas == pytest.approx(COCO_SIGMAS)
    assert codec.decoder.covariance


def test_of_another_data_set(tmp_path):
    cfg = two_lines(tmp_path, MPII, "scores='ExpectedOKS'")
    assert len(head_codec(cfg).scores.sigmas) == 16


def test_own_sigmas_stay(tmp_path):
    cfg = two_lines(
        tmp_path, COCO, "scores=dict(type='ExpectedOKS', sigmas=[0.05] * 17)"
    )
    assert set(head_codec(cfg).scores.sigmas) == {0.05}


def test_options_choose_and_take_back(tmp_path):
    cfg = two_lines(tmp_path, COCO, '')
    assert isinstance(head_codec(cfg).scores, HeatmapHeight)
    cfg.merge_from_dict({'codec.scores': 'ExpectedOKS'})
    cfg = apply_codec(cfg)
    assert isinstance(head_codec(cfg).scores, ExpectedOKS)
    assert head_codec(cfg).settings == head_codec(apply_codec(cfg)).settings
    cfg.merge_from_dict({'codec.scores': 'HeatmapHeight'})
    assert isinstance(head_codec(apply_codec(cfg)).scores, HeatmapHeight)


@pytest.mark.parametrize(
    'codec, message',
    [
        ("scores=dict(type='ExpectedOKS', sigmas=[0.1] * 14)", '14 sigmas'),
        ("scores='ExpectedOks'", "did you mean 'ExpectedOKS'"),
        (
            "scores='ExpectedOKS', decoder='ArgmaxDecoder'",
            'ExpectedOKS needs covariances, which decoder=ArgmaxDecoder',
        ),
        ("scores=dict(type='ExpectedOKS', area=22)", 'area'),
    ],
)
def test_what_cannot_be_is_refused_when_the_config_is_read(
    tmp_path, codec, message
):
    with pytest.raises(ValueError, match=message):
        two_lines(tmp_path, COCO, codec)


def test_a_data_set_without_sigmas(tmp_path):
    cfg = two_lines(tmp_path, COCO, '')
    info = dict(dataset_name='mine', keypoint_info={}, skeleton_info={})
    info.update(joint_weights=[], sigmas=[])
    for loop in ('train', 'val', 'test'):
        cfg[f'{loop}_dataloader'].dataset.metainfo = info
    cfg.codec.scores = 'ExpectedOKS'
    with pytest.raises(ValueError, match='give codec.scores.sigmas'):
        apply_codec(cfg)


@pytest.fixture(scope='module')
def tested(tmp_path_factory):
    """A test with each score, of one checkpoint."""
    folder = tmp_path_factory.mktemp('scores')
    config = write_config(folder / 'tiny.py', write_data(folder / 'data'))
    save_weights(config, folder / 'weights.pth')
    for name in ('HeatmapHeight', 'ExpectedOKS'):
        result = call(
            'test.py',
            config,
            'weights.pth',
            f'--dump={name}.pkl',
            f'--out={name}.json',
            f'--work-dir={name}',
            '--cfg-options',
            f'codec.scores={name}',
            cwd=folder,
        )
        assert result.returncode == 0, result.stderr
    return folder


def test_only_the_scores_change(tested):
    height, expected = (
        pickle.loads((tested / f'{name}.pkl').read_bytes())
        for name in ('HeatmapHeight', 'ExpectedOKS')
    )
    scores = []
    for one, other in zip(height, expected, strict=True):
        one, other = one['pred_instances'], other['pred_instances']
        np.testing.assert_array_equal(one['keypoints'], other['keypoints'])
        pair = one['keypoint_scores'], other['keypoint_scores']
        scores.append(np.concatenate(pair))
    scores = np.array(scores)
    assert (scores[:, 1] >= 0).all() and (scores[:, 1] <= 1).all()
    # many of these maps have no peak, which keeps its height
    assert np.mean(scores[:, 0] != scores[:, 1]) > 0.2
    metrics = [
        json.loads((tested / f'{name}.json').read_text())
        for name in ('HeatmapHeight', 'ExpectedOKS')
    ]
    assert metrics[0].keys() == metrics[1].keys()


def test_a_wrong_score_is_one_line(tested, monkeypatch):
    monkeypatch.chdir(tested)
    wrong = '--cfg-options', 'codec.scores=ExpectdOKS'
    message = refusal('test', 'tiny.py', 'weights.pth', *wrong)
    assert "unknown scores 'ExpectdOKS'; did you mean" in message
