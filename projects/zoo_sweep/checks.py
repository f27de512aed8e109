"""Check that a config of MMPose works with the README's two lines."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mmpose
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseModule, revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS, KEYPOINT_CODECS, MODELS

from dark_codec import DARKCodec

ZOO = Path(mmpose.__file__).parent / '.mim' / 'configs'
GAUSSIAN = {'MSRAHeatmap', 'UDPHeatmap', 'MegviiHeatmap'}
MAX_GAP = 0.05  # MMPose's targets end at 2 or 3 sigma, some in steps
MAX_ERROR = 0.1  # heatmap px, inside the map


def check_config(name: str) -> dict:
    """Give a config DARKCodec, and check targets, training and prediction.

    Args:
        name: Path of the config below MMPose's.

    Returns:
        dict: ``config``, ``status`` (passed, refused, or skipped where the
        config does not load without our lines either), ``reason``, and of
        those that passed ``codec``, ``network``, ``input_size``,
        ``keypoints`` and ``note``.

    Raises:
        AssertionError: A check fails.
    """
    torch.manual_seed(0)
    row = dict(config=name, status='passed', reason='', codec='', note='')
    try:
        plain = Config.fromfile(ZOO / name)
    except Exception as error:
        # the path of the installation says nothing
        reason = str(error).replace(f'{ZOO.parents[2]}/', '')
        return dict(row, status='skipped', reason=reason)
    init_default_scope('mmpose')
    gaussian = predicts_gaussians(plain)
    try:
        cfg = load_with_dark(ZOO / name, plain)
    except ValueError as error:
        assert not gaussian, f'refused: {error}'
        return dict(row, status='refused', reason=str(error))
    assert gaussian, 'predicts no Gaussian heatmaps, and was not refused'
    codecs = [KEYPOINT_CODECS.build(level) for level in target_codecs(cfg)]
    replaced = target_codecs(plain)
    check_same_targets(codecs, replaced)
    row['note'] = make_runnable(cfg)
    dataset = cfg.train_dataloader.dataset
    instances = make_instances(dataset)
    samples, results = run_pipeline(dataset.pipeline, instances)
    for result in results:
        check_round_trip(codecs[-1], result)
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    check_training(model, samples)
    keypoints = len(results[0]['transformed_keypoints'][0])
    chosen = cfg.model.test_cfg.get('output_keypoint_indices')
    # networks for the keypoints of two datasets are flip-tested on both
    test_pipeline = cfg.val_dataloader.dataset.pipeline
    samples, _ = run_pipeline(test_pipeline, instances[:1])
    check_prediction(model, samples, len(chosen or range(keypoints)))
    head = plain.model.head.type.removesuffix('Head')
    return dict(
        row,
        codec=replaced[-1]['type'],
        network=f'{plain.model.backbone.type}, {head}',
        input_size='{}x{}'.format(*replaced[-1]['input_size']),
        keypoints=keypoints,
    )


def target_codecs(cfg: Config) -> list[dict]:
    """Return the codecs of the training targets, one per level."""
    loader = cfg.get('train_dataloader') or {}
    for transform in (loader.get('dataset') or {}).get('pipeline') or []:
        if transform['type'] == 'GenerateTarget':
            levels = copy.deepcopy(transform.get('encoder'))
            return list(levels) if isinstance(levels, list) else [levels]
    return []


def predicts_gaussians(cfg: Config) -> bool:
    """Tell from its training targets whether a config is one for DARK.

    ``apply_codec`` looks at the head: this is a second opinion.
    """
    levels = target_codecs(cfg)
    return (
        cfg.get('model', {}).get('type') == 'TopdownPoseEstimator'
        and bool(levels)
        and all(
            isinstance(level, dict)
            and level.get('type') in GAUSSIAN
            and level.get('heatmap_type', 'gaussian') == 'gaussian'
            for level in levels
        )
    )


def load_with_dark(base: Path, plain: Config) -> Config:
    """Read a config with the two lines of the README."""
    # only a dict can be merged into
    merges = isinstance(plain.get('codec', {}), dict)
    settings = '' if merges else '_delete_=True, '
    return Config.fromstring(
        f'_base_ = [{str(base)!r}]\n'
        "custom_imports = dict(imports=['dark_codec'], "
        'allow_failed_imports=False)\n'
        f"codec = dict({settings}type='DARKCodec')\n",
        '.py',
    )


@MODELS.register_module()
class StandInBackbone(BaseModule):
    """One convolution, for a ViT of a package that is not installed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embed = torch.nn.Conv2d(3, channels, 16, 16)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        """Return features of stride 16, (B, C, H / 16, W / 16)."""
        return (self.embed(images),)


def make_runnable(cfg: Config) -> str:
    """Take out what needs a download or a package that is not installed.

    Returns:
        What was replaced in the network, for the page.
    """
    cfg.model.test_cfg.flip_test = True
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline = [
            transform
            for transform in loader.dataset.pipeline
            if transform['type'] != 'Albumentation'
            or find_spec('albumentations')
        ]
    backbone = cfg.model.backbone
    package, _, name = backbone.type.rpartition('.')
    package = package.replace('mmcls', 'mmpretrain')  # its older name
    if not package:
        return ''
    if find_spec(package) is None:
        channels = cfg.model.head.in_channels
        cfg.model.backbone = dict(type='StandInBackbone', channels=channels)
        return 'stand-in backbone'
    backbone.type = f'{package}.{name}'
    # mmcls' way to ask for a map, which mmpretrain does not know
    if not backbone.pop('output_cls_token', True):
        backbone.out_type = 'featmap'
    return ''


def make_instances(dataset: dict) -> list[dict]:
    """Draw two instances as a dataset hands them to its pipeline.

    Their keypoints lie anywhere in a box on an image of noise; number, names
    and flip pairs are those of the dataset.
    """
    if 'datasets' in dataset:
        first = dataset['datasets'][0]
        first = first.get('dataset', first)  # of RepeatDataset
        convert = Compose(first.get('pipeline', []))
        metainfo = parse_pose_metainfo(dict(dataset['metainfo']))
        return [
            {**convert(instance), **metainfo}
            for instance in make_instances(first)
        ]
    metainfo = dict(DATASETS.get(dataset['type']).METAINFO)
    metainfo.update(dataset.get('metainfo') or {})
    if dataset.get('subset'):  # DeepFashion has one per part of the body
        metainfo['from_file'] = (
            f'configs/_base_/datasets/deepfashion_{dataset["subset"]}.py'
        )
    metainfo = parse_pose_metainfo(metainfo)
    shape = (1, metainfo['num_keypoints'])
    rng = np.random.default_rng(0)
    return [
        dict(
            metainfo,
            img=rng.integers(0, 256, (400, 320, 3), dtype=np.uint8),
            img_id=number,
            id=number,
            category_id=1,
            bbox=np.array([[60, 50, 260, 350]], np.float32),
            bbox_score=np.ones(1, np.float32),
            keypoints=rng.uniform((70, 60), (250, 340), (*shape, 2)).astype(
                np.float32
            ),
            keypoints_visible=np.ones(shape, np.float32),
        )
        for number in range(2)
    ]


def run_pipeline(
    pipeline: list[dict], instances: list[dict]
) -> tuple[list[dict], list[dict]]:
    """Return the samples, and what the last transform was given for each.

    Draws again until a random crop holds a keypoint.
    """
    transforms, pack = Compose(pipeline[:-1]), Compose(pipeline[-1:])
    for seed in range(5):
        np.random.seed(seed)
        results = [transforms(copy.deepcopy(each)) for each in instances]
        assert None not in results, 'the pipeline drops an instance'
        weights = [result.get('keypoint_weights', 1) for result in results]
        if any(np.any(each) for each in weights):
            return [pack(dict(result)) for result in results], results
    raise AssertionError('no keypoint with a target in 5 draws')


def check_same_targets(ours: list[DARKCodec], replaced: list[dict]) -> None:
    """Compare with the targets of the replaced codecs, level by level.

    On heatmap pixels, where a codec that quantises does not move keypoints.
    """
    for codec, settings in zip(ours, replaced):
        cells = np.array([[0.3, 0.4], [0.5, 0.5], [0.6, 0.7]])
        cells = np.rint(cells * codec.heatmap_size)
        points = cells * np.divide(codec.input_size, codec.heatmap_size)
        points = points[None].astype(np.float32)
        visible = np.ones((1, len(cells)), np.float32)
        mine, theirs = (
            each.encode(points, visible)['heatmaps']
            for each in (codec, KEYPOINT_CODECS.build(copy.deepcopy(settings)))
        )
        # MegviiHeatmap has peaks of 255
        gap = np.abs(mine - theirs / np.ceil(theirs.max())).max()
        assert gap <= MAX_GAP, f'targets differ by {gap:.3f}'


def check_round_trip(codec: DARKCodec, result: dict) -> None:
    """Compare decoded targets with their keypoints, inside the map."""
    size = np.array(codec.input_size)
    stride = size / codec.heatmap_size
    heatmaps, weights = result['heatmaps'], result['keypoint_weights']
    if isinstance(heatmaps, list):  # one per level
        heatmaps, weights = heatmaps[-1], weights[-1]
    truth = result['transformed_keypoints'][0]
    inside = ((truth >= stride) & (truth <= size - 2 * stride)).all(-1)
    # decoded points are for MMPose's way back to the image, w px for a crop
    # that UDP's warp has made w - 1 px wide
    shrink = (size - 1) / size if codec.use_udp else 1.0
    errors = codec.decode(heatmaps)[0][0] * shrink - truth
    errors = np.linalg.norm(errors / stride, axis=-1)
    error = errors[inside & (np.reshape(weights, -1) > 0)].max(initial=0)
    assert error <= MAX_ERROR, f'decoded targets are {error:.3f} px off'


class KeepGradients(OptimWrapper):
    """Leaves the gradients of a step to whoever looks at them."""

    def zero_grad(self, **kwargs: Any) -> None:
        """Do nothing."""


def check_training(model: torch.nn.Module, samples: list[dict]) -> None:
    """Take one training step."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    logs = model.train_step(pseudo_collate(samples), KeepGradients(optimizer))
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert logs['loss'].isfinite(), f'the loss is {float(logs["loss"])}'
    assert all(g.isfinite().all() for g in gradients), 'gradients not finite'
    assert any(g.any() for g in gradients), 'there are no gradients'


def check_prediction(
    model: torch.nn.Module, samples: list[dict], num_keypoints: int
) -> None:
    """Predict once, with a flip test."""
    model.eval()
    with torch.no_grad():
        (prediction,) = model.test_step(pseudo_collate(samples))
    found = prediction.pred_instances
    assert found.keypoints.shape == (1, num_keypoints, 2)
    assert found.keypoint_scores.shape == (1, num_keypoints)
    assert np.isfinite(found.keypoints).all(), 'keypoints are not finite'
    assert np.isfinite(found.keypoint_scores).all(), 'scores not finite'
