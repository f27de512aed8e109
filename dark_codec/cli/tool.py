"""Arguments, the config and user errors of tools.

MMPose's arguments, with one difference in order: ``--cfg-options`` is merged
first, so that every other argument works on, and wins over, what it sets.
"""

import argparse
import atexit
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmengine.config import Config, DictAction

from .. import apply_codec
from ..compat import prepare_distributed
from ..config import decoding_head
from .metainfo import describe_bad_metainfo
from .missing_data import describe_missing_data


class UserError(Exception):
    """Something that the user can mend; the message says how."""


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
    """Run `main`; a :class:`UserError` becomes one message and exit code 2."""
    try:
        main()
    except UserError as error:
        print(f'{Path(sys.argv[0]).name}: error: {error}', file=sys.stderr)
        sys.exit(2)
    if dist.is_available() and dist.is_initialized():
        _end_distributed()


def _end_distributed() -> None:
    """End the process group, and with gloo the process.

    DDP keeps the threads of gloo alive. One that lets go of a tensor while the
    interpreter is taken down cannot get its lock, and aborts the process after
    all is done (seen twice in some hundred runs). So all is done here that
    precedes the taking down, which is left to the system.
    """
    backend = dist.get_backend()
    dist.destroy_process_group()
    if backend == 'gloo':
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


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
    except (FileNotFoundError, SyntaxError) as error:
        raise UserError(f'cannot read {path}: {error}') from error
    try:
        cfg.merge_from_dict(options or {})
    except (KeyError, TypeError) as error:
        raise UserError(f'--cfg-options: {error}') from error
    return cfg


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
    if load_from:
        check_checkpoint(load_from)
    missing = describe_missing_data(cfg, loops)
    if missing:
        raise UserError(missing)
    wrong = describe_bad_metainfo(cfg, loops)
    if wrong:
        raise UserError(wrong)
    carry_codec(cfg)
    prepare_distributed(cfg)


def check_output(option: str, path: str, suffixes: tuple[str, ...]) -> None:
    """Make sure that `path` can be written when the run is over."""
    if not path.endswith(suffixes):
        raise UserError(
            f'{option} {path}: the name must end in ' + ', '.join(suffixes)
        )
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f'{option} {path}: {error}') from error
    target = path if os.path.exists(path) else folder
    if os.path.isdir(path) or not os.access(target, os.W_OK):
        raise UserError(f'{option} {path}: cannot be written')


def check_checkpoint(path: str) -> None:
    """Make sure that weights are there; those on the web are not looked at."""
    if '://' not in path and not os.path.isfile(os.path.expanduser(path)):
        raise UserError(f'the checkpoint {path} does not exist')


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
