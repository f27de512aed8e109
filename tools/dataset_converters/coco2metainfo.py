"""Make MMPose's metainfo file from a json in COCO's format.

Names and skeleton are those of ``categories``; "left" and "right" in the
names make the flip pairs. Sigmas and joint weights are the same for all
keypoints: edit them in the file. The annotations are checked on the way.
MMPose reads the file with

    dict(type='CocoDataset', metainfo=dict(from_file='OUT'), ...)
"""

import argparse
import json
import pprint
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SIGMA = 0.05
# What MMPose's dataset or CocoMetric cannot do without
REQUIRED = dict(
    images=('id', 'file_name', 'width', 'height'),
    annotations=(
        'id',
        'image_id',
        'category_id',
        'bbox',
        'keypoints',
        'area',
    ),
)
_SIDE = re.compile(r'(?<![a-z])(left|right)(?![a-z])', re.IGNORECASE)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('json', type=Path, help='annotations, COCO style')
    parser.add_argument('out', type=Path, help='file to write: NAME.py')
    args = parser.parse_args(argv)
    if args.out.suffix != '.py':
        parser.error(f'{args.out}: the name must end in .py')
    if args.out.exists():
        parser.error(f'{args.out} exists; remove it or choose another name')
    return args


def other_side(name: str) -> str:
    """The name with left for right and right for left."""

    def swapped(match: re.Match) -> str:
        side = match.group()
        other = 'right' if side.lower() == 'left' else 'left'
        if side.isupper():
            return other.upper()
        return other.capitalize() if side[0].isupper() else other

    return _SIDE.sub(swapped, name)


def read_keypoints(coco: dict) -> tuple[list[str], list]:
    """Names and skeleton, which all categories have to share.

    Raises:
        ValueError: Says what is missing or does not fit.
    """
    categories = coco.get('categories')
    if not categories:
        raise ValueError('it has no categories')
    first = categories[0]
    names = first.get('keypoints')
    if not names:
        raise ValueError(
            f'category {first.get("name")!r} has no keypoints, the list of '
            'their names'
        )
    for category in categories[1:]:
        if category.get('keypoints') != names:
            raise ValueError(
                f'categories {first.get("name")!r} and '
                f'{category.get("name")!r} have different keypoints; one '
                'model predicts one list: make a json for each'
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f'keypoint names occur twice: {twice}')
    skeleton = first.get('skeleton', [])
    for link in skeleton:
        if len(link) != 2 or not all(1 <= end <= len(names) for end in link):
            raise ValueError(
                f'the skeleton has {link}; a link is two numbers from 1 to '
                f'{len(names)}, the number of keypoints'
            )
    return names, skeleton


def check_entries(coco: dict, num_keypoints: int) -> None:
    """Check that images and annotations have all that is needed.

    Raises:
        ValueError: Names the entry and what it lacks.
    """
    for kind, keys in REQUIRED.items():
        if not coco.get(kind):
            raise ValueError(f'it has no {kind}')
        for entry in coco[kind]:
            missing = [key for key in keys if key not in entry]
            if missing:
                raise ValueError(
                    f'{kind}: id {entry.get("id")} lacks {", ".join(missing)}'
                )
    images = {image['id'] for image in coco['images']}
    for annotation in coco['annotations']:
        where = f'annotations: id {annotation["id"]}'
        found = len(annotation['keypoints'])
        if found != 3 * num_keypoints:
            raise ValueError(
                f'{where} has {found} numbers in keypoints, not '
                f'{3 * num_keypoints}: x, y and visibility of each of the '
                f'{num_keypoints} keypoints of categories'
            )
        if annotation['image_id'] not in images:
            raise ValueError(
                f'{where} belongs to image {annotation["image_id"]}, which '
                'is not in images'
            )


def make_metainfo(dataset_name: str, names: list[str], skeleton: list) -> dict:
    """Return what MMPose calls ``dataset_info``."""
    keypoint_info: dict[int, Any] = {}
    for index, name in enumerate(names):
        other = other_side(name)
        paired = other != name and other in names
        keypoint_info[index] = dict(name=name, swap=other if paired else '')
    links = [(names[a - 1], names[b - 1]) for a, b in skeleton]
    return dict(
        dataset_name=dataset_name,
        keypoint_info=keypoint_info,
        skeleton_info={i: dict(link=link) for i, link in enumerate(links)},
        joint_weights=[1.0] * len(names),
        sigmas=[SIGMA] * len(names),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Write what the command line asks for."""
    args = parse_args(argv)
    try:
        coco = json.loads(args.json.read_text())
        if not isinstance(coco, dict):
            raise ValueError('it is not an object with images and annotations')
        names, skeleton = read_keypoints(coco)
        check_entries(coco, len(names))
    except (OSError, ValueError) as error:
        print(
            f'coco2metainfo.py: error: {args.json}: {error}', file=sys.stderr
        )
        sys.exit(2)
    info = make_metainfo(args.out.stem, names, skeleton)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    text = pprint.pformat(info, sort_dicts=False, compact=True)
    args.out.write_text(f'dataset_info = {text}\n')
    points = info['keypoint_info'].values()
    pairs = sum(bool(point['swap']) for point in points) // 2
    print(
        f'{args.out}: {len(names)} keypoints, {pairs} flip pairs, '
        f'{len(skeleton)} links'
    )
    for point in points:
        name = point['name']
        if _SIDE.search(name) and not point['swap']:
            print(f'no flip pair: {name} without {other_side(name)}')


if __name__ == '__main__':
    main()
