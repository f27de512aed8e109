"""Make of a training's checkpoint a small file to predict with.

Keeps the weights, in half precision, and what MMPose reads of the data set:
names, links and colours of the keypoints.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

from dark_codec.cli import check_checkpoint, run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', help='of a training')
    parser.add_argument('out', type=Path, help='the file to write')
    return parser.parse_args()


def pack(checkpoint: dict) -> dict:
    """The parts of a checkpoint that predicting needs.

    Args:
        checkpoint (dict): As MMEngine saves it.

    Returns:
        dict: ``state_dict``, its floating-point tensors as float16, and
        ``meta`` with ``dataset_meta``.
    """
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in checkpoint['state_dict'].items()
    }
    meta = dict(dataset_meta=checkpoint['meta']['dataset_meta'])
    return dict(state_dict=weights, meta=meta)


def main() -> None:
    """Read, pack, write."""
    args = parse_args()
    check_checkpoint(args.checkpoint)
    packed = pack(torch.load(args.checkpoint, map_location='cpu'))
    torch.save(packed, args.out)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    run_tool(main)
