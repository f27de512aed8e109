"""Write the head boxes that MpiiPCKAccuracy needs, from MPII's annotations.

MPII keeps the boxes, whose diagonals set the scale of PCKh, in a file of
their own, which MMPose's samples come without. As a stand-in this takes the
rectangle between head top and upper neck, which is somewhat smaller than the
annotated one: PCKh gets stricter.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.io import savemat

UPPER_NECK, HEAD_TOP = 8, 9


def head_boxes(people: list[dict]) -> np.ndarray:
    """Opposite corners of each head, in image px.

    Args:
        people: MPII annotations in MMPose's format.

    Returns:
        (2, 2, N): corner, (x, y), person; as MPII's own file has them.
    """
    corners = [
        [person['joints'][UPPER_NECK], person['joints'][HEAD_TOP]]
        for person in people
    ]
    return np.transpose(np.asarray(corners, np.float64), (1, 2, 0))


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('ann_file', type=Path, help='e.g. test_mpii.json')
    parser.add_argument('out', type=Path, help='.mat file to write')
    return parser.parse_args()


def main() -> None:
    """Convert one file."""
    args = parse_args()
    people = json.loads(args.ann_file.read_text())
    args.out.parent.mkdir(parents=True, exist_ok=True)
    savemat(args.out, {'headboxes_src': head_boxes(people)})


if __name__ == '__main__':
    main()
