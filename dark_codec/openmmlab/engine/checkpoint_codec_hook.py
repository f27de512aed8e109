"""Warning of a checkpoint that was trained under another codec."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop

from ..config import head_decoder
from .reading import codec_differences


def warn_of_another_codec(cfg: Config, checkpoint: dict) -> None:
    """Warn if a checkpoint was trained with another codec than a config's."""
    differences = codec_differences(checkpoint, head_decoder(cfg))
    if differences:
        print_log(
            'The checkpoint was trained under another codec than this '
            f'config has: {"; ".join(differences)}',
            logger='current',
            level=logging.WARNING,
        )


@HOOKS.register_module()
class CheckpointCodecHook(Hook):
    """Warns when a runner tests or resumes under another codec.

    Runners get it by :func:`dark_codec.openmmlab.config.install`. Weights
    that a training merely starts from may have any.
    """

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Compare the codecs of config and checkpoint."""
        trains = isinstance(runner._train_loop, BaseLoop)
        if runner._resume or not trains:
            warn_of_another_codec(runner.cfg, checkpoint)
