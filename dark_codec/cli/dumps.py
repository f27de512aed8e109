"""Open a dump for a tool that scores it."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..dumps.format import DumpError
from ..dumps.reader import HeatmapDump
from .arguments import parse_cfg_options
from .data import check_files
from .errors import UserError


def open_dump(folder: str, options: Sequence[str] | None) -> HeatmapDump:
    """Open a dump, and check that its metrics have the files they read.

    Args:
        folder: Of the dump.
        options: From ``--cfg-options``, for the dump's config.
    """
    try:
        dump = HeatmapDump(folder)
        cfg = dump.config
    except DumpError as error:
        raise UserError(str(error)) from error
    cfg.merge_from_dict(parse_cfg_options(options))
    check_files(Config(dict(test_evaluator=cfg.test_evaluator)), ('test',))
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    return dump
