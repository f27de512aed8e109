"""Every config: codec, sizes, data, and MMPose's weights."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from config_files import (
    CONFIGS,
    FILES,
    TOPDOWN,
    codec_of,
    described,
    load,
    network_of,
    only,
)
from mmengine.hub import get_config
from mmpose.registry import DATASETS, METRICS, MODELS

from dark_codec import DARKCodec

SIGMAS = {
    '128x96': 1,
    '256x192': 2,
    '384x288': 3,
    '256x256': 2,
    '384x384': 3,
}
MATRIX = [
    *(
        f'coco {backbone} {size}'
        for backbone in (
            'hrnet-w32',
            'hrnet-w48',
            'res50',
            'res101',
            'res152',
        )
        for size in ('128x96', '256x192', '384x288')
    ),
    'coco hourglass-4stack 128x96',
    'coco hourglass-8stack 128x96',
    'coco hourglass52 256x256',
    'coco hourglass52 384x384',
    *(
        f'mpii {backbone} 256x256'
        for backbone in (
            'hrnet-w32',
            'hrnet-w48',
            'res50',
            'res101',
            'res152',
        )
    ),
]
# by the name's middle part: encoder, decoder, whether it modulates
ABLATION = {
    'biased-argmax': ('BiasedEncoder', 'ArgmaxDecoder', None),
    'biased-shift': ('BiasedEncoder', 'QuarterShiftDecoder', None),
    'biased-taylor': ('BiasedEncoder', 'TaylorDecoder', True),
    'biased-taylor-unmodulated': ('BiasedEncoder', 'TaylorDecoder', False),
    'unbiased-shift': ('UnbiasedEncoder', 'QuarterShiftDecoder', None),
    'unbiased-taylor': ('UnbiasedEncoder', 'TaylorDecoder', True),
}
DARK = ('UnbiasedEncoder', 'TaylorDecoder', True)


def test_the_matrix_is_complete():
    found = []
    for file in FILES:
        name = described(file)
        if name['codec'] == 'dark' and not file.endswith('_test-dev.py'):
            assert file.startswith(f'{TOPDOWN}/{name["data"]}/')
            found.append('{data} {backbone} {size}'.format(**name))
    assert sorted(found) == sorted(MATRIX)


def test_the_ablation_is_complete():
    found = [
        (described(file)['codec'], described(file)['size'])
        for file in FILES
        if file.startswith('ablation/')
    ]
    expected = [(row, '128x96') for row in ABLATION]
    for size in ('256x192', '384x288'):
        expected += [('biased-shift', size), ('unbiased-taylor', size)]
    assert sorted(found) == sorted(expected)


def test_the_files_are_deltas():
    for file in FILES:
        lines = (CONFIGS / file).read_text().splitlines()
        assert lines[0].startswith(('_base_', '#')), file
        assert len(lines) <= 40, file


@pytest.mark.parametrize('file', FILES)
def test_codec_and_sizes(file):
    name, cfg = described(file), load(file)
    height, width = (int(n) for n in name['size'].split('x'))
    codec = codec_of(file)
    assert type(codec) is DARKCodec
    assert codec.input_size == (width, height)
    assert codec.heatmap_size == (width // 4, height // 4)
    assert codec.sigma == SIGMAS[name['size']]
    # MMPose's weights are of this alignment
    assert codec.alignment == 'asymmetric'
    assert cfg.model.test_cfg.flip_test and cfg.model.test_cfg.shift_heatmap
    encoder, decoder, modulates = ABLATION.get(name['codec'], DARK)
    assert type(codec.encoder).__name__ == encoder
    assert type(codec.decoder).__name__ == decoder
    if modulates is not None:
        modulation = codec.decoder.modulation
        assert (modulation is not None) == modulates
    if modulates:
        # Eq. 11, and Eq. 10 with the kernel of the training targets
        assert modulation.rescale == 'minmax'
        kernel = modulation.kernel
        middle = len(kernel) // 2
        assert middle == 3 * codec.sigma
        np.testing.assert_allclose(
            kernel[middle] / kernel[-1], np.exp(middle**2 / codec.sigma**2 / 2)
        )
    if encoder == 'BiasedEncoder':
        assert codec.encoder.quantise == 'round'
    for loop in ('train', 'val', 'test'):
        pipeline = cfg[f'{loop}_dataloader'].dataset.pipeline
        warp = only(pipeline, 'TopdownAffine')
        assert tuple(warp.input_size) == codec.input_size
        target = only(pipeline, 'GenerateTarget')
        assert (target is not None) == (loop == 'train')
        if target:
            assert target.encoder == cfg.model.head.decoder
    # what the network gives
    picture = torch.empty(1, 3, height, width, device='meta')
    heatmaps = network_of(file)._forward(picture)
    stacked = isinstance(heatmaps, list)
    for stage in heatmaps if stacked else [heatmaps]:
        keypoints = {'coco': 17, 'mpii': 16}[name['data']]
        assert stage.shape == (1, keypoints, height // 4, width // 4)
    stacks = re.fullmatch(r'hourglass-(\d)stack', name['backbone'])
    assert (len(heatmaps) if stacked else 1) == int(stacks[1] if stacks else 1)


@pytest.mark.parametrize('file', FILES)
def test_data(file):
    """Pictures, labels and detections are those of the same base."""
    name, cfg = described(file), load(file)
    train, val = (
        cfg[f'{loop}_dataloader'].dataset for loop in ('train', 'val')
    )
    if name['data'] == 'mpii':
        assert train.ann_file == 'annotations/mpii_train.json'
        assert val.ann_file == 'annotations/mpii_val.json'
        assert cfg.val_evaluator.type == 'MpiiPCKAccuracy'
        return
    assert train.ann_file == 'annotations/person_keypoints_train2017.json'
    assert val.ann_file == 'annotations/person_keypoints_val2017.json'
    assert val.bbox_file == (
        'data/coco/person_detection_results/'
        'COCO_val2017_detections_AP_H_56_person.json'
    )
    assert not cfg.val_evaluator.get('format_only')
    assert cfg.val_evaluator.ann_file == f'data/coco/{val.ann_file}'


MMPOSE_DARK = [
    *(
        f'coco/td-hm_{backbone}_dark-8xb{batch}-210e_coco-{size}.py'
        for backbone, batch in (
            ('hrnet-w32', 64),
            ('hrnet-w48', 32),
            ('res50', 64),
            ('res101', 64),
            ('res152', 32),
        )
        for size in ('256x192', '384x288')
    ),
    'mpii/td-hm_hrnet-w32_dark-8xb64-210e_mpii-256x256.py',
    'mpii/td-hm_hrnet-w48_dark-8xb64-210e_mpii-256x256.py',
]


@pytest.mark.parametrize('theirs', MMPOSE_DARK)
def test_mmposes_checkpoints_fit(theirs):
    """The same parameters, for the same preprocessing, of the same sizes."""
    name = described(theirs)
    (ours,) = (
        file
        for file in FILES
        if Path(file).parent.name == name['data']
        and Path(file).name.startswith(f'td-hm_{name["backbone"]}_dark-')
        and file.endswith(f'-{name["size"]}.py')
    )
    their_cfg = get_config(f'mmpose::{TOPDOWN}/{theirs}')
    our_cfg = load(ours)
    with torch.device('meta'):
        their_model = MODELS.build(their_cfg.model)
    shapes = [
        {key: value.shape for key, value in model.state_dict().items()}
        for model in (their_model, network_of(ours))
    ]
    assert shapes[0] == shapes[1] and shapes[0]
    for key in ('backbone', 'data_preprocessor'):
        assert their_cfg.model[key] == our_cfg.model[key]
    their_codec = their_cfg.model.head.decoder
    for key in ('input_size', 'heatmap_size', 'sigma'):
        expected = their_codec[key]
        expected = tuple(expected) if key != 'sigma' else expected
        assert getattr(codec_of(ours), key) == expected


def test_test_dev_submission(tmp_path):
    """The config needs no labels, and writes what COCO's server reads."""
    (file,) = (file for file in FILES if file.endswith('_test-dev.py'))
    cfg = load(file)
    dataset, evaluator = cfg.test_dataloader.dataset, cfg.test_evaluator
    assert dataset.ann_file == 'annotations/image_info_test-dev2017.json'
    assert evaluator.ann_file == f'data/coco/{dataset.ann_file}'
    assert 'test-dev2017_detections_AP_H_609' in dataset.bbox_file
    assert dataset.data_prefix.img == 'test2017/'
    info = dict(
        images=[dict(id=7, file_name='7.jpg', width=64, height=48)],
        categories=[dict(id=1, name='person')],
    )
    detections = [
        dict(image_id=7, category_id=kind, bbox=[4, 4, 20, 40], score=0.9)
        for kind in (1, 3)
    ]
    (tmp_path / 'annotations').mkdir()
    (tmp_path / dataset.ann_file).write_text(json.dumps(info))
    (tmp_path / 'boxes.json').write_text(json.dumps(detections))
    dataset.data_root = str(tmp_path)
    dataset.bbox_file = str(tmp_path / 'boxes.json')
    evaluator.ann_file = str(tmp_path / dataset.ann_file)
    evaluator.outfile_prefix = str(tmp_path / 'new' / 'results')
    dataset = DATASETS.build(dataset)
    assert len(dataset) == 1  # the person
    assert dataset.get_data_info(0)['img_path'].endswith('test2017/7.jpg')
    metric = METRICS.build(evaluator)
    metric.dataset_meta = dataset.metainfo
    prediction = dict(
        keypoints=np.full((1, 17, 2), 12.5),
        keypoint_scores=np.full((1, 17), 0.8),
        bbox_scores=np.array([0.9]),
    )
    boxes = dict(bbox_scales=np.array([[20.0, 40.0]]))
    sample = dict(
        id=0, img_id=7, pred_instances=prediction, gt_instances=boxes
    )
    metric.process({}, [sample])
    assert metric.evaluate(size=1) == {}
    written = tmp_path / 'new' / 'results.keypoints.json'
    (person,) = json.loads(written.read_text())
    assert person['image_id'] == 7 and person['category_id'] == 1
    assert len(person['keypoints']) == 3 * 17
    assert person['score'] == pytest.approx(0.8 * 0.9)
