"""Figures in COCO's annotation format."""

import numpy as np

from .render import Figure

CATEGORIES = [dict(id=1, name='person', supercategory='person')]


def _identity(index: int) -> int:
    """Image and annotation id: COCO's tools take id 0 for "no match"."""
    return index + 1


def coco_image(figure: Figure, index: int) -> dict:
    """The ``images`` entry of a figure; `index` counts from 0."""
    height, width = figure.image.shape[:2]
    return dict(
        id=_identity(index),
        file_name=f'images/{_identity(index):06d}.png',
        width=width,
        height=height,
    )


def coco_annotation(figure: Figure, index: int) -> dict:
    """The ``annotations`` entry of a figure.

    Keypoints outside the image are (0, 0, 0), as COCO has it.
    """
    labelled = figure.visibility > 0
    keypoints = np.concatenate(
        [
            np.where(labelled[:, None], figure.keypoints, 0),
            figure.visibility[:, None],
        ],
        axis=1,
    )
    return dict(
        id=_identity(index),
        image_id=_identity(index),
        category_id=CATEGORIES[0]['id'],
        keypoints=keypoints.ravel().tolist(),
        num_keypoints=int(labelled.sum()),
        bbox=figure.bbox.tolist(),
        area=figure.area,
        iscrowd=0,
    )
