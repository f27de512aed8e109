"""Shows that an installed dark_codec works: ``python smoke.py FOLDER``.

Needs nothing of a checkout. In FOLDER, a model of one of the configs that
come with the package finds the keypoints which it is given, and one of the
tools starts.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.registry import KEYPOINT_CODECS, MODELS

import dark_codec

NAME = 'td-hm_hrnet-w32_dark-8xb64-210e_coco-128x96'


def build(folder):
    """A model by a config that has one of the package's as its base."""
    path = folder / 'mine.py'
    path.write_text(
        f"_base_ = [__import__('dark_codec').config_path({NAME!r})]\n"
        'model = dict(backbone=dict(init_cfg=None))\n'
    )
    cfg = dark_codec.apply_codec(Config.fromfile(path))
    return MODELS.build(cfg.model).eval(), cfg.model.head.decoder


def check_decoding(model, codec):
    """Through the head: back come the keypoints that were encoded."""
    keypoints = np.random.default_rng(0).uniform(20, 70, (1, 17, 2))
    encoder = KEYPOINT_CODECS.build(codec)
    heatmaps = encoder.encode(keypoints.astype(np.float32))['heatmaps']
    (decoded,) = model.head.decode(torch.as_tensor(heatmaps)[None])
    np.testing.assert_allclose(decoded.keypoints, keypoints, atol=1e-2)
    with torch.inference_mode():
        predicted = model.head(model.extract_feat(torch.zeros(1, 3, 128, 96)))
    assert predicted.shape == (1, 17, 32, 24)


def main():
    """Run, and say which dark_codec it was."""
    folder = Path(sys.argv[1])
    init_default_scope('mmpose')
    check_decoding(*build(folder))
    tool = dark_codec.tool_path('train.py')
    help_text = subprocess.run(
        [sys.executable, tool, '--help'],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert '--resume' in help_text
    print(dark_codec.__version__, dark_codec.__file__)


if __name__ == '__main__':
    main()
