"""FLOPs and parameters of the models of configs.

With MMPose's name and arguments. Several configs give one row each. MMEngine
counts a multiplication with its addition once, as papers on pose estimation
do, in convolutions and matrix products, and batch norms and upsampling; not
activations, sums, or the decoder.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import dark_codec  # noqa: F401, I001  before MMPose: its shims
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from dark_codec import apply_codec
from dark_codec.analysis.report import markdown
from dark_codec.cli import UserError, add_cfg_options, read_config, run_tool


class Complexity(NamedTuple):
    """Complexity of a model, for one picture."""

    height: int  # input px
    width: int
    flops: int
    params: int
    by_module: str


def measure(cfg: Config, input_shape: tuple[int, int] | None) -> Complexity:
    """Run the model of a config once.

    Args:
        cfg (Config): A whole config; its codec is applied.
        input_shape (tuple | None): (h, w) in input px; None takes the
            codec's.
    """
    try:
        apply_codec(cfg)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f'the codec of the config: {error}') from error
    if input_shape is None:
        codec = cfg.get('codec') or {}
        codec = codec if isinstance(codec, dict) else codec[-1]
        if codec.get('input_size') is None:
            raise UserError('the config does not say the size: --input-shape')
        width, height = codec['input_size']
    else:
        height, width = input_shape
    init_default_scope('mmpose')
    model = MODELS.build(cfg.model).eval()
    model.forward = model._forward
    found = get_model_complexity_info(
        model, (3, height, width), show_arch=False
    )
    return Complexity(
        height, width, found['flops'], found['params'], found['out_table']
    )


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='FLOPs and parameters of models'
    )
    parser.add_argument('config', nargs='+', help='config files')
    parser.add_argument(
        '--input-shape',
        type=int,
        nargs='+',
        metavar='PX',
        help='height and width, or one number for both '
        "(default: the codec's input_size)",
    )
    parser.add_argument(
        '--show-table',
        action='store_true',
        help='also print a table of the modules',
    )
    add_cfg_options(parser)
    args = parser.parse_args()
    shape = args.input_shape
    if shape is not None:
        if len(shape) > 2 or min(shape) < 1:
            parser.error(f'--input-shape: one or two sizes, got {shape}')
        args.input_shape = (shape[0], shape[-1])
    return args


def main() -> None:
    """Measure and print."""
    args = parse_args()
    # MMEngine's log goes to stdout, too
    MMLogger.get_current_instance().setLevel('ERROR')
    rows = []
    for path in args.config:
        cfg = read_config(path, args.cfg_options)
        found = measure(cfg, args.input_shape)
        rows.append(
            [
                Path(path).stem,
                f'{found.height}x{found.width}',
                f'{found.flops / 1e9:.1f}',
                f'{found.params / 1e6:.1f}',
            ]
        )
        if args.show_table:
            print(found.by_module)
    header = ['config', 'input', 'GFLOPs', 'parameters (M)']
    print(markdown(header, rows, text=(0, 1)))


if __name__ == '__main__':
    run_tool(main)
