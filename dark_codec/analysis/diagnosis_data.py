"""Read the input of a diagnosis from a dump."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmpose.registry import KEYPOINT_CODECS

from ..codec import DARKCodec
from ..dumps.format import DumpError
from ..dumps.reader import HeatmapDump, Shard
from ..functional import find_peaks, input_to_heatmap
from ..openmmlab.decoding import decode
from ..openmmlab.engine.progress import track
from ..openmmlab.evaluation.torso_pck import TORSO
from .diagnosis import Keypoints

# its window fits into every dump, and its result is not quantised
DECODER = 'GaussianFitDecoder'
SIZES = ('torso', 'box')


class Case(NamedTuple):
    """Predictions with their labels and metadata.

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


def read_dump(folder: Path, size: str | None) -> Case:
    """Read a dump that ``dump_heatmaps.py`` wrote.

    Args:
        folder: Of the dump.
        size: Of :data:`SIZES`; by default the torso if there is one.

    Raises:
        DumpError: If it cannot be read, or has no torso.
    """
    dump = HeatmapDump(folder)
    names = dump.info.dataset_meta['keypoint_name2id']
    torso = [names.get(name) for name in TORSO]
    if size == 'torso' and None in torso:
        raise DumpError(
            f'--size torso needs the keypoints {TORSO}, and the dataset '
            f'has {list(names)}: take --size box'
        )
    if size is None:
        size = 'box' if None in torso else 'torso'
    codec = KEYPOINT_CODECS.build(dict(dump.info.codec, decoder=DECODER))
    dump.check_decoder(codec.decoder)
    parts = [
        _read_shard(shard, codec, torso if size == 'torso' else None)
        for shard in track(dump.shards, 'Decoding')
    ]
    arrays = {
        name: np.concatenate([part[name] for part in parts])
        for name in parts[0]
    }
    return _dump_case(dump, codec, size, arrays)


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
    size = _box_size(shard, codec)
    if torso is not None:
        size = np.linalg.norm(truth[:, torso[0]] - truth[:, torso[1]], axis=-1)
        size = np.where(labelled[:, torso].all(1), size, 0)
    arrays = dict(
        points=points,
        truth=truth,
        labelled=labelled,
        size=size,
        peaks=find_pixels(maps.numpy()),
        image_ids=np.array([sample['img_id'] for sample in shard.samples]),
    )
    flips = shard.flip_points()
    if flips is not None:
        arrays |= dict(
            plain=without(flips.plain, flips.plain_scores == 0),
            unflipped=without(flips.unflipped, flips.unflipped_scores == 0),
        )
    return arrays


def _box_size(shard: Shard, codec: DARKCodec) -> np.ndarray:
    """Return the longer sides of the boxes in heatmap px, (n,)."""
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


def without(points: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Return the points (..., 2) with NaN where the mask (...) is set."""
    return np.where(lost[..., None], np.nan, points)


def find_pixels(maps: np.ndarray) -> np.ndarray:
    """Return the highest pixels (x, y), (I, K, 2)."""
    peaks = find_peaks(torch.from_numpy(maps).flatten(0, 1))
    return np.stack([peaks.x, peaks.y], -1).reshape(*maps.shape[:2], 2)
