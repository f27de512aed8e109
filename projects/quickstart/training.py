"""The training: begun, or resumed where an earlier one ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from dark_codec.cli import prepare
from dark_codec.openmmlab.engine.progress import Progress
from projects.trainings import checkpoint, last_epoch


class ProgressHook(Hook):
    """Shows the iterations of a training, and the loss of the last one.

    On the terminal, also while ``sys.stderr`` is redirected.
    """

    def before_train(self, runner: Runner) -> None:
        """Show the bar, from the iteration at which a training resumes."""
        total = runner.max_iters
        self.progress = Progress('      ', total, sys.__stderr__)
        self.progress.update(runner.iter)
        self.progress.start()

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Advance the bar."""
        loss = outputs['loss'].item()
        self.progress.update(runner.iter + 1, f'loss {loss:.4f}')

    def after_train(self, runner: Runner) -> None:
        """Leave the bar as it is."""
        self.progress.stop()


def read_config(path: Path, work_dir: Path, options: dict[str, Any]) -> Config:
    """Read a config, and set what a run of it needs."""
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options)
    cfg.work_dir = str(work_dir)
    return cfg


def train(path: Path, work_dir: Path, options: dict[str, Any]) -> None:
    """Train from where an earlier training in the folder ended.

    Args:
        path (Path): The config.
        work_dir (Path): Holds the checkpoints.
        options (dict): Settings that replace those of the config.
    """
    cfg = read_config(path, work_dir, options)
    if done := last_epoch(work_dir):
        cfg.resume = True
        cfg.load_from = str(checkpoint(work_dir, done))
    prepare(cfg, ('train', 'val'))
    runner = Runner.from_cfg(cfg)
    runner.register_hook(ProgressHook())
    runner.train()
