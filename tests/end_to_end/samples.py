"""Runs on MMPose's sample photographs, and what they write."""

import json
import os
from pathlib import Path

from tiny_run import ended, narrow_hrnet

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs/body_2d_keypoint/topdown_heatmap'
SAMPLE_CONFIGS = ROOT / 'projects/mmpose_samples/configs'
COCO_SAMPLES = SAMPLE_CONFIGS / (
    'td-hm_res18-slim_dark-1xb12-15e_coco-samples-128x96.py'
)
COCO_EPOCHS = 15


def succeed(result):
    """What a command printed, if it went well."""
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    return result.stdout


def succeeded(folder, name):
    """What a tool of `call_all` printed, if it went well."""
    code, text = ended(folder, name)
    assert code == 0, text[-3000:]
    return text


def scalars(work_dir):
    """What each run in a work dir logged, oldest run first."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    assert logs, os.listdir(work_dir)
    lines = [line for log in logs for line in log.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def losses(work_dir):
    """The loss of each logged training step."""
    return [line['loss'] for line in scalars(work_dir) if 'loss' in line]


def few_coco_samples(data_root):
    """--cfg-options that make a COCO config train one step on two people.

    Of an HRNet with few channels, which takes seconds less to make and save.

    And that let it do without what is downloaded: pretrained weights, and
    the detections of people.
    """
    coco = data_root / 'mmpose_samples' / 'coco'
    options = [
        'model.backbone.init_cfg=None',
        'train_cfg.max_epochs=1',
        'train_cfg.val_begin=2',  # never
        'default_hooks.checkpoint.save_optimizer=False',
        *narrow_hrnet(),
    ]
    for loop in ('train', 'val', 'test'):
        loader = f'{loop}_dataloader'
        options += [
            f'{loader}.batch_size=2',
            f'{loader}.num_workers=0',
            f'{loader}.persistent_workers=False',
            f'{loader}.dataset.data_root={coco}',
            f'{loader}.dataset.ann_file=test_coco.json',
            f'{loader}.dataset.data_prefix.img=',
            f'{loader}.dataset.indices=2',
        ]
    for loop in ('val', 'test'):
        options += [
            f'{loop}_dataloader.dataset.bbox_file=None',
            f'{loop}_evaluator.ann_file={coco / "test_coco.json"}',
        ]
    return options
