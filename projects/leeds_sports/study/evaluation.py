"""Predicts the test photographs once for each run, and decodes every way."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config

from dark_codec.analysis.decoders_by_name import SHORT, parse_decoder
from dark_codec.cli import prepare
from dark_codec.functional import input_to_heatmap
from projects.leeds_sports.torso_pck import TORSO, torso_distances
from projects.prediction import Prediction, predict, redecode

from .runs import Run

# names of the study, in tables.json, too
DECODERS = {
    'argmax': SHORT['argmax'],
    'quarter shift': SHORT['shift'],
    'Taylor without modulation': SHORT['taylor'],
    'DARK': SHORT['dark'],
    # all networks were trained with sigma 1
    'half the kernel': parse_decoder('dark:modulation.sigma=0.5')[1],
    'rescaled by max': SHORT['dark-max'],
    'Gaussian fit': SHORT['fit'],
}
CORRECTED = 'DARK, flip shift corrected'


class Decoded(NamedTuple):
    """Keypoints that the decoders made of I images' heatmaps.

    Attributes:
        counted (np.ndarray): Keypoints that PCK counts, (I, K), bool.
        distance (dict[str, np.ndarray]): From the labels, in torso
            diagonals, (I, K), by decoder.
        offset (dict[str, np.ndarray]): Prediction less label in heatmap px,
            (I, K, 2), by decoder.
        label (np.ndarray): The labels in heatmap px, (I, K, 2).
    """

    counted: np.ndarray
    distance: dict[str, np.ndarray]
    offset: dict[str, np.ndarray]
    label: np.ndarray


def predict_run(run: Run, checkpoint: Path) -> Prediction:
    """The test set's heatmaps, by the network of a run."""
    cfg = Config.fromfile(run.path)
    cfg.work_dir = str(checkpoint.parent)
    cfg.load_from = str(checkpoint)
    cfg.launcher = 'none'
    prepare(cfg, ('test',))
    return predict(cfg)


def decode_all(prediction: Prediction) -> Decoded:
    """Decode by each of :data:`DECODERS`.

    Where the flip test has a bias, also with ``correct_flip_shift``.
    """
    points = {
        name: redecode(prediction, decoder)[1]
        for name, decoder in DECODERS.items()
    }
    dark = prediction.codec(DECODERS['DARK'])
    if dark.flip_bias:
        _, points[CORRECTED] = redecode(
            prediction, DECODERS['DARK'], correct_flip_shift=True
        )
    truth = prediction.truth
    counted = np.zeros_like(prediction.labelled)
    distance, offset = {}, {}
    pixel = _image_px(prediction, dark.heatmap_size)
    for name, found in points.items():
        distance[name], counted = torso_distances_of(prediction, found)
        offset[name] = (found - truth) / pixel
    label = input_to_heatmap(
        torch.from_numpy(prediction.to_input(truth)),
        dark.input_size,
        dark.heatmap_size,
        dark.alignment,
    )
    return Decoded(counted, distance, offset, label.numpy())


def torso_distances_of(
    prediction: Prediction, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distances of keypoints from their labels in torso diagonals.

    Args:
        prediction (Prediction): Holds the labels.
        found (np.ndarray): Keypoints in image px, (I, K, 2).

    Returns:
        tuple[np.ndarray, np.ndarray]: Distances (I, K), and which of them
        PCK counts, (I, K), bool.
    """
    metainfo = prediction.runner.test_dataloader.dataset.metainfo
    names = list(metainfo['keypoint_id2name'].values())
    torso = [names.index(name) for name in TORSO]
    return torso_distances(found, prediction.truth, prediction.labelled, torso)


def _image_px(
    prediction: Prediction, heatmap_size: tuple[int, int]
) -> np.ndarray:
    """Width and height of a heatmap px in image px, (I, 1, 2)."""
    scales = [sample.metainfo['input_scale'] for sample in prediction.samples]
    return np.array(scales)[:, None] / heatmap_size


def save(path: Path, decoded: Decoded) -> None:
    """Write what was decoded."""
    arrays = {'counted': decoded.counted, 'label': decoded.label}
    for name, values in decoded.distance.items():
        arrays[f'distance/{name}'] = values.astype(np.float32)
        arrays[f'offset/{name}'] = decoded.offset[name].astype(np.float32)
    np.savez_compressed(path, **arrays)


def load(path: Path) -> Decoded:
    """Read what :func:`save` has written."""
    with np.load(path) as archive:
        arrays = dict(archive)
    counted, label = arrays.pop('counted'), arrays.pop('label')
    parts: dict[str, dict] = dict(distance={}, offset={})
    for key, values in arrays.items():
        part, name = key.split('/')
        parts[part][name] = values
    return Decoded(counted, label=label, **parts)
