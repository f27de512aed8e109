"""Parts of the tools: arguments, user errors, checks before a run."""

from ..openmmlab.config import head_decoder
from ..openmmlab.engine import warn_of_another_codec
from .arguments import (
    add_cfg_options,
    add_common_arguments,
    add_run_arguments,
    parse_cfg_options,
)
from .config import (
    carry_codec,
    check_checkpoint,
    enable_hook,
    load_config,
    prepare,
    read_config,
)
from .errors import UserError
from .metainfo import describe_bad_metainfo
from .missing_data import describe_missing_data
from .missing_weights import explain_downloads
from .outputs import check_folder, check_output
from .tool import run_tool

__all__ = [
    'UserError',
    'add_cfg_options',
    'add_common_arguments',
    'add_run_arguments',
    'carry_codec',
    'check_checkpoint',
    'check_folder',
    'check_output',
    'describe_bad_metainfo',
    'describe_missing_data',
    'enable_hook',
    'explain_downloads',
    'head_decoder',
    'load_config',
    'parse_cfg_options',
    'prepare',
    'read_config',
    'run_tool',
    'warn_of_another_codec',
]
