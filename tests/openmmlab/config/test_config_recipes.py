"""Every config trains as DarkPose does."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from config_files import (
    FILES,
    TOPDOWN,
    described,
    load,
    only,
    without_scopes,
)
from mmengine.hub import get_config
from mmpose.registry import TRANSFORMS


class Recipe(NamedTuple):
    """A row of DarkPose's training settings, in DarkPose's terms."""

    epochs: int
    milestones: tuple[int, int]
    lr: float
    rotation: float
    scale: float
    half_body: bool
    batch: int


# DarkPose's files experiments/**/*.yaml
RECIPES = {
    'coco hrnet-w32': Recipe(210, (170, 200), 1e-3, 45, 0.35, True, 64),
    'coco hrnet-w48': Recipe(210, (170, 200), 1e-3, 45, 0.35, True, 32),
    'coco res': Recipe(140, (90, 120), 1e-3, 40, 0.3, False, 64),
    'coco hourglass-': Recipe(140, (90, 120), 2.5e-4, 40, 0.3, False, 32),
    'mpii hrnet': Recipe(210, (170, 200), 1e-3, 30, 0.25, False, 32),
    'mpii res': Recipe(140, (90, 120), 1e-3, 30, 0.25, False, 32),
}


def recipe_of(name):
    key = f'{name["data"]} {name["backbone"]}'
    (recipe,) = (r for start, r in RECIPES.items() if key.startswith(start))
    return recipe


@pytest.mark.parametrize(
    'file', [file for file in FILES if 'hourglass52' not in file]
)
def test_recipe(file):
    """Of training, as far as DarkPose's settings go."""
    name, cfg = described(file), load(file)
    recipe = recipe_of(name)
    assert cfg.train_cfg.max_epochs == int(name['epochs']) == recipe.epochs
    assert cfg.optim_wrapper.optimizer.type == 'Adam'
    assert cfg.optim_wrapper.optimizer.lr == recipe.lr
    (steps,) = cfg.param_scheduler  # no warm-up
    assert tuple(steps.milestones) == recipe.milestones
    assert steps.end == recipe.epochs
    assert steps.get('gamma', 0.1) == 0.1 and steps.get('by_epoch', True)
    loader = cfg.train_dataloader
    assert loader.batch_size == int(name['batch']) == recipe.batch
    assert cfg.auto_scale_lr.base_batch_size == 8 * recipe.batch
    assert not cfg.auto_scale_lr.get('enable', False)
    pipeline = loader.dataset.pipeline
    assert only(pipeline, 'RandomFlip').get('prob', 0.5) == 0.5
    box = TRANSFORMS.build(only(pipeline, 'RandomBBoxTransform'))
    # DarkPose clips its normal distribution at twice rot_factor
    assert box.rotate_factor == 2 * recipe.rotation
    assert box.rotate_prob == 0.6
    np.testing.assert_allclose(
        box.scale_factor, (1 - recipe.scale, 1 + recipe.scale)
    )
    assert box.scale_prob == 1
    half_body = only(pipeline, 'RandomHalfBody')
    assert (half_body is not None) == recipe.half_body
    if half_body:
        half_body = TRANSFORMS.build(half_body)
        assert half_body.prob == 0.3
        # DarkPose: more than 8
        assert half_body.min_total_keypoints == 8 + 1
    assert box.shift_prob == 0


@pytest.mark.parametrize(
    'file', [file for file in FILES if 'hourglass52' in file]
)
def test_recipe_of_mmposes_own_network(file):
    """All but the codec is MMPose's."""
    ours = load(file)
    theirs = get_config(
        f'mmpose::{TOPDOWN}/coco/{Path(file).name.replace("_dark-", "_")}'
    )
    for key in (
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'auto_scale_lr',
        'val_dataloader',
        'val_evaluator',
    ):
        assert without_scopes(ours[key]) == theirs[key]
    assert (ours.train_cfg.max_epochs, ours.optim_wrapper.optimizer.lr) == (
        210,
        5e-4,
    )
    for cfg in (ours, theirs):
        only(cfg.train_dataloader.dataset.pipeline, 'GenerateTarget').clear()
    assert without_scopes(ours.train_dataloader) == theirs.train_dataloader
