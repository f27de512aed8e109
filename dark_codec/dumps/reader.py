"""Read dumps of predicted heatmaps: docs/heatmap_dumps.md has the format."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..functional import input_to_heatmap
from ..openmmlab.decoding import image_to_input
from .format import (
    CONFIG_FILE,
    DumpError,
    DumpInfo,
    read_info,
    shard_path,
)
from .patches import paste_patches

# errors that reading a truncated or altered file may raise
_READ_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    KeyError,
    ValueError,
)
_REMEDY = 'dump again into the same folder, which renews this file'


class FlipPoints(NamedTuple):
    """Keypoints decoded from the two halves of a flip test, separately.

    Attributes:
        plain (np.ndarray): Keypoints decoded from the maps of the images as
            they are, (x, y) in heatmap px, (n, K, 2), float32.
        plain_scores (np.ndarray): Maxima of these maps, (n, K), float32; 0
            where there is none.
        unflipped (np.ndarray): Keypoints from the maps of the mirrored
            images, mirrored back with left and right exchanged, before any
            ``shift_heatmap``, (n, K, 2), float32.
        unflipped_scores (np.ndarray): Shape (n, K), float32.
    """

    plain: np.ndarray
    plain_scores: np.ndarray
    unflipped: np.ndarray
    unflipped_scores: np.ndarray


class Shard:
    """Some consecutive samples of a dump; arrays are read on demand.

    Args:
        folder (Path): Of the dump.
        number (int): Of the shard.
        info (DumpInfo): Of the dump.
    """

    def __init__(self, folder: Path, number: int, info: DumpInfo) -> None:
        self.path = shard_path(folder, number)
        self.number = number
        self.info = info

    def check(self) -> None:
        """Check that this is the shard of that number of that dump.

        Raises:
            DumpError: If it is another one, or damaged.
        """
        number = self.read('number')
        expected = self.info.shard_index(self.number)
        if str(self.read('dump')) != self.info.hash:
            wrong = 'is of another dump'
        elif number != self.number:
            wrong = f'is shard {number} under another name'
        elif not np.array_equal(self.index, expected):
            wrong = 'holds other samples than its number says'
        else:
            return
        raise DumpError(f'{self.path} {wrong}: {_REMEDY}')

    def read(self, name: str) -> np.ndarray:
        """Read one array of the file.

        Raises:
            DumpError: If the file is damaged, or has no such array.
        """
        with self._opened() as archive:
            # as a whole: only that verifies the checksum
            data = archive.read(f'{name}.npy')
            return np.lib.format.read_array(io.BytesIO(data))

    def names(self) -> list[str]:
        """Names of the arrays.

        Raises:
            DumpError: If the file is damaged.
        """
        with self._opened() as archive:
            return [Path(name).stem for name in archive.namelist()]

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except _READ_ERRORS as error:
            raise DumpError(
                f'{self.path} is damaged ({error}): {_REMEDY}'
            ) from error

    @cached_property
    def index(self) -> np.ndarray:
        """Indices in the dataset, (n,), int64."""
        return self.read('index')

    def heatmaps(self) -> Tensor:
        """Return maps that decode as the predicted ones, (n, K, H, W).

        These are the predicted maps, or their patches in maps that are zero
        elsewhere; :meth:`HeatmapDump.check_decoder` checks whether a decoder
        can use them.
        """
        if self.info.kind == 'full':
            maps = self.read('heatmaps').astype(np.float32, copy=False)
        else:
            patches, corners = self.read('patches'), self.read('corners')
            size = self.info.codec['heatmap_size']
            maps = paste_patches(patches, corners, size)
        return torch.from_numpy(maps)

    def flip_points(self) -> FlipPoints | None:
        """Return the halves of the flip test; None if there was none."""
        if not self.info.flip_test:
            return None
        return FlipPoints(*(self.read(name) for name in FlipPoints._fields))

    @cached_property
    def samples(self) -> list[dict]:
        """Return data samples as metrics take them, without predictions.

        Each a dict of the metainfo, such as ``img_id``, and of
        ``gt_instances``, a dict of arrays (1, ...).
        """
        samples = json.loads(self.read('samples').tobytes())
        for name in self.names():
            field, _, key = name.partition('.')
            if not key:
                continue
            for sample, value in zip(samples, self.read(name)):
                target = sample if field == 'metainfo' else sample[field]
                target[key] = value
        return samples

    @property
    def truth(self) -> np.ndarray:
        """Return the true keypoints in image px, (n, K, 2)."""
        labels = [sample['gt_instances'] for sample in self.samples]
        return np.concatenate([label['keypoints'] for label in labels])

    @property
    def labelled(self) -> np.ndarray:
        """Return the mask of the labelled keypoints, (n, K), bool."""
        labels = [sample['gt_instances'] for sample in self.samples]
        visible = np.concatenate([x['keypoints_visible'] for x in labels])
        # MMPose may have put weights on a third axis
        return visible.reshape(*visible.shape[:2], -1)[..., 0] > 0

    def truth_on_heatmap(self) -> np.ndarray:
        """Return the true keypoints in heatmap px, (n, K, 2), float32."""
        codec = self.info.codec
        return input_to_heatmap(
            torch.from_numpy(image_to_input(self.truth, self.samples)),
            codec['input_size'],
            codec['heatmap_size'],
            codec['alignment'],
        ).numpy()

    def heatmap_scale(self) -> np.ndarray:
        """Return heatmap px per image px, (x, y) of each crop, (n, 2)."""
        crops = np.array([sample['input_scale'] for sample in self.samples])
        return np.array(self.info.codec['heatmap_size']) / crops

    def boxes_on_heatmap(self) -> np.ndarray:
        """Return widths and heights of the boxes in heatmap px, (n, 2)."""
        labels = [sample['gt_instances'] for sample in self.samples]
        boxes = np.concatenate([label['bboxes'] for label in labels])
        return (boxes[:, 2:4] - boxes[:, :2]) * self.heatmap_scale()


class _Shards(Sequence):
    """Sequence of shards that are made on demand, not kept in memory."""

    def __init__(self, folder: Path, info: DumpInfo) -> None:
        self.folder, self.info = folder, info

    def __len__(self) -> int:
        return self.info.num_shards

    def __getitem__(self, number: Any) -> Any:
        # a range knows negative numbers, and where it ends
        return Shard(self.folder, range(len(self))[number], self.info)


class HeatmapDump:
    """Predictions of a network for a test set, stored in a folder.

    Made by ``tools/analysis_tools/dump_heatmaps.py``. One shard at a time is
    in memory.

    Args:
        folder (str | Path): Of the dump.

    Raises:
        DumpError: If it is no dump, not complete, or has a shard of another
            dump.

    Attributes:
        info (DumpInfo): What is the same for all samples.
        shards (Sequence[Shard]): In the order of the dataset.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.info = read_info(folder)
        self.shards: Sequence[Shard] = _Shards(self.folder, self.info)
        paths = [shard.path for shard in self.shards]
        missing = [path.name for path in paths if not path.exists()]
        if missing:
            raise DumpError(
                f'{folder} is not complete: {len(missing)} of {len(paths)} '
                f'shards are missing, such as {missing[0]}; dump again into '
                'the same folder to resume it'
            )
        for shard in self.shards:
            shard.check()

    def __len__(self) -> int:
        return self.info.num_samples

    @cached_property
    def config(self) -> Config:
        """Config of the run that made it; reading runs its imports.

        Raises:
            DumpError: If it cannot be read.
        """
        path = self.folder / CONFIG_FILE
        try:
            return Config.fromfile(path)
        except (OSError, SyntaxError, ImportError) as error:
            raise DumpError(
                f'{path}, the config of the dump, cannot be read ({error}): '
                'dump again into the same folder, which writes it if it is '
                'missing'
            ) from error

    def check_decoder(self, decoder: nn.Module) -> None:
        """Check that the dump holds what a decoder reads.

        Args:
            decoder (nn.Module): Of a codec.

        Raises:
            DumpError: If it reads more of a map than is there.
        """
        radius = self.info.patch_radius
        reach = getattr(decoder, 'reach', None)
        if radius is None or (reach is not None and reach <= radius):
            return
        need = f'{reach} px round the peak' if reach else 'the whole map'
        raise DumpError(
            f'{type(decoder).__name__} reads {need}, but {self.folder} '
            f'holds patches of {radius} px round the peaks: dump with '
            '--full, or take a decoder that reads less, such as '
            "dark-max (TaylorDecoder with rescale='max')"
        )
