"""Parts of the tools: arguments, user errors, checks before a run."""

from .. import openmmlab  # noqa: F401  says what is missing
from .checks import (
    check_checkpoint,
    check_folder,
    check_output,
    explain_downloads,
)
from .config import (
    carry_codec,
    enable_hook,
    load_config,
    prepare,
    read_config,
)
from .data import check_annotations, describe_bad_metainfo
from .errors import UserError
from .tool import run_tool

__all__ = [
    'UserError',
    'carry_codec',
    'check_annotations',
    'check_checkpoint',
    'check_folder',
    'check_output',
    'describe_bad_metainfo',
    'enable_hook',
    'explain_downloads',
    'load_config',
    'prepare',
    'read_config',
    'run_tool',
]
