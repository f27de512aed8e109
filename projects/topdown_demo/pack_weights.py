"""Pack a training's checkpoint into a small file to predict with."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from dark_codec.cli import check_checkpoint, run_tool


def main(argv: Sequence[str] | None = None) -> None:
    """Keep the weights in half precision, and the data's metainfo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('checkpoint', help='of a training')
    parser.add_argument('out', type=Path, help='the file to write')
    args = parser.parse_args(argv)
    checkpoint = check_checkpoint(args.checkpoint)
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in checkpoint['state_dict'].items()
    }
    meta = dict(dataset_meta=checkpoint['meta']['dataset_meta'])
    torch.save(dict(state_dict=weights, meta=meta), args.out)
    print(f'{args.out}: {args.out.stat().st_size / 1e6:.1f} MB')


if __name__ == '__main__':
    run_tool(main)
