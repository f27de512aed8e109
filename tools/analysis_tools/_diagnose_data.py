"""What a diagnosis looks at, from a dump or from an archive of arrays."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from _common import UserError

from dark_codec import DARKCodec
from dark_codec.evaluation.diagnosis import Keypoints
from dark_codec.functional import find_peaks

# what an archive may hold, with I images of one person and K keypoints
ARCHIVE = """heatmaps (I, K, H, W), and at least one of: heatmaps_flip, \
predicted on the mirrored images and un-flipped, but not shifted; gt, true \
keypoints (x, y) in heatmap px (I, K, 2) under half_pixel, with torso, sizes \
in heatmap px (I,)"""
_STRIDE = 4  # of MMPose's heatmaps


class Case(NamedTuple):
    """Predictions with all that is known about them.

    Attributes:
        name (str): Of the dump.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        decoder (str): What decoded the keypoints.
        keypoints (Keypoints, optional): With their truth, if there is one.
        truth_alignment (str): How it came from input px to heatmap px.
        size (str): What the hit radius is a share of.
        plain (np.ndarray, optional): Keypoints in heatmap px, (I, K, 2), of
            the images as they are.
        unflipped (np.ndarray, optional): Of the mirrored images.
        image_ids (np.ndarray, optional): Of each row, (I,).
        configured (str, optional): The config's alignment.
        flip_shift (float, optional): How far un-flipped maps were moved
            before the mean that the keypoints come from, in heatmap px; None
            if they come from plain maps.
    """

    name: str
    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    decoder: str
    keypoints: Keypoints | None
    truth_alignment: str
    size: str
    plain: np.ndarray | None
    unflipped: np.ndarray | None
    image_ids: np.ndarray | None = None
    configured: str | None = None
    flip_shift: float | None = None


def read_case(args: argparse.Namespace) -> Case:
    """Read what the command line names."""
    if args.dump.is_file():
        return _from_archive(args)
    raise UserError(f'there is no dump {args.dump}')


def _from_archive(args: argparse.Namespace) -> Case:
    arrays = _load(args.dump)
    heatmaps = arrays['heatmaps']
    number, count, height, width = heatmaps.shape
    input_size = tuple(args.input_size or (_STRIDE * width, _STRIDE * height))
    try:
        codec = DARKCodec(input_size, (width, height), decoder=args.decoder)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(str(error)) from error
    points = _decode(codec, heatmaps)
    keypoints = unflipped = None
    if 'gt' in arrays:
        keypoints = Keypoints(
            points=points,
            truth=arrays['gt'].astype(np.float64),
            labelled=np.isfinite(arrays['gt']).all(-1),
            size=arrays['torso'].astype(np.float64),
            peaks=_peaks(heatmaps),
            flip_indices=_flip_indices(args.flip_indices, count),
        )
    if 'heatmaps_flip' in arrays:
        unflipped = _decode(codec, arrays['heatmaps_flip'])
    return Case(
        name=args.dump.name,
        input_size=input_size,
        heatmap_size=(width, height),
        decoder=args.decoder,
        keypoints=keypoints,
        truth_alignment='half_pixel',
        size='torso',
        plain=points,
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
    enough = 'heatmaps_flip' in found or {'gt', 'torso'} <= set(found)
    if len(maps) != 4 or not fits or not enough:
        raise UserError(f'{path} must hold {ARCHIVE}; got {shapes}')
    if 'torso' not in found:
        arrays.pop('gt', None)
    return arrays
