"""Arguments that tools share, as MMPose's tools have them."""

import argparse
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

from .errors import UserError


def parse_cfg_options(pairs: Sequence[str] | None) -> dict[str, Any]:
    """Parse the values of ``--cfg-options``, as MMEngine's action does.

    Tools read their command line before MMEngine is imported.

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
