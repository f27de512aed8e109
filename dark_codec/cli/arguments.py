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
