"""One config of the zoo, from its file to a row of the table."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import time
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpose.registry import KEYPOINT_CODECS

from projects.zoo_sweep.checks import (
    CheckError,
    build_model,
    check_prediction,
    check_round_trip,
    check_same_targets,
    check_training,
    draw_targets,
    run_pipeline,
)
from projects.zoo_sweep.configs import (
    ZOO,
    encoders_of,
    load_with_dark,
    make_runnable,
    predicts_gaussians,
)
from projects.zoo_sweep.samples import take_instances


def sweep_one(
    name: str, folder: Path | None, batch: int = 2, root: Path = ZOO
) -> dict:
    """Try a config with DARKCodec.

    Args:
        name: The config's, below `root`.
        folder: Where MMPose's test data are, or None.
        batch: Number of instances in the training step.
        root: The zoo.

    Returns:
        A row: `status` is passed, failed or refused, `reason` says why.
    """
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    row: dict = dict(config=name)
    start = time.perf_counter()
    random.seed(0)
    torch.manual_seed(0)
    # COCO's index is talkative
    with contextlib.redirect_stdout(io.StringIO()):
        row.update(_outcome(root / name, folder, batch))
    row['seconds'] = round(time.perf_counter() - start, 2)
    return row


def _outcome(path: Path, folder: Path | None, batch: int) -> dict:
    try:
        plain = Config.fromfile(path)
    except Exception as error:
        text = str(error).replace(f'{ZOO.parents[2]}/', '')
        return dict(status='skipped', reason=f'does not load: {text}')
    init_default_scope('mmpose')
    gaussian = predicts_gaussians(plain)
    try:
        cfg = load_with_dark(path, plain)
    except ValueError as error:
        return dict(
            status='failed' if gaussian else 'refused', reason=str(error)
        )
    if not gaussian:
        return dict(status='failed', reason='should have been refused')
    row = _describe(plain)
    try:
        row.update(_check(plain, cfg, folder, batch))
    except CheckError as error:
        return dict(row, status='failed', reason=str(error))
    return dict(row, status='passed', reason='')


def _describe(plain: Config) -> dict:
    level = encoders_of(plain)[-1]
    return dict(
        codec=level['type'],
        backbone=plain.model.backbone.type,
        head=plain.model.head.type,
        input_size=list(level['input_size']),
    )


def _check(
    plain: Config, cfg: Config, folder: Path | None, batch: int
) -> dict:
    notes = make_runnable(cfg)
    codecs = [KEYPOINT_CODECS.build(level) for level in encoders_of(cfg)]
    gap = check_same_targets(codecs, encoders_of(plain))
    dataset = cfg.train_dataloader.dataset
    instances, source = take_instances(dataset, folder, batch)
    samples, results = draw_targets(dataset.pipeline, instances)
    error = check_round_trip(codecs[-1], results)
    model = build_model(cfg)
    loss = check_training(model, samples)
    num_keypoints = len(results[0]['transformed_keypoints'][0])
    _check_prediction(cfg, model, folder, num_keypoints)
    return dict(
        samples=source,
        batch=batch,
        keypoints=num_keypoints,
        error_px=round(error, 4),
        gap=round(gap, 4),
        loss=float(f'{loss:.3g}'),
        notes=notes,
    )


def _check_prediction(
    cfg: Config, model: torch.nn.Module, folder: Path | None, trained: int
) -> None:
    dataset = cfg.val_dataloader.dataset
    instances, _ = take_instances(dataset, folder, count=1)
    if len(instances[0]['flip_indices']) != trained:
        # A network for the keypoints of two datasets, tested on one, whose
        # flip indices do not fit it
        merged = cfg.train_dataloader.dataset
        instances, _ = take_instances(merged, folder, count=1)
    samples, _ = run_pipeline(dataset.pipeline, instances)
    chosen = cfg.model.test_cfg.get('output_keypoint_indices')
    expected = trained if chosen is None else len(chosen)
    check_prediction(model, samples, expected)
