"""The change that users make to MMPose's HRNet config, and what it reaches.

MMPose's own tools run such a config in test_mmpose_tools.py.
"""

import math
import re
from pathlib import Path

import mmpose
import numpy as np
import pytest
from mmengine.config import Config
from mmpose.datasets.transforms import GenerateTarget, TopdownAffine
from mmpose.registry import DATASETS, MODELS
from samples import CONFIGS
from tiny_run import write_data

from dark_codec import (
    DARKCodec,
    QuarterShiftDecoder,
    TaylorDecoder,
    UnbiasedEncoder,
    apply_codec,
)

HRNET = 'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
MMPOSE = Path(mmpose.__file__).parent / '.mim'
SHIPPED = CONFIGS / 'coco' / HRNET.replace('w32_', 'w32_dark-')
BASE = f"""
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/coco/{HRNET}']
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
"""
QUARTER_SHIFT = """
codec = dict(
    type='DARKCodec',
    alignment='half_pixel',
    decoder=dict(type='QuarterShiftDecoder'),
)
"""
RESTATED = """
dark = dict(
    type='DARKCodec', input_size=(192, 256), heatmap_size=(48, 64), sigma=2
)
model = dict(head=dict(decoder=dark))
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=dark['input_size']),
    dict(type='GenerateTarget', encoder=dark),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""


def edited_copy():
    """MMPose's whole config with another codec line."""
    folder = MMPOSE / 'configs/body_2d_keypoint/topdown_heatmap/coco'
    text = (folder / HRNET).read_text()
    text = text.replace('../../../_base_/', 'mmpose::_base_/')
    text, changes = re.subn(r"type='MSRAHeatmap'", "type='DARKCodec'", text)
    assert changes == 1
    return (
        "custom_imports = dict(imports=['dark_codec'], "
        f'allow_failed_imports=False)\n{text}'
    )


FORMS = {
    'two lines': BASE + "codec = dict(type='DARKCodec')\n",
    'quarter shift': BASE + QUARTER_SHIFT,
    'edited copy': edited_copy(),
    'restated': BASE + RESTATED,
    # the repository's own file
    'shipped': f'_base_ = [{str(SHIPPED)!r}]\n',
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('two lines') / 'data')


@pytest.fixture(params=FORMS)
def cfg(request, data, tmp_path):
    """A config as our tools use it, on a few people."""
    path = tmp_path / 'config.py'
    path.write_text(FORMS[request.param])
    cfg = Config.fromfile(path)
    cfg.train_dataloader.dataset.update(
        data_root=str(data),
        ann_file='people.json',
        data_prefix=dict(img='images/'),
    )
    cfg.quarter_shift = request.param == 'quarter shift'
    return apply_codec(cfg)


def is_expected(codec, cfg):
    decoder = QuarterShiftDecoder if cfg.quarter_shift else TaylorDecoder
    assert isinstance(codec, DARKCodec)
    assert isinstance(codec.encoder, UnbiasedEncoder)
    assert isinstance(codec.decoder, decoder)
    assert codec.alignment == (
        'half_pixel' if cfg.quarter_shift else 'asymmetric'
    )
    assert codec.input_size == (192, 256)
    assert codec.heatmap_size == (48, 64)
    assert codec.sigma == 2
    return True


def test_the_head_decodes_with_it_and_the_flip_test_fits(cfg):
    assert is_expected(MODELS.build(cfg.model.head).decoder, cfg)
    assert cfg.model.test_cfg['flip_test']
    assert cfg.model.test_cfg['shift_heatmap'] != cfg.quarter_shift


def gaussian(x, y, stride, half_pixel):
    """The target of one keypoint by the paper's Eq. 14, with peak 1."""
    shift = 0.5 if half_pixel else 0
    u, v = (x + shift) / stride - shift, (y + shift) / stride - shift
    return [
        [
            math.exp(-((i - u) ** 2 + (j - v) ** 2) / (2 * 2**2))
            for i in range(48)
        ]
        for j in range(64)
    ]


def test_the_training_pipeline_encodes_with_it(cfg):
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    transforms = dataset.pipeline.transforms
    (warp,) = (t for t in transforms if isinstance(t, TopdownAffine))
    assert tuple(warp.input_size) == (192, 256)
    (target,) = (t for t in transforms if isinstance(t, GenerateTarget))
    assert is_expected(target.encoder, cfg)

    results = dataset.get_data_info(0)
    for transform in transforms[: transforms.index(target) + 1]:
        results = transform(results)
    points = results['transformed_keypoints'][0]
    drawn = np.flatnonzero(results['keypoint_weights'][0])
    assert len(drawn) > 5
    for k in drawn:
        expected = gaussian(*points[k], 4, cfg.quarter_shift)
        np.testing.assert_allclose(results['heatmaps'][k], expected, atol=1e-5)
