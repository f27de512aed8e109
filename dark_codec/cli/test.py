"""What tools/test.py does with its arguments."""

import argparse
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.fileio import dump
from mmengine.runner import Runner

from .checks import check_output, explain_downloads
from .config import enable_hook, load_config, prepare
from .data import check_annotations
from .errors import UserError

METRIC_SUFFIXES = ('.json', '.yaml', '.yml', '.pkl', '.pickle')
PICKLE_SUFFIXES = ('.pkl', '.pickle')


def test(args: argparse.Namespace) -> None:
    """Test as the command line says."""
    cfg = load_config(args)
    if args.out is not None:
        check_output('--out', args.out, METRIC_SUFFIXES)
    if args.dump is not None:
        check_output('--dump', args.dump, PICKLE_SUFFIXES)
    merge_args(cfg, args)
    prepare(cfg, ('test',))
    runner = Runner.from_cfg(cfg)
    check_annotations(runner, ('test',))
    with explain_downloads(cfg):
        metrics = runner.test()
    if args.out is not None and is_main_process():
        dump({name: _as_python(m) for name, m in metrics.items()}, args.out)


def merge_args(cfg: Config, args: argparse.Namespace) -> None:
    """Merge the arguments of testing into the config, in place."""
    cfg.load_from = args.checkpoint
    show = args.show and not args.badcase
    if show or args.show_dir is not None:
        hook = enable_hook(cfg, 'visualization', show, args)
        hook.out_dir = args.show_dir
    evaluators = cfg.get('test_evaluator') or []
    if not isinstance(evaluators, (list, tuple)):
        evaluators = [evaluators]
    if args.badcase:
        _enable_badcase(cfg, list(evaluators), args)
    if args.dump is not None:
        dump_results = dict(type='DumpResults', out_file_path=args.dump)
        cfg.test_evaluator = [*evaluators, dump_results]


def _enable_badcase(
    cfg: Config, evaluators: list, args: argparse.Namespace
) -> None:
    """Switch on the hook that picks out bad cases, by loss or by metric."""
    hook = enable_hook(cfg, 'badcase', args.show, args)
    if hook.get('metric'):
        return
    if hook.get('metric_type', 'loss') == 'loss':
        hook.metric = cfg.model.head.loss
    elif len(evaluators) == 1:
        hook.metric = evaluators[0]
    else:
        raise UserError(
            f'--badcase: the config has {len(evaluators)} metrics; say by '
            'which to judge in default_hooks.badcase.metric'
        )


def _as_python(metric: Any) -> Any:
    """Turn numpy's scalars into Python's, which every format can hold."""
    return metric.item() if isinstance(metric, np.generic) else metric
