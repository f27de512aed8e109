"""Two lines over MMPose's config, under MMPose's own tools and API.

Everything runs on COCO's sample photographs, and is compared, to the last
digit, with what our tools make of the same file.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import mmpose
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.device import get_device
from mmpose.apis import MMPoseInferencer, inference_topdown, init_model
from mmpose.registry import KEYPOINT_CODECS
from samples import ROOT, losses, succeeded
from tiny_run import call_all, ended, free_port, refusal

from dark_codec import DARKCodec

MMPOSE = Path(mmpose.__file__).parent / '.mim' / 'tools'
BASE = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_res50_8xb64-210e_coco-256x192.py'
)
TWO_LINES = f"""
_base_ = [{BASE!r}]
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
{{codec}}
"""
DARK = "codec = dict(type='DARKCodec')"
# A small network, and as much of COCO as there is; nothing of the codec's
SMALL = """
model = dict(
    backbone=dict(
        depth=18, stem_channels=8, base_channels=8, init_cfg=None),
    head=dict(
        in_channels=64,
        deconv_out_channels=(8, 8, 8),
        init_cfg=dict(  # so large that heatmaps have peaks
            type='Normal', layer=['Conv2d', 'ConvTranspose2d'], std=0.2),
    ),
)
data = dict(
    data_root='{coco}', ann_file='test_coco.json', data_prefix=dict(img=''))
loader = dict(batch_size=4, num_workers=0, persistent_workers=False)
train_dataloader = dict(**loader, dataset=data)
val_dataloader = dict(**loader, dataset=dict(**data, bbox_file=None))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file='{coco}/test_coco.json')
test_evaluator = val_evaluator
train_cfg = dict(max_epochs=1, val_begin=9)
default_hooks = dict(logger=dict(interval=1))
randomness = dict(seed=3)
"""
# A dataset of datasets, weights that are averaged, targets on the device
COMBINED = """
targets_on_device = True
custom_hooks = [
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.02,
         priority='LOW')
]
train_dataloader = dict(
    _delete_=True,
    **loader,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=[
            dict(
                type='CocoDataset', data_mode='topdown', **data,
                pipeline=[dict(
                    type='KeypointConverter', num_keypoints=17,
                    mapping=[(0, 1), (1, 0), (5, 5), (6, 6)])]),
            dict(
                type='MpiiDataset', data_mode='topdown',
                data_root='{mpii}', ann_file='test_mpii.json',
                data_prefix=dict(img=''),
                pipeline=[dict(
                    type='KeypointConverter', num_keypoints=17,
                    mapping=[(0, 16), (1, 14), (2, 12), (3, 11)])]),
        ],
        pipeline={{{{_base_.train_pipeline}}}},
        test_mode=False))
"""
OPTIONS = ['codec.alignment=half_pixel', 'codec.sigma=1.5']


def write_config(path, data_root, codec=DARK, more=''):
    """A file of two lines, and what makes it small."""
    samples = data_root / 'mmpose_samples'
    text = TWO_LINES.format(codec=codec) + SMALL.format(coco=samples / 'coco')
    path.write_text(text + more.format(mpii=samples / 'mpii'))
    return path.name


@pytest.fixture(scope='module')
def folder(data_root, tmp_path_factory):
    """Everything that these tests look at: runs of all the tools."""
    folder = tmp_path_factory.mktemp('mmpose tools')
    two = write_config(folder / 'two_lines.py', data_root)
    combined = write_config(folder / 'combined.py', data_root, more=COMBINED)
    options = ['--cfg-options', *OPTIONS]
    jobs = {}
    for who, tools in (('theirs', MMPOSE), ('ours', ROOT / 'tools')):
        train, test = tools / 'train.py', tools / 'test.py'
        run = f'--work-dir={who}'
        checkpoint = f'{who}/epoch_1.pth'
        jobs[f'{who} train'] = [train, two, run, *options]
        for name, config, more in (
            ('test', two, options),
            ('test saved', f'{who}/two_lines.py', []),
        ):
            jobs[f'{who} {name}'] = [
                test,
                config,
                checkpoint,
                f'--work-dir={who} {name}',
                f'--dump={who} {name}.pkl',
                *more,
            ]
        jobs[f'{who} resume'] = [
            train,
            two,
            run,
            '--resume',
            *options,
            'train_cfg.max_epochs=2',
        ]
        jobs[f'{who} combined'] = [
            train,
            combined,
            f'--work-dir={who} combined',
        ]
    jobs['browse'] = [
        MMPOSE / 'misc/browse_dataset.py',
        two,
        '--not-show',
        '--output-dir=pictures',
        '--max-item-per-dataset=2',
        *options,
        'targets_on_device=True',
    ]
    jobs['print'] = [
        MMPOSE / 'analysis_tools/print_config.py',
        two,
        '--options',
        *OPTIONS,
    ]
    misspelt = "codec = dict(type='DarkCodec')"
    config = write_config(folder / 'misspelt.py', data_root, misspelt)
    jobs['misspelt'] = [MMPOSE / 'train.py', config]
    call_all(jobs, folder, fresh={'theirs train'})
    return folder


def saved_codec(folder, run, config):
    """The codec of the head in the config that a run has saved."""
    head = Config.fromfile(folder / run / config).model.head
    return KEYPOINT_CODECS.build(head.decoder)


def is_half_pixel(codec):
    assert isinstance(codec, DARKCodec)
    assert (codec.alignment, codec.sigma) == ('half_pixel', 1.5)
    assert codec.input_size == (192, 256)
    return True


@pytest.mark.parametrize('run', ['train', 'resume'])
def test_the_same_losses(folder, run):
    found = {}
    for who in ('theirs', 'ours'):
        text = succeeded(folder, f'{who} {run}')
        assert 'half_pixel, sigma 1.5, 192x256 -> 48x64' in text
        assert is_half_pixel(saved_codec(folder, who, 'two_lines.py'))
        found[who] = losses(folder / who)
    assert found['theirs'] == found['ours']
    # 12 people, 4 a step; epoch 1, and epoch 2 by --resume
    assert len(found['theirs']) == 6
    assert min(found['theirs']) > 0


def predictions(path):
    """Keypoints and scores of a dump, by person."""
    found = {}
    with open(path, 'rb') as file:
        for sample in pickle.load(file):
            people = sample['pred_instances']
            found[sample['id']] = np.concatenate(
                [people['keypoints'], people['keypoint_scores'][..., None]],
                axis=-1,
            )
    return found


@pytest.mark.parametrize('run', ['test', 'test saved'])
def test_the_same_predictions(folder, run):
    found = {}
    for who in ('theirs', 'ours'):
        succeeded(folder, f'{who} {run}')
        found[who] = predictions(folder / f'{who} {run}.pkl')
    assert len(found['theirs']) == 12
    # peaks in several places, so that a codec can be told from another
    spread = [np.ptp(p[..., 0]) for p in found['theirs'].values()]
    assert np.median(spread) > 10
    assert found['theirs'].keys() == found['ours'].keys()
    for person, keypoints in found['theirs'].items():
        np.testing.assert_array_equal(keypoints, found['ours'][person])


def test_the_saved_config_predicts_what_the_options_did(folder):
    for who in ('theirs', 'ours'):
        with_options = predictions(folder / f'{who} test.pkl')
        saved = predictions(folder / f'{who} test saved.pkl')
        for person, keypoints in with_options.items():
            np.testing.assert_array_equal(keypoints, saved[person])


def test_combined_datasets_averages_and_targets_on_the_device(folder):
    found = []
    for who in ('theirs', 'ours'):
        text = succeeded(folder, f'{who} combined')
        assert 'targets are rendered on the training device' in text
        run = f'{who} combined'
        assert saved_codec(folder, run, 'combined.py').sigma == 2
        saved = Config.fromfile(folder / run / 'combined.py')
        dataset = saved.train_dataloader.dataset
        kinds = [transform.type for transform in dataset.pipeline]
        assert 'GenerateTarget' not in kinds
        (augment,) = saved.model.data_preprocessor.batch_augments
        assert augment.encoder == saved.model.head.decoder
        found.append(losses(folder / run))
    assert found[0] == found[1] and len(found[0]) > 4


def test_browse_dataset(folder):
    text = succeeded(folder, 'browse')
    assert 'half_pixel, sigma 1.5' in text
    assert len(list((folder / 'pictures').glob('*.jpg'))) == 2


def test_print_config(folder):
    text = succeeded(folder, 'print').split('Config:')[1]
    assert text.count("alignment='half_pixel'") >= 4
    assert text.count("type='DARKCodec'") >= 4
    assert 'MSRAHeatmap' not in text


@pytest.mark.skipif(
    get_device() != 'cpu', reason='more processes than GPUs, perhaps'
)
def test_dist_train_on_two_processes_without_a_gpu(folder):
    """MMPose's script, torch.distributed.launch and its train.py."""
    python = Path(sys.executable).parent
    result = subprocess.run(
        ['bash', MMPOSE / 'dist_train.sh', 'two_lines.py', '2',
         '--work-dir=two', '--cfg-options', *OPTIONS],
        cwd=folder,
        env={
            **os.environ,
            'PATH': f'{python}:{os.environ["PATH"]}',
            'PYTHONPATH': str(ROOT),
            'OMP_NUM_THREADS': '1',
            'PORT': str(free_port()),
        },
        capture_output=True,
        text=True,
        timeout=900,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    assert is_half_pixel(saved_codec(folder, 'two', 'two_lines.py'))
    # 12 people, 4 a step on each of two processes
    assert len(losses(folder / 'two')) == 2
    # the first step sees other people, but the same weights
    one, two = losses(folder / 'ours')[0], losses(folder / 'two')[0]
    assert two == pytest.approx(one, rel=0.5)


def test_the_api_predicts_what_the_tools_did(folder, data_root):
    """init_model, inference_topdown and MMPoseInferencer, of two lines."""
    weights = str(folder / 'theirs/epoch_1.pth')
    model = init_model(
        str(folder / 'two_lines.py'),
        weights,
        device='cpu',
        cfg_options={'codec.alignment': 'half_pixel', 'codec.sigma': 1.5},
    )
    assert is_half_pixel(model.head.decoder)
    saved = init_model(
        str(folder / 'ours/two_lines.py'), weights, device='cpu'
    )
    coco = data_root / 'mmpose_samples/coco'
    labels = json.loads((coco / 'test_coco.json').read_text())
    images = {image['id']: image for image in labels['images']}
    expected = predictions(folder / 'theirs test.pkl')
    for person in labels['annotations']:
        if person['id'] not in expected:
            continue
        image = images[person['image_id']]
        picture = str(coco / image['file_name'])
        x, y, w, h = person['bbox']
        # as the dataset does, inside of the picture
        box = [
            x,
            y,
            min(x + w, image['width'] - 1),
            min(y + h, image['height'] - 1),
        ]
        found, same = (
            inference_topdown(one, picture, np.array([box]))[0].pred_instances
            for one in (model, saved)
        )
        np.testing.assert_array_equal(found.keypoints, same.keypoints)
        # the tool had batches of 4, which rounds otherwise; under another
        # alignment they would be 1.5 px of the crop away
        np.testing.assert_allclose(
            found.keypoints, expected[person['id']][..., :2], atol=0.1
        )
    inferencer = MMPoseInferencer(
        pose2d=str(folder / 'theirs/two_lines.py'),
        pose2d_weights=weights,
        det_model='whole_image',
        device='cpu',
    )
    assert is_half_pixel(inferencer.inferencer.model.head.decoder)
    (result,) = inferencer(picture)
    (sample,) = inference_topdown(model, picture)
    np.testing.assert_allclose(
        result['predictions'][0][0]['keypoints'],
        sample.pred_instances.keypoints[0],
        atol=1e-3,
    )
    two_lines = MMPoseInferencer(
        pose2d=str(folder / 'two_lines.py'), pose2d_weights=weights,
        det_model='whole_image', device='cpu',
    )  # fmt: skip
    assert isinstance(two_lines.inferencer.model.head.decoder, DARKCodec)


def test_misspellings(folder):
    """One sentence: an exception from theirs, a user error from ours."""
    code, log = ended(folder, 'misspelt')
    theirs = log.strip().splitlines()[-1].removeprefix('ValueError: ')
    assert code == 1 and 'DARKCodec' in theirs
    assert refusal('train', folder / 'misspelt.py').endswith(theirs)
    assert not (folder / 'work_dirs').exists()
