"""What tools/train.py does with its arguments."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..openmmlab import tool_path
from ..openmmlab.engine import find_other_checkpoint
from .checks import explain_downloads
from .config import enable_hook, load_config, prepare
from .data import check_annotations
from .errors import UserError


def train(args: argparse.Namespace) -> None:
    """Train as the command line says."""
    cfg = load_config(args)
    merge_args(cfg, args)
    protect_checkpoints(cfg)
    prepare(cfg, ('train', 'val'))
    choose_checkpoint(cfg)
    runner = Runner.from_cfg(cfg)
    check_annotations(runner, ('train', 'val'))
    with explain_downloads(cfg):
        runner.train()
    tell_what_next(args.config, runner)


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Merge the arguments of training into the config, in place."""
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.amp:
        _enable_amp(cfg)
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    if args.auto_scale_lr:
        if 'auto_scale_lr' not in cfg:
            raise UserError(
                '--auto-scale-lr: the config has no auto_scale_lr; add '
                'auto_scale_lr=dict(base_batch_size=...), the batch size '
                'that its learning rate is meant for'
            )
        cfg.auto_scale_lr.enable = True
    if args.show or args.show_dir is not None:
        hook = enable_hook(cfg, 'visualization', args.show, args)
        hook.out_dir = args.show_dir


def _enable_amp(cfg: Config) -> None:
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    name = kind if isinstance(kind, str) else kind.__name__
    if name not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(
            f'--amp: the config has its own optim_wrapper, {name}; only '
            'OptimWrapper has a version for mixed precision'
        )
    if get_device() in ('cpu', 'mps'):
        raise UserError(
            "--amp: MMEngine's AmpOptimWrapper needs a GPU, and PyTorch "
            'sees none'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def protect_checkpoints(cfg: Config) -> None:
    """Save so that a killed run can be resumed, in place.

    A checkpoint hook of the user's own kind stays.
    """
    hook = cfg.get('default_hooks', {}).get('checkpoint')
    if hook is None:
        return
    known = (
        CheckpointHook,
        'CheckpointHook',
        'mmengine.CheckpointHook',
    )
    if hook.get('type') in known:
        hook.type = 'SafeCheckpointHook'
    elif hook.get('type') != 'SafeCheckpointHook':
        print_log(
            f'default_hooks.checkpoint is {hook.get("type")}, not '
            "MMEngine's CheckpointHook: a run killed while it saves may "
            'leave no checkpoint',
            logger='current',
        )


def choose_checkpoint(cfg: Config) -> None:
    """Set what to resume from where MMEngine would fail, in place."""
    if not cfg.get('resume') or cfg.get('load_from') is not None:
        return
    hook: Any = cfg.get('default_hooks', {}).get('checkpoint') or {}
    where: dict = {}
    out_dir = hook.get('out_dir')
    if out_dir is not None and '://' not in str(out_dir):
        name = Path(cfg.work_dir).name
        where.update(out_dir=Path(out_dir, name))
    if hook.get('filename_tmpl') is not None:
        where.update(templates=[hook.filename_tmpl])
    try:
        cfg.load_from = find_other_checkpoint(cfg.work_dir, **where)
    except ValueError as error:
        raise UserError(
            f'--resume: {error}. To start from the beginning, leave '
            '--resume out'
        ) from error


def tell_what_next(config: str, runner: Runner) -> None:
    """Say where the last checkpoint lies, and how to test it."""
    checkpoint = runner.message_hub.runtime_info.get('last_ckpt')
    if checkpoint is not None:
        test = tool_path('test.py')
        command = shlex.join(['python', test, config, checkpoint])
        print_log(
            f'Trained. The last checkpoint: {checkpoint}\n'
            f'To test it: {command}',
            logger='current',
        )
