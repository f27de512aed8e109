"""The figures as a dataset of MMPose, and in COCO's annotation format."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import MessageHub
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

from .drawing import Figure, draw_figure

CATEGORIES = [dict(id=1, name='person', supercategory='person')]
_SMALLEST_SIDE = 32


@DATASETS.register_module()
class FiguresDataset(BaseCocoStyleDataset):
    """Synthetic people, drawn when the dataset is initialised.

    Nothing is read from disk: MMPose's ``LoadImage`` takes the image that the
    dataset puts into ``results['img']``, and ``CocoMetric()`` without
    ``ann_file`` takes the ground truth from the samples. Metainfo is COCO's,
    under the name ``figures``. Figures take 3 * width * height bytes each,
    which the worker processes of a data loader share.

    Figure number `index` depends on `seed`, `index` and `image_size` alone.
    Use different seeds for training and validation.

    Args:
        num_samples (int): Number of figures, one per image. Defaults to
            1000.
        seed (int): Seed of the whole set, not negative. Defaults to 0.
        image_size (Sequence[int]): Width and height in px, at least 32.
            Defaults to (160, 160).
        **kwargs: Of ``BaseCocoStyleDataset``, such as ``pipeline``,
            ``test_mode``, ``indices`` and ``lazy_init``.

    Raises:
        ValueError: If `num_samples`, `seed` or `image_size` is not as
            described.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/coco.py')

    def __init__(
        self,
        num_samples: int = 1000,
        seed: int = 0,
        image_size: Sequence[int] = (160, 160),
        **kwargs: Any,
    ) -> None:
        check_figures(num_samples, seed, image_size)
        self.num_samples = num_samples
        self.seed = seed
        self.image_size = (image_size[0], image_size[1])
        super().__init__(ann_file='', **kwargs)
        # The base class tells CocoMetric of the empty ann_file, which it
        # would try to open instead of using the samples' ground truth.
        hub = MessageHub.get_current_instance()
        hub.pop_info(f'{self.metainfo["dataset_name"]}_ann_file')

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        loaded = super()._load_metainfo(metainfo)
        if metainfo is None:
            loaded['dataset_name'] = 'figures'
        return dict(loaded, CLASSES=CATEGORIES)

    def load_data_list(self) -> list[dict]:
        """Draw the figures: entries as of ``CocoDataset``, with ``img``."""
        return [self._draw(index) for index in range(self.num_samples)]

    def _draw(self, index: int) -> dict:
        figure = draw_figure(self.seed, index, self.image_size)
        image, annotation = coco_entries(figure, index)
        image['img_path'] = image['file_name']
        info = self.parse_data_info(
            dict(raw_ann_info=annotation, raw_img_info=image)
        )
        return dict(info, img=figure.image)


def coco_entries(figure: Figure, index: int) -> tuple[dict, dict]:
    """Return the entries in ``images`` and ``annotations`` of a figure."""
    height, width = figure.image.shape[:2]
    number = index + 1  # COCO's tools take the id 0 for "no match"
    name = f'images/{number:06}.png'
    keypoints = np.column_stack([figure.keypoints, figure.visibility])
    annotation = dict(
        id=number,
        image_id=number,
        category_id=CATEGORIES[0]['id'],
        keypoints=keypoints.ravel().tolist(),
        num_keypoints=len(keypoints),
        bbox=figure.bbox.tolist(),
        area=figure.area,
        iscrowd=0,
    )
    image = dict(id=number, file_name=name, width=width, height=height)
    return image, annotation


def check_figures(num_samples: Any, seed: Any, image_size: Any) -> None:
    """Check the arguments that determine a set of figures.

    Raises:
        ValueError: Names the argument, what it is and what it should be.
    """
    for name, value, least in (
        ('num_samples', num_samples, 1),
        ('seed', seed, 0),
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(
                f'{name} must be an integer >= {least}, got {value!r}'
            )
    sides = list(image_size) if isinstance(image_size, Sequence) else []
    if len(sides) != 2 or not all(
        isinstance(side, int) and side >= _SMALLEST_SIDE for side in sides
    ):
        raise ValueError(
            'image_size must be (width, height) in px, two integers >= '
            f'{_SMALLEST_SIDE}, got {image_size!r}'
        )
