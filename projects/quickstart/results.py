"""Evaluates a trained network, and writes table, pictures and report."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config

from dark_codec.analysis.examples import choose_examples
from dark_codec.analysis.machine import describe_run
from dark_codec.analysis.pictures import (
    draw_modulation,
    draw_quantisation_errors,
)
from dark_codec.analysis.prediction import DARK, Prediction, predict
from dark_codec.analysis.quantisation import (
    quantisation_errors,
    usual_keypoint,
)
from dark_codec.cli import prepare
from dark_codec.openmmlab.engine.progress import Progress

from .chatter import chatter_to, hear_test
from .evaluation import DECODERS, Score, score_all
from .pictures import (
    draw_curve,
    draw_predictions,
)
from .report import finding, render_report
from .table import score_table, table_rows
from .training import CONFIG, checkpoint, read_curve
from .workdir import WorkDir


def evaluate_and_write(
    work_dir: WorkDir, epochs: int, options: dict[str, int]
) -> str:
    """Write all results of a training.

    Args:
        work_dir (WorkDir): Where the training lies and the results go.
        epochs (int): Which checkpoint to take.
        options (dict): Settings that replace those of the config.

    Returns:
        str: The table, markdown, and what it says.
    """
    started = time.monotonic()
    with Progress('Predicting') as progress:
        with chatter_to(work_dir.log, hear_test(progress)):
            cfg = _config(work_dir, epochs, options)
            prediction = predict(cfg)
            scores = score_all(prediction)
    for name, figure in _draw(prediction, scores, work_dir).items():
        figure.savefig(work_dir.path / f'{name}.png', dpi=100)
    record = dict(
        rows=table_rows(scores),
        epochs=epochs,
        figures=cfg.train_dataloader.dataset.num_samples,
        test_figures=len(prediction.samples),
        test_keypoints=int(prediction.labelled.sum()),
        seed=cfg.randomness.seed,
        sessions=work_dir.sessions,
        seconds_evaluation=round(time.monotonic() - started, 1),
        **describe_run(),
    )
    _write(work_dir.path, scores, record)
    return f'{score_table(scores)}\n{finding(scores)}'


def _config(work_dir: WorkDir, epochs: int, options: dict[str, int]) -> Config:
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(options)
    cfg.work_dir = str(work_dir.training)
    cfg.load_from = str(checkpoint(work_dir.training, epochs))
    cfg.launcher = 'none'
    # a process of its own would inherit, and could outlive, the folder's lock
    cfg.test_dataloader.update(num_workers=0, persistent_workers=False)
    prepare(cfg, ('test',))
    return cfg


def _draw(
    prediction: Prediction, scores: dict[str, Score], work_dir: WorkDir
) -> dict[str, Figure]:
    points = scores[DARK].points
    errors = np.linalg.norm(points - prediction.truth, axis=-1)
    codec = prediction.codec(DECODERS[DARK])
    truth = prediction.to_input(prediction.truth)[prediction.labelled]
    return dict(
        predictions=draw_predictions(prediction, points, errors),
        modulation=draw_modulation(
            choose_examples(prediction, errors, DECODERS)
        ),
        quantisation=draw_quantisation_errors(
            usual_keypoint(truth, codec), quantisation_errors(truth, codec)
        ),
        curve=draw_curve(*read_curve(work_dir.training)),
    )


def _write(folder: Path, scores: dict[str, Score], record: dict) -> None:
    (folder / 'table.md').write_text(score_table(scores))
    (folder / 'table.json').write_text(json.dumps(record, indent=2) + '\n')
    (folder / 'report.md').write_text(render_report(scores, record))
