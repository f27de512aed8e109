"""Completion of configs whenever they are read, by any tool.

MMEngine imports a config's ``custom_imports`` just before it makes the
:class:`Config`. What importing dark_codec installs here is therefore in time
for the very config that asked for it, under MMPose's tools and API as under
ours. Files that serve as bases never become a Config of their own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from ..compat import prepare_distributed
from .agreement import concerns_dark
from .apply import apply_codec

SWITCH = 'DARK_CODEC_COMPLETE'
_MARK = '_completes_dark_codec'


def install() -> None:
    """Complete configs that name DARKCodec from now on.

    After ``Config(...)``, which reading a file ends with; after
    ``Config.merge_from_dict``, which is what ``--cfg-options`` become; and
    before ``Runner.from_cfg``, on a copy, for changes by hand. The last one
    also prepares a distributed run where there is no accelerator (see
    :func:`dark_codec.openmmlab.compat.prepare_distributed`), and lets the
    runner warn of checkpoints that were trained under another codec (see
    :class:`dark_codec.openmmlab.engine.CheckpointCodecHook`).

    Installing again replaces what has been installed. With
    ``DARK_CODEC_COMPLETE=0`` in the environment nothing is completed: call
    :func:`dark_codec.apply_codec` yourself.
    """
    _wrap(Config, '__init__', _completing)
    _wrap(Config, 'merge_from_dict', _completing)
    _wrap(Runner, 'from_cfg', _preparing)


def _wrap(owner: type, name: str, wrap: Callable[[Callable], Any]) -> None:
    found = vars(owner)[name]
    function = getattr(found, '__func__', found)
    if hasattr(function, _MARK):
        function = function.__wrapped__
    wrapper = functools.wraps(function)(wrap(function))
    setattr(wrapper, _MARK, True)
    is_bound = isinstance(found, classmethod)
    setattr(owner, name, classmethod(wrapper) if is_bound else wrapper)


def _completing(function: Callable) -> Callable:
    def completing(self: Config, *args: Any, **kwargs: Any) -> None:
        function(self, *args, **kwargs)
        if _is_on() and concerns_dark(self):
            apply_codec(self)

    return completing


def _preparing(function: Callable) -> Callable:
    def preparing(cls: type[Runner], cfg: Any) -> Runner:
        if not concerns_dark(cfg):
            return function(cls, cfg)
        if _is_on():
            cfg = deepcopy(cfg)
            cfg = cfg if isinstance(cfg, Config) else Config(cfg)
            prepare_distributed(apply_codec(cfg))
        runner = function(cls, cfg)
        runner.register_hook(dict(type='CheckpointCodecHook'))
        return runner

    return preparing


def _is_on() -> bool:
    return os.environ.get(SWITCH) != '0'
