"""Read the input of a diagnosis from an npz file of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from ..codec import DARKCodec
from ..dumps.format import DumpError
from .diagnosis import Keypoints
from .diagnosis_data import DECODER, Case, find_pixels, without

_STRIDE = 4  # of MMPose's heatmaps
_ARCHIVE = (
    'heatmaps (I, K, H, W), with heatmaps_flip of the same shape or gt '
    '(I, K, 2) and torso (I,), or all'
)


def read_archive(
    path: Path,
    input_size: Sequence[int] | None,
    flip_indices: Sequence[int] | None,
) -> Case:
    """Read arrays in the format of docs/diagnosis.md.

    Args:
        path: An npz file.
        input_size: Input size (w, h); by default four times the heatmap's.
        flip_indices: Each keypoint's partner on the other side; by default
            none has one.

    Raises:
        DumpError: If the file holds other arrays, or they do not fit.
    """
    arrays = _load(path)
    maps = arrays['heatmaps']
    number, count, height, width = maps.shape
    given: Any = input_size or (_STRIDE * width, _STRIDE * height)
    try:
        codec = DARKCodec(tuple(given), (width, height), decoder=DECODER)
    except ValueError as error:
        raise DumpError(f'--input-size: {error}') from error
    points, plain = _decode(codec, maps)
    keypoints = unflipped = None
    if 'gt' in arrays:
        keypoints = Keypoints(
            points=points,
            truth=arrays['gt'].astype(np.float64),
            labelled=np.isfinite(arrays['gt']).all(-1),
            size=arrays['torso'].astype(np.float64),
            peaks=find_pixels(maps),
            flip_indices=_partners(flip_indices, count),
        )
    if 'heatmaps_flip' in arrays:
        _, unflipped = _decode(codec, arrays['heatmaps_flip'])
    return Case(
        name=path.name,
        input_size=codec.input_size,
        heatmap_size=codec.heatmap_size,
        image_ids=np.arange(number),
        keypoints=keypoints,
        truth_alignment='half_pixel',
        size='torso',
        plain=plain,
        unflipped=unflipped,
    )


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise DumpError(f'{path} is no npz archive: {error}') from error
    shapes = {key: array.shape for key, array in arrays.items()}
    maps = shapes.get('heatmaps', ())
    expected = dict(heatmaps_flip=maps, gt=(*maps[:2], 2), torso=maps[:1])
    found = {key: shapes[key] for key in expected if key in shapes}
    fits = all(expected[key] == shape for key, shape in found.items())
    labels = {'gt', 'torso'} & set(found)
    enough = len(labels) == 2 or (not labels and 'heatmaps_flip' in found)
    if len(maps) != 4 or not fits or not enough:
        raise DumpError(f'{path} must hold {_ARCHIVE}; it has {shapes}')
    return arrays


def _decode(
    codec: DARKCodec, maps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Decode to heatmap px, (I, K, 2); also with NaN for those not found."""
    found = codec.decoder(torch.from_numpy(maps.astype(np.float32)))
    points = found.points.numpy().astype(np.float64)
    return points, without(points, found.scores.numpy() == 0)


def _partners(given: Sequence[int] | None, count: int) -> np.ndarray:
    if given is None:
        return np.arange(count)
    partners = np.array(given)
    same = np.array_equal(np.sort(partners), np.arange(count))
    if not same or not np.array_equal(partners[partners], np.arange(count)):
        raise DumpError(
            f'--flip-indices must be, for each of the {count} keypoints, the '
            f'number of its partner or its own, got {list(given)}'
        )
    return partners
