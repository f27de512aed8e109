"""Read the predictions to diagnose: from a dump, or an npz file of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from ..codec import DARKCodec
from ..dumps.format import DumpError
from ..dumps.reader import HeatmapDump, Shard
from ..functional import find_peaks, input_to_heatmap
from ..openmmlab.decoding import decode, with_decoder
from ..openmmlab.engine.progress import track
from .diagnosis import Keypoints
from .findings import Case

# its window fits into every dump, and its result is not quantised
DECODER = 'GaussianFitDecoder'
TORSO = ('left_shoulder', 'right_hip')
_STRIDE = 4  # of MMPose's heatmaps
_ARRAYS = (
    'heatmaps (I, K, H, W), with heatmaps_flip of the same shape or gt '
    '(I, K, 2) and torso (I,), or all'
)


def read_dump(dump: HeatmapDump, size: str | None = None) -> Case:
    """Read a dump that ``dump_heatmaps.py`` wrote.

    Args:
        dump: The dump.
        size: ``'torso'`` or ``'box'``; by default the torso if there is one.

    Raises:
        DumpError: If it cannot be read, or has no torso.
    """
    names = dump.info.dataset_meta['keypoint_name2id']
    torso = [names.get(name) for name in TORSO]
    if size == 'torso' and None in torso:
        raise DumpError(
            f'--size torso needs the keypoints {TORSO}, and the dataset '
            f'has {list(names)}: take --size box'
        )
    if size is None:
        size = 'box' if None in torso else 'torso'
    info = dump.info
    codec = with_decoder(info.codec, DECODER)
    dump.check_decoder(codec.decoder)
    parts = [
        _read_shard(shard, codec, torso if size == 'torso' else None)
        for shard in track(dump.shards, 'Decoding')
    ]
    arrays = {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }
    plain, unflipped = arrays.pop('plain', None), arrays.pop('unflipped', None)
    flip_indices = np.array(info.dataset_meta['flip_indices'])
    keypoints = Keypoints(**arrays, flip_indices=flip_indices)
    flip_shift = None
    if info.flip_test:
        # the codec's correction is half an input px
        corrected = 0.5 * codec.heatmap_size[0] / codec.input_size[0]
        flip_shift = float(info.shift_heatmap)
        flip_shift -= 2 * corrected * codec.correct_flip_shift
    return Case(
        name=dump.folder.name,
        input_size=codec.input_size,
        heatmap_size=codec.heatmap_size,
        image_ids=arrays['image_ids'],
        keypoints=keypoints if keypoints.labelled.any() else None,
        truth_alignment=codec.alignment,
        size=size,
        plain=plain,
        unflipped=unflipped,
        configured=codec.alignment,
        flip_shift=flip_shift,
    )


def _read_shard(
    shard: Shard, codec: DARKCodec, torso: list[int] | None
) -> dict[str, np.ndarray]:
    """Read the fields of :class:`Keypoints`, and the flip test's halves."""
    maps = shard.heatmaps()
    in_input, _ = decode(codec, maps, shard.info.batch_size)
    # by way of input px, where the codec makes its corrections
    points = input_to_heatmap(
        torch.from_numpy(in_input),
        codec.input_size,
        codec.heatmap_size,
        codec.alignment,
    ).numpy()
    truth, labelled = shard.truth_on_heatmap(), shard.labelled
    size = shard.boxes_on_heatmap().max(1)
    if torso is not None:
        size = np.linalg.norm(truth[:, torso[0]] - truth[:, torso[1]], axis=-1)
        size = np.where(labelled[:, torso].all(1), size, 0)
    arrays = dict(
        points=points,
        truth=truth,
        labelled=labelled,
        size=size,
        peaks=_highest_pixels(maps.numpy()),
        image_ids=np.array([sample['img_id'] for sample in shard.samples]),
    )
    flips = shard.flip_points()
    if flips is not None:
        plain, plain_scores, unflipped, unflipped_scores = flips
        arrays['plain'] = _nan_where(plain, plain_scores == 0)
        arrays['unflipped'] = _nan_where(unflipped, unflipped_scores == 0)
    return arrays


def _nan_where(points: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Return the points (..., 2) with NaN where the mask (...) is set."""
    return np.where(lost[..., None], np.nan, points)


def _highest_pixels(maps: np.ndarray) -> np.ndarray:
    """Return the highest pixels (x, y), (I, K, 2)."""
    peaks = find_peaks(torch.from_numpy(maps).flatten(0, 1))
    return np.stack([peaks.x, peaks.y], -1).reshape(*maps.shape[:2], 2)


def read_archive(
    path: Path,
    input_size: Sequence[int] | None = None,
    flip_indices: Sequence[int] | None = None,
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
            peaks=_highest_pixels(maps),
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
        raise DumpError(f'{path} must hold {_ARRAYS}; it has {shapes}')
    return arrays


def _decode(
    codec: DARKCodec, maps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Decode to heatmap px, (I, K, 2); also with NaN for those not found."""
    found = codec.decoder(torch.from_numpy(maps.astype(np.float32)))
    points = found.points.numpy().astype(np.float64)
    return points, _nan_where(points, found.scores.numpy() == 0)


def _partners(given: Sequence[int] | None, count: int) -> np.ndarray:
    if given is None:
        return np.arange(count)
    partners = np.array(given)
    # each index once, and each partner's partner is the keypoint itself
    if sorted(given) != list(range(count)) or (
        partners[partners].tolist() != list(range(count))
    ):
        raise DumpError(
            f'--flip-indices must be, for each of the {count} keypoints, the '
            f'number of its partner or its own, got {list(given)}'
        )
    return partners
