"""Read the config of a tool, and prepare it for the runner.

MMPose's arguments, with one difference in order: ``--cfg-options`` is merged
first, so that every other argument works on, and wins over, what it sets.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..openmmlab.compat import prepare_distributed
from ..openmmlab.config import apply_codec, concerns_dark
from ..openmmlab.engine import warn_of_another_codec
from .arguments import parse_cfg_options
from .checks import check_checkpoint, check_run
from .errors import UserError


def read_config(path: str, pairs: Sequence[str] | None = None) -> Config:
    """Read a config file, and merge ``--cfg-options`` into it."""
    options = parse_cfg_options(pairs)
    if not os.path.isfile(path):
        raise UserError(f'the config {path} does not exist')
    try:
        cfg = Config.fromfile(path)
    except (
        FileNotFoundError,
        ImportError,
        KeyError,
        SyntaxError,
        TypeError,
        ValueError,
    ) as error:
        raise UserError(f'cannot read {path}: {_explain(error)}') from error
    try:
        cfg.merge_from_dict(options)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f'--cfg-options: {error}') from error
    return cfg


def _explain(error: Exception) -> str:
    """Explain MMEngine's error of a dict merged into a list of codecs."""
    text = str(error)
    if text.startswith('codec={') and "<class 'list'>" in text:
        return (
            "its base's codec is a list, one codec a level; replace the list: "
            "codec=dict(_delete_=True, type='DARKCodec')"
        )
    return text


def load_config(args: argparse.Namespace) -> Config:
    """Read the config file and merge the arguments that the tools share."""
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    # MMEngine reads it; mpirun has another name for it
    rank = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', args.local_rank)
    os.environ.setdefault('LOCAL_RANK', str(rank))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    # name of the data preprocessor in older MMPose configs
    if 'preprocess_cfg' in cfg:
        cfg.model.setdefault('data_preprocessor', cfg.preprocess_cfg)
    return cfg


def enable_hook(
    cfg: Config, name: str, show: bool, args: argparse.Namespace
) -> Config:
    """Switch on a hook that draws, and return its settings.

    Args:
        cfg: The config, changed in place.
        name: Key of the hook in ``default_hooks``.
        show: Whether this hook opens windows.
        args: Arguments that hold ``interval`` and ``wait_time``.
    """
    if name not in cfg.get('default_hooks', {}):
        raise UserError(
            f'{args.config} has no default_hooks.{name}, which this needs: '
            "take it from MMPose's configs/_base_/default_runtime.py"
        )
    hook = cfg.default_hooks[name]
    hook.update(enable=True, show=show, interval=args.interval)
    if args.show:
        hook.wait_time = args.wait_time
    return hook


def prepare(cfg: Config, loops: Sequence[str]) -> None:
    """Take the last steps before the runner is built.

    Checks that what the loops read is there and fits the head, applies the
    codec, and starts the process group where MMEngine cannot.

    Args:
        cfg: The config with all arguments merged, changed in place.
        loops: Those that will run, out of ``train``, ``val`` and ``test``;
            the first is the one that must be there.
    """
    if cfg.get(f'{loops[0]}_dataloader') is None:
        raise UserError(f'the config has no {loops[0]}_dataloader')
    load_from = cfg.get('load_from')
    checkpoint = check_checkpoint(load_from) if load_from else {}
    check_run(cfg, loops)
    carry_codec(cfg)
    # runners of the others warn themselves
    if 'test' in loops and not concerns_dark(cfg):
        warn_of_another_codec(cfg, checkpoint)
    prepare_distributed(cfg)


def carry_codec(cfg: Config) -> Config:
    """Apply the codec of a config, in place; errors are user errors."""
    try:
        return apply_codec(cfg)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f'the codec of the config: {error}') from error
