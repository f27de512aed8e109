"""What a diagnosis looks at, from a dump or from an archive of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from _common import UserError
from mmengine.utils import track_iter_progress
from mmpose.registry import KEYPOINT_CODECS

from dark_codec.codec import DARKCodec
from dark_codec.evaluation.decoding import decode
from dark_codec.evaluation.diagnosis import Keypoints
from dark_codec.evaluation.dump import DumpError, HeatmapDump, Shard
from dark_codec.functional import find_peaks, input_to_heatmap

# reads little enough for all dumps, and is finer than the steps of others
DECODER = 'GaussianFitDecoder'
TORSO = ('left_shoulder', 'right_hip')
SIZES = ('torso', 'box')
_STRIDE = 4  # of MMPose's heatmaps
_ARCHIVE = (
    'heatmaps (I, K, H, W), with heatmaps_flip of the same shape or gt '
    '(I, K, 2) and torso (I,), or all'
)


class Case(NamedTuple):
    """Predictions with all that is known about them.

    Attributes:
        name (str): Of the dump.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        image_ids (np.ndarray): The image of each person, (I,).
        keypoints (Keypoints, optional): With their truth, if there is one.
        truth_alignment (str): How it came from input px to heatmap px.
        size (str): What the hit radius is a share of, of :data:`SIZES`.
        plain (np.ndarray, optional): Keypoints in heatmap px, (I, K, 2), of
            the images as they are, NaN where there is none.
        unflipped (np.ndarray, optional): Of the mirrored images.
        configured (str, optional): The config's alignment.
        flip_shift (float, optional): How far un-flipped maps were moved to
            the right before the mean that the keypoints come from, in
            heatmap px, less what the codec corrects; None for plain maps.
    """

    name: str
    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    image_ids: np.ndarray
    keypoints: Keypoints | None
    truth_alignment: str
    size: str
    plain: np.ndarray | None
    unflipped: np.ndarray | None
    configured: str | None = None
    flip_shift: float | None = None


def read_archive(
    path: Path,
    input_size: Sequence[int] | None,
    flip_indices: Sequence[int] | None,
) -> Case:
    """Read arrays as those of docs/diagnosis.md.

    Args:
        path: An npz file.
        input_size: Input size (w, h); by default four times the heatmap's.
        flip_indices: Each keypoint's partner on the other side; by default
            none has one.
    """
    arrays = _load(path)
    maps = arrays['heatmaps']
    number, count, height, width = maps.shape
    given = input_size or (_STRIDE * width, _STRIDE * height)
    try:
        codec = DARKCodec(tuple(given), (width, height), decoder=DECODER)
    except ValueError as error:
        raise UserError(f'--input-size: {error}') from error
    points, plain = _decode(codec, maps)
    keypoints = unflipped = None
    if 'gt' in arrays:
        keypoints = Keypoints(
            points=points,
            truth=arrays['gt'].astype(np.float64),
            labelled=np.isfinite(arrays['gt']).all(-1),
            size=arrays['torso'].astype(np.float64),
            peaks=_peaks(maps),
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
        raise UserError(f'{path} is no npz archive: {error}') from error
    shapes = {key: array.shape for key, array in arrays.items()}
    maps = shapes.get('heatmaps', ())
    expected = dict(heatmaps_flip=maps, gt=(*maps[:2], 2), torso=maps[:1])
    found = {key: shapes[key] for key in expected if key in shapes}
    fits = all(expected[key] == shape for key, shape in found.items())
    labels = {'gt', 'torso'} & set(found)
    enough = len(labels) == 2 or (not labels and 'heatmaps_flip' in found)
    if len(maps) != 4 or not fits or not enough:
        raise UserError(f'{path} must hold {_ARCHIVE}; it has {shapes}')
    return arrays


def _decode(
    codec: DARKCodec, maps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints in heatmap px, (I, K, 2), and with NaN for those not found."""
    found = codec.decoder(torch.from_numpy(maps.astype(np.float32)))
    points = found.points.numpy().astype(np.float64)
    return points, _without(points, found.scores.numpy() == 0)


def _without(points: np.ndarray, lost: np.ndarray) -> np.ndarray:
    return np.where(lost[..., None], np.nan, points)


def _peaks(maps: np.ndarray) -> np.ndarray:
    """Highest pixels (x, y), (I, K, 2)."""
    peaks = find_peaks(maps.reshape(-1, *maps.shape[2:]))
    return np.stack([peaks.x, peaks.y], -1).reshape(*maps.shape[:2], 2)


def _partners(given: Sequence[int] | None, count: int) -> np.ndarray:
    if given is None:
        return np.arange(count)
    partners = np.array(given)
    same = np.array_equal(np.sort(partners), np.arange(count))
    if not same or not np.array_equal(partners[partners], np.arange(count)):
        raise UserError(
            f'--flip-indices must be, for each of the {count} keypoints, the '
            f'number of its partner or its own, got {list(given)}'
        )
    return partners


def read_dump(folder: Path, size: str | None) -> Case:
    """Read what ``dump_heatmaps.py`` wrote.

    Args:
        folder: Of the dump.
        size: Of :data:`SIZES`; by default the torso if there is one.
    """
    try:
        dump = HeatmapDump(folder)
        names = dump.info.dataset_meta['keypoint_name2id']
        torso = [names.get(name) for name in TORSO]
        if size == 'torso' and None in torso:
            raise UserError(
                f'--size torso needs the keypoints {TORSO}, and the dataset '
                f'has {list(names)}: take --size box'
            )
        if size is None:
            size = 'box' if None in torso else 'torso'
        codec = KEYPOINT_CODECS.build(dict(dump.info.codec, decoder=DECODER))
        dump.check_decoder(codec.decoder)
        parts = [
            _read_shard(shard, codec, torso if size == 'torso' else None)
            for shard in track_iter_progress(dump.shards)
        ]
    except DumpError as error:
        raise UserError(str(error)) from error
    arrays = {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }
    return _dump_case(dump, codec, size, arrays)


def _read_shard(
    shard: Shard, codec: DARKCodec, torso: list[int] | None
) -> dict[str, np.ndarray]:
    """What :class:`Keypoints` holds, and the halves of the flip test."""
    maps = shard.heatmaps()
    in_input, _ = decode(codec, maps, shard.info.batch_size)
    # by way of input px, where the codec makes its corrections
    points = input_to_heatmap(
        in_input, codec.input_size, codec.heatmap_size, codec.alignment
    )
    truth, labelled = shard.truth_on_heatmap(), shard.labelled
    size = _box_size(shard, codec)
    if torso is not None:
        size = np.linalg.norm(truth[:, torso[0]] - truth[:, torso[1]], axis=-1)
        size = np.where(labelled[:, torso].all(1), size, 0)
    arrays = dict(
        points=points,
        truth=truth,
        labelled=labelled,
        size=size,
        peaks=_peaks(maps.numpy()),
        image_ids=np.array([sample['img_id'] for sample in shard.samples]),
    )
    flips = shard.flip_points()
    if flips is not None:
        arrays |= dict(
            plain=_without(flips.plain, flips.plain_scores == 0),
            unflipped=_without(flips.unflipped, flips.unflipped_scores == 0),
        )
    return arrays


def _box_size(shard: Shard, codec: DARKCodec) -> np.ndarray:
    """Longer sides of the boxes in heatmap px, (n,)."""
    boxes = [sample['gt_instances']['bboxes'] for sample in shard.samples]
    corners = np.concatenate(boxes)
    scale = np.array([sample['input_scale'] for sample in shard.samples])
    sides = (corners[:, 2:4] - corners[:, :2]) / scale * codec.heatmap_size
    return sides.max(1)


def _dump_case(
    dump: HeatmapDump,
    codec: DARKCodec,
    size: str,
    arrays: dict[str, np.ndarray],
) -> Case:
    info = dump.info
    halves = [arrays.pop(name, None) for name in ('plain', 'unflipped')]
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
        plain=halves[0],
        unflipped=halves[1],
        configured=codec.alignment,
        flip_shift=flip_shift,
    )
