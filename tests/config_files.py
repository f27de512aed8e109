"""The configs of the repository, and what their names say."""

import copy
import functools
import re
from pathlib import Path

import torch
from mmengine.config import Config
from mmpose.registry import KEYPOINT_CODECS, MODELS

from dark_codec import apply_codec

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
TOPDOWN = 'body_2d_keypoint/topdown_heatmap'
FILES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
NAME = re.compile(
    r'td-hm_(?P<backbone>[^_]+)_(?P<codec>.+)-8xb(?P<batch>\d+)-'
    r'(?P<epochs>\d+)e_(?P<data>coco|mpii)-(?P<size>\d+x\d+)(_test-dev)?\.py'
)


@functools.cache
def _loaded(file):
    return apply_codec(Config.fromfile(CONFIGS / file))


def load(file):
    """The config, as our tools use it."""
    return copy.deepcopy(_loaded(file))


_NETWORKS = {}


def network_of(file):
    """The model of the config without memory, for tests that keep it as is.

    Configs that differ only in how they encode and decode have one.
    """
    model = load(file).model
    model.head.decoder = dict(type='DARKCodec')
    del model.test_cfg
    key = repr(model)
    if key not in _NETWORKS:
        with torch.device('meta'):
            _NETWORKS[key] = MODELS.build(model).eval()
    return _NETWORKS[key]


def codec_of(file):
    """The codec that the config's head decodes with."""
    return KEYPOINT_CODECS.build(load(file).model.head.decoder)


def described(file):
    """What the file's name says."""
    match = NAME.fullmatch(Path(file).name)
    assert match, f'{file} is not named as MMPose names its own'
    return match.groupdict()


def only(pipeline, kind):
    found = [transform for transform in pipeline if transform['type'] == kind]
    assert len(found) <= 1
    return found[0] if found else None


def without_scopes(node):
    """Without what MMEngine adds to a config of another package."""
    if isinstance(node, dict):
        return {
            key: without_scopes(value)
            for key, value in node.items()
            if key != '_scope_'
        }
    if isinstance(node, list):
        return [without_scopes(value) for value in node]
    return node


def rows(folder, backbone, codec, size):
    """Lines of tables that link the config."""
    pattern = re.compile(
        rf'\(td-hm_{backbone}_{codec}-8xb\d+-\d+e_(coco|mpii)-{size}\.py\)'
    )
    pages = (CONFIGS / folder).glob('*.md')
    lines = (line for page in pages for line in page.read_text().splitlines())
    return [line for line in lines if pattern.search(line)]
