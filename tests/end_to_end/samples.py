"""Runs on MMPose's sample photographs, and what they write."""

import json
import os
from pathlib import Path

from tiny_run import ended

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


def losses(work_dir):
    """The loss of each logged training step, of the oldest run first."""
    logs = sorted(work_dir.glob('*/vis_data/scalars.json'))
    assert logs, os.listdir(work_dir)
    lines = [line for log in logs for line in log.read_text().splitlines()]
    logged = [json.loads(line) for line in lines]
    return [line['loss'] for line in logged if 'loss' in line]
