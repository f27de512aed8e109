"""Checkpoints: read, and compared with the codec of a config."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, CheckpointLoader

from ..config import head_decoder
from ..config.codecs import gaussian_settings
from ..config.literals import read_literals

# settings of codecs that training and testing must have in common
_COMMON = (
    'input_size',
    'heatmap_size',
    'sigma',
    'alignment',
    'use_udp',
    'encoder',
)


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint as MMEngine's runner does.

    Args:
        path: A file.

    Returns:
        dict: Its content.

    Raises:
        ValueError: It cannot be read; the message says why, in one line.
    """
    try:
        with open(path, 'rb') as file:
            start = file.read(16)
        # of a zip archive, of a pickle
        if start and not start.startswith((b'PK', b'\x80')):
            raise ValueError(f'no file of PyTorch begins with {start!r}')
        checkpoint = CheckpointLoader.load_checkpoint(
            str(path), map_location='cpu', logger='silent'
        )
    except Exception as error:  # torch raises many types
        lines = str(error).strip().splitlines() or [repr(error)]
        reason = f'{type(error).__name__}: {lines[0]}'
        raise ValueError(reason) from error
    if not isinstance(checkpoint, dict):
        raise ValueError('it is not a checkpoint of MMEngine')
    return checkpoint


def codec_differences(checkpoint: dict, decoder: dict) -> list[str]:
    """Compare the codec of a checkpoint's training with one to test it with.

    Both are built, so that defaults are compared as well. Decoders may
    differ: they are chosen after the training.

    Args:
        checkpoint: From :func:`read_checkpoint`; MMEngine's have the config
            of their training in ``meta['cfg']``.
        decoder: Settings of the codec that the head is to decode with.

    Returns:
        list[str]: Such as ``'sigma: 1.0 there, 2.0 here'``. Empty if the
        checkpoint has no config, or one of the two has no heatmaps.
    """
    trained = _head_decoder(checkpoint.get('meta') or {})
    here, there = _settings(decoder), _settings(trained)
    return [
        f'{name}: {_spelt(there[name])} there, {_spelt(here[name])} here'
        for name in _COMMON
        if name in here and name in there and there[name] != here[name]
    ]


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


def _head_decoder(meta: Mapping) -> dict:
    """Return the codec of the head's finest level in a training's config."""
    try:
        return head_decoder(read_literals(meta['cfg']))
    except (AttributeError, LookupError, SyntaxError, TypeError, ValueError):
        return {}


def _settings(codec: Any) -> dict[str, Any]:
    """Return what is known of a codec; {} if it has no heatmaps."""
    try:
        return gaussian_settings(codec)
    except (LookupError, TypeError, ValueError):
        return {}


def _spelt(value: Any) -> str:
    """Return a setting as a message has it, such as ``Name(key=value)``."""
    if not isinstance(value, dict):
        return str(value)
    args = [f'{key}={item!r}' for key, item in value.items() if key != 'type']
    return f'{value["type"]}({", ".join(args)})'
