"""The training: begun, or resumed where an earlier one ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm

from dark_codec.cli import prepare
from projects.trainings import checkpoint, last_epoch

__all__ = ['checkpoint', 'read_config', 'train']


class ProgressBarHook(Hook):
    """Shows the iterations of a training.

    On the terminal, also while ``sys.stderr`` is redirected; where there is
    none, a line every ten seconds.
    """

    def before_train(self, runner: Runner) -> None:
        """Show the bar."""
        stream = sys.__stderr__
        self.bar = tqdm(
            total=runner.max_iters,
            initial=runner.iter,
            desc='      ',
            file=stream,
            mininterval=0.2 if stream and stream.isatty() else 10,
            bar_format='{desc}{percentage:3.0f}% {bar:30} iteration '
            '{n_fmt} of {total_fmt}, {remaining} left{postfix}',
        )

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Advance the bar."""
        self.bar.set_postfix(loss=f'{outputs["loss"]:.4f}', refresh=False)
        self.bar.update()

    def after_train(self, runner: Runner) -> None:
        """Leave the bar as it is."""
        self.bar.close()


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
    runner.register_hook(ProgressBarHook())
    runner.train()
