"""docs/extend.md: its module is imported, used by a config and in sessions."""

import importlib
import sys

import numpy as np
import pytest
import torch
from doc_pages import ROOT, read_blocks, run_session
from mmengine.config import Config
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from dark_codec import DARKCodec
from dark_codec.deployment import ExportedDecoder, check_onnx, export_onnx
from dark_codec.functional import ALIGNMENTS
from dark_codec.registry import DECODERS, ENCODERS, SCORES

BLOCKS = read_blocks(ROOT / 'docs/extend.md')
(CONFIG,) = (block.text for block in BLOCKS if '_base_' in block.text)


@pytest.fixture
def my_parts(tmp_path, monkeypatch):
    """The page's module; what it registers is forgotten afterwards."""
    for registry in (DECODERS, ENCODERS, SCORES):
        known = dict(registry.module_dict)
        monkeypatch.setattr(registry, 'module_dict', known)
    monkeypatch.setitem(ALIGNMENTS, 'pixel_block', None)
    parts = [
        block.text
        for block in BLOCKS
        if block.language == 'python' and block.text != CONFIG
    ]
    (tmp_path / 'my_parts.py').write_text('\n'.join(parts))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module('my_parts')
    del sys.modules['my_parts']


def test_sessions_print_what_the_page_says(my_parts):
    names = {}
    for block in BLOCKS:
        if block.language == 'pycon':
            run_session(block.text, names)


def test_config_trains_and_tests_with_the_parts(my_parts, rng, tmp_path):
    (tmp_path / 'my_config.py').write_text(CONFIG)
    cfg = Config.fromfile(tmp_path / 'my_config.py')
    head = MODELS.build(cfg.model.head)
    codec = head.decoder
    assert type(codec.decoder) is my_parts.SlopeDecoder
    assert type(codec.encoder) is my_parts.ScaledEncoder
    assert cfg.model.test_cfg.shift_heatmap is False
    points = rng.uniform(20, 150, (1, 17, 2))
    heatmaps = torch.from_numpy(codec.encode(points)['heatmaps'])[None]
    head.final_layer = head.deconv_layers = torch.nn.Identity()
    (found,) = head.predict((heatmaps,), [PoseDataSample()])
    # of the codec's sigma are the last 12
    np.testing.assert_allclose(
        found.keypoints[:, 5:], points[:, 5:], atol=1e-3
    )


@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
def test_decoder_on_any_tensor(my_parts, rng, dtype):
    """It agrees with the formula, map by map, for bad maps as well."""
    maps = torch.tensor(rng.random((2, 4, 12, 9)), dtype=dtype)
    maps[1, 0] = 0
    maps[1, 1, 3, 4] = torch.nan
    maps[1, 2, 5, 5], maps[1, 2, 5, 6] = 4, -torch.inf
    decoder = my_parts.SlopeDecoder(sigma=1.5)
    decoded = decoder(maps.transpose(2, 3)[:, :, ::2])
    for b, k in np.ndindex(2, 4):
        heatmap = maps[b, k].T[::2].float().numpy()
        height, width = heatmap.shape
        x, y, refined = (width - 1) / 2, (height - 1) / 2, False
        if heatmap.max() > 0:
            row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
            x, y = column, row
            refined = 0 < row < height - 1 and 0 < column < width - 1
        if refined:
            logs = np.log(np.maximum(heatmap, 1e-30))
            across = logs[row, column + 1] - logs[row, column - 1]
            down = logs[row + 1, column] - logs[row - 1, column]
            x += np.clip(across * 1.125, -1, 1)
            y += np.clip(down * 1.125, -1, 1)
        assert decoded.refined[b, k] == refined
        np.testing.assert_allclose(decoded.points[b, k], (x, y), atol=1e-5)
    assert decoder(maps[:0]).points.shape == (0, 4, 2)


def test_decoder_is_exported(my_parts):
    codec = DARKCodec(input_size=(48, 64), decoder='SlopeDecoder')
    module = ExportedDecoder(codec)
    check_onnx(export_onnx(module), module)
