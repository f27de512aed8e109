"""Arguments, the config and user errors of tools.

MMPose's arguments, with one difference in order: ``--cfg-options`` is merged
first, so that every other argument works on, and wins over, what it sets.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmengine.config import Config, DictAction
from mmengine.logging import print_log

from .. import apply_codec
from ..compat import prepare_distributed
from ..config import decoding_head
from ..engine import (
    codec_differences,
    interruptible,
    leave,
    read_checkpoint,
)
from .errors import UserError
from .metainfo import describe_bad_metainfo
from .missing_data import describe_missing_data
from .missing_weights import check_weights


class _KeyValuePairs(DictAction):
    """MMEngine's action; a pair without "=" is an error, not a crash."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        for pair in values:
            if '=' not in pair:
                parser.error(f'{option_string}: key=value expected: {pair!r}')
        super().__call__(parser, namespace, values, option_string)


def run_tool(main: Callable[[], None]) -> None:
    """Run `main`; a :class:`UserError` becomes one message and exit code 2.

    An interruption ends the tool, see :func:`interruptible`.
    """
    name = Path(sys.argv[0]).name
    with interruptible(f'{name}: interrupted'):
        try:
            main()
        except UserError as error:
            print(f'{name}: error: {error}', file=sys.stderr)
            sys.exit(2)
        if dist.is_available() and dist.is_initialized():
            _end_distributed()


def _end_distributed() -> None:
    """End the process group, and with gloo the process.

    DDP keeps the threads of gloo alive. One that lets go of a tensor while the
    interpreter is taken down cannot get its lock, and aborts the process after
    all is done (seen twice in some hundred runs).
    """
    backend = dist.get_backend()
    dist.destroy_process_group()
    if backend == 'gloo':
        leave(0)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and testing share."""
    add_run_arguments(parser)
    parser.add_argument(
        '--show-dir', help='folder for pictures of the predictions'
    )
    parser.add_argument(
        '--show', action='store_true', help='show predictions in a window'
    )
    parser.add_argument(
        '--interval',
        type=int,
        default=1,
        help='draw every so many samples (default: 1)',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=1,
        help='seconds for which a window stays (default: 1)',
    )


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of everything that runs a config."""
    parser.add_argument(
        '--work-dir',
        help='folder for logs, checkpoints and results '
        '(default: work_dir of the config, else work_dirs/<config name>)',
    )
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (default: none)',
    )
    # torch.distributed.launch of torch 1 passes it with an underscore.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, as MMPose's tools have it."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_KeyValuePairs,
        help='settings that replace those of the config, as key=value; '
        'lists as key="[a,b]" or key=a,b, without blanks',
    )


def read_config(path: str, options: dict | None = None) -> Config:
    """Read a config file, and merge ``--cfg-options`` into it."""
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
        raise UserError(f'cannot read {path}: {_plainly(error)}') from error
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f'--cfg-options: {error}') from error
    return cfg


def _plainly(error: Exception) -> str:
    """MMEngine's error of a dict over a list, as a sentence on codecs."""
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
    # MMEngine reads it; mpirun has a name of its own for it.
    rank = os.environ.get('OMPI_COMM_WORLD_LOCAL_RANK', args.local_rank)
    os.environ.setdefault('LOCAL_RANK', str(rank))
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(args.config).stem)
    # Older MMPose configs name the settings of the data preprocessor so.
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
    missing = describe_missing_data(cfg, loops)
    if missing:
        raise UserError(missing)
    wrong = describe_bad_metainfo(cfg, loops)
    if wrong:
        raise UserError(wrong)
    if 'train' in loops:
        check_weights(cfg)
    carry_codec(cfg)
    if 'test' in loops:
        warn_of_another_codec(cfg, checkpoint)
    _check_folders(cfg)
    prepare_distributed(cfg)


def check_output(option: str, path: str, suffixes: tuple[str, ...]) -> None:
    """Make sure that `path` can be written when the run is over."""
    if not path.endswith(suffixes):
        raise UserError(
            f'{option} {path}: the name must end in ' + ', '.join(suffixes)
        )
    check_folder(option, path, os.path.dirname(path))
    writable = not os.path.exists(path) or os.access(path, os.W_OK)
    if os.path.isdir(path) or not writable:
        raise UserError(f'{option} {path}: cannot be written')


def check_folder(option: str, path: str, folder: str | None = None) -> None:
    """Make a folder, and make sure that something can be written into it.

    Args:
        option: What has named it.
        path: As the user has written it.
        folder: If it is not `path` itself.
    """
    folder = os.path.abspath(path if folder is None else folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f'{option} {path}: {error}') from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f'{option} {path}: cannot be written')


def _check_folders(cfg: Config) -> None:
    """Make sure that a run can write what it is to write."""
    if cfg.get('work_dir') is not None:  # what only draws has none
        check_folder('--work-dir', cfg.work_dir)
    hook = cfg.get('default_hooks', {}).get('visualization') or {}
    pictures = hook.get('out_dir')
    # else MMPose makes it below the run's own folder in the work dir
    if pictures is not None and os.path.isabs(pictures):
        check_folder('--show-dir', pictures)


def check_checkpoint(path: str) -> dict:
    """Read weights, and return them; those on the web are not looked at."""
    if '://' in path:
        return {}
    if not os.path.isfile(os.path.expanduser(path)):
        raise UserError(f'the checkpoint {path} does not exist')
    try:
        return read_checkpoint(path)
    except ValueError as error:
        raise UserError(
            f'the checkpoint {path} cannot be read: {error}'
        ) from error


def warn_of_another_codec(cfg: Config, checkpoint: dict) -> None:
    """Say so if a checkpoint was trained under another codec, and test it."""
    differences = codec_differences(checkpoint, head_decoder(cfg))
    if differences:
        print_log(
            'The checkpoint was trained under another codec than this '
            f'config has: {"; ".join(differences)}',
            logger='current',
            level=logging.WARNING,
        )


def head_decoder(cfg: Config) -> dict:
    """The codec config of the head, of the finest level; {} without one."""
    try:
        _, head = decoding_head(cfg)
    except ValueError:
        return {}
    decoder = head.get('decoder') or {}
    return decoder[-1] if isinstance(decoder, (list, tuple)) else decoder


def carry_codec(cfg: Config) -> Config:
    """Apply the codec of a config, in place; what is wrong is the user's."""
    try:
        return apply_codec(cfg)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f'the codec of the config: {error}') from error
