"""One checkpoint, one prediction, decoded in several ways."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from dark_codec.analysis.machine import describe_run
from dark_codec.cli import prepare
from projects.prediction import predict

from .pictures import draw_all
from .report import render_report, render_table
from .scores import as_json, score_all
from .training import read_config


def evaluate(
    config: Path, folder: Path, checkpoint: Path, options: dict[str, Any]
) -> str:
    """Write table, pictures and report.

    Args:
        config (Path): Of the training.
        folder (Path): Where the results go.
        checkpoint (Path): The trained network.
        options (dict): Settings that replace those of the config.

    Returns:
        str: The table, and what it says.
    """
    started = time.monotonic()
    cfg = read_config(config, folder / 'test', options)
    cfg.load_from = str(checkpoint)
    prepare(cfg, ('test',))
    prediction = predict(cfg)
    scores = score_all(prediction)
    draw_all(prediction, scores, checkpoint.parent, folder)
    table = render_table(scores)
    record = dict(
        rows={name: as_json(scores, name) for name in scores},
        epochs=cfg.train_cfg.max_epochs,
        figures=cfg.train_dataloader.dataset.num_samples,
        test_figures=len(prediction.samples),
        seed=cfg.randomness.seed,
        seconds_evaluation=round(time.monotonic() - started, 1),
        **describe_run(),
    )
    (folder / 'table.md').write_text(table)
    (folder / 'table.json').write_text(json.dumps(record, indent=2) + '\n')
    (folder / 'report.md').write_text(render_report(table, record))
    return table
