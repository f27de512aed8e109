"""Arguments that tools share, as MMPose's tools have them."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from .errors import UserError


class _KeyValuePairs(DictAction):
    """MMEngine's action, but a pair without "=" is a parser error."""

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
    # torch.distributed.launch of torch 1 passes it with an underscore
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def add_cfg_options(
    parser: argparse.ArgumentParser, of: str = 'the config'
) -> None:
    """Add ``--cfg-options``, as MMPose's tools have it.

    Args:
        parser: Parser of a tool.
        of: What the settings belong to, for the help.
    """
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=_KeyValuePairs,
        help=f'settings that replace those of {of}, as key=value; '
        'lists as key="[a,b]" or key=a,b, without blanks',
    )


def parse_cfg_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Parse the values of ``--cfg-options``, as MMEngine's action does.

    For tools that read their command line before anything is imported.

    Args:
        pairs: Such as ``['codec.sigma=2']``; None for no option.

    Raises:
        UserError: If one is no pair.
    """
    for pair in pairs or []:
        if '=' not in pair:
            raise UserError(f'--cfg-options: key=value expected: {pair!r}')
    parsed = argparse.Namespace()
    action = DictAction(['--cfg-options'], 'options')
    action(argparse.ArgumentParser(), parsed, list(pairs or []))
    return parsed.options
