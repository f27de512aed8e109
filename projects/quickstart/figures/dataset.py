"""The figures as a dataset of MMPose."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

from mmengine.logging import MessageHub
from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

from dark_codec.openmmlab.engine.progress import track

from .annotation import CATEGORIES, coco_annotation, coco_image
from .render import Figure, render_figure

_SMALLEST_SIDE = 32


@DATASETS.register_module()
class FiguresDataset(BaseCocoStyleDataset):
    """Synthetic human figures, rendered when they are asked for.

    Nothing is read from disk: MMPose's ``LoadImage`` takes the image that the
    dataset puts into ``results['img']``, and ``CocoMetric()`` without
    ``ann_file`` takes the ground truth from the samples. Metainfo is COCO's,
    under the name ``figures``.

    Figure number `index` depends on `seed`, `index`, `image_size` and `easy`,
    in whatever process and order it is rendered. Use different seeds for
    training and validation.

    Args:
        num_samples (int): Number of figures, one an image. Defaults to 1000.
        seed (int): Seed of the whole set, not negative. Defaults to 0.
        image_size (Sequence[int]): Width and height in px, at least 32.
            Defaults to (160, 160).
        easy (bool): Whole figures, upright, seen from the front, with nothing
            before or behind them. Defaults to False.
        cache (bool): Render all figures when the dataset is initialised, and
            keep them in memory: 3 * width * height bytes each, shared by
            worker processes that are forked. Otherwise a figure is rendered
            again each time. Defaults to False.
        data_mode (str): ``'topdown'``, the only one supported.
        metainfo (dict, optional): Replaces the metainfo.
        indices (int | Sequence[int], optional): Take only these.
        serialize_data (bool): As in MMEngine's ``BaseDataset``.
        pipeline (Sequence): Transforms. Defaults to none.
        test_mode (bool): Whether this is for evaluation.
        lazy_init (bool): As in MMEngine's ``BaseDataset``.
        max_refetch (int): As in MMEngine's ``BaseDataset``.

    Raises:
        ValueError: If `num_samples`, `seed`, `image_size` or `data_mode` is
            not as described.
    """

    METAINFO: dict = dict(from_file='configs/_base_/datasets/coco.py')

    def __init__(
        self,
        num_samples: int = 1000,
        seed: int = 0,
        image_size: Sequence[int] = (160, 160),
        easy: bool = False,
        cache: bool = False,
        data_mode: str = 'topdown',
        metainfo: dict | None = None,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = True,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
        max_refetch: int = 1000,
    ) -> None:
        check_figures(num_samples, seed, image_size)
        if data_mode != 'topdown':
            raise ValueError(
                f"data_mode must be 'topdown', got {data_mode!r}: there is "
                'one figure an image'
            )
        self.num_samples = num_samples
        self.seed = seed
        width, height = image_size
        self.image_size = (width, height)
        self.easy = easy
        self.cache = cache
        self._figures: dict[int, Figure] = {}
        super().__init__(
            data_mode=data_mode,
            metainfo=metainfo,
            indices=indices,
            serialize_data=serialize_data,
            pipeline=list(pipeline),
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch,
        )
        # The base class has announced an empty ann_file to CocoMetric, which
        # would try to open it instead of using the samples' ground truth.
        hub = MessageHub.get_current_instance()
        hub.pop_info(f'{self.metainfo["dataset_name"]}_ann_file')

    @classmethod
    def _load_metainfo(cls, metainfo: dict | None = None) -> dict:
        loaded = super()._load_metainfo(metainfo)
        if metainfo is None:
            loaded['dataset_name'] = 'figures'
        loaded['CLASSES'] = CATEGORIES
        return loaded

    def full_init(self) -> None:
        """Make the list of figures; render them all if they are cached."""
        if self._fully_initialized:
            return
        super().full_init()
        if self.cache:
            wanted = [self._index(idx) for idx in range(len(self))]
            self._figures = {
                index: self._render(index)
                for index in track(wanted, 'Rendering figures')
            }

    def load_data_list(self) -> list[dict]:
        """One entry a figure: its number, from 0."""
        return [{'figure': index} for index in range(self.num_samples)]

    def get_data_info(self, idx: int) -> dict:
        """Image and annotation of a figure.

        Args:
            idx (int): Position in the dataset.

        Returns:
            dict: As from MMPose's ``CocoDataset``, and ``img``, the image
            (h, w, 3), uint8 BGR.
        """
        data_info: dict[str, Any] = super().get_data_info(idx)
        index = data_info.pop('figure')
        figure = self._figures.get(index) or self._render(index)
        image_info = coco_image(figure, index)
        image_info['img_path'] = image_info['file_name']
        data_info.update(
            self.parse_data_info(
                dict(
                    raw_ann_info=coco_annotation(figure, index),
                    raw_img_info=image_info,
                )
            )
        )
        # a copy: transforms may work in place
        data_info['img'] = figure.image.copy()
        return data_info

    def _index(self, idx: int) -> int:
        """Number of the figure at a position in the dataset."""
        return super().get_data_info(idx)['figure']

    def _render(self, index: int) -> Figure:
        return render_figure(self.seed, index, self.image_size, self.easy)


def check_figures(num_samples: Any, seed: Any, image_size: Any) -> None:
    """Check the arguments that determine a set of figures.

    Raises:
        ValueError: Names the argument, and what it should be.
    """
    if not _is_integer(num_samples) or num_samples < 1:
        raise ValueError(
            f'num_samples must be a positive integer, got {num_samples!r}'
        )
    if not _is_integer(seed) or seed < 0:
        raise ValueError(f'seed must be an integer >= 0, got {seed!r}')
    sides = list(image_size) if isinstance(image_size, Sequence) else []
    if len(sides) != 2 or not all(
        _is_integer(side) and side >= _SMALLEST_SIDE for side in sides
    ):
        raise ValueError(
            'image_size must be (width, height) in px, two integers >= '
            f'{_SMALLEST_SIDE}, got {image_size!r}'
        )


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
