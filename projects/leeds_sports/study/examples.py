"""Choose heatmaps to show, by rules fixed beforehand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.ndimage import maximum_filter

from dark_codec.analysis.prediction import DARK, Prediction
from dark_codec.functional import input_to_heatmap

_NEAR = 3  # heatmap px from the maximum


class Example(NamedTuple):
    """One predicted heatmap.

    Attributes:
        rule (str): How it was chosen.
        image (int): Number of the image.
        keypoint (str): Name of the keypoint.
        predicted (np.ndarray): The heatmap, (H, W).
        modulated (np.ndarray): The same after Eq. 10-11, (H, W).
        points (dict[str, np.ndarray]): Decoded (x, y) in heatmap px, by
            decoder.
        truth (np.ndarray): True (x, y) in heatmap px.
    """

    rule: str
    image: int
    keypoint: str
    predicted: np.ndarray
    modulated: np.ndarray
    points: dict[str, Any]
    truth: Any


def choose_examples(
    prediction: Prediction, errors: np.ndarray, decoders: dict[str, Any]
) -> list[Example]:
    """Choose a heatmap with many peaks, and a typical one.

    The first comes from the half with the higher maxima: peaks of heatmaps
    with low maxima are noise.

    Args:
        prediction (Prediction): Of all images.
        errors (np.ndarray): Of DARK, in image px, (I, K).
        decoders (dict): Configs by name; :data:`.prediction.DARK` is one.

    Returns:
        list[Example]: Two.
    """
    heatmaps = prediction.heatmaps.cpu().numpy()
    labelled = prediction.labelled
    maxima = heatmaps.max((2, 3))
    found = labelled & (maxima >= np.median(maxima[labelled]))
    peaks = np.array([[count_peaks(h) for h in maps] for maps in heatmaps])
    # of those with equally many peaks, the one with the highest maximum
    many_peaks = np.where(found, peaks + maxima / (2 * maxima.max()), -np.inf)
    median = np.median(errors[labelled])
    typical = np.where(labelled, np.abs(errors - median), np.inf)
    rules = {
        f'most peaks within {_NEAR} px': many_peaks.argmax(),
        'median error': typical.argmin(),
    }
    return [
        _example(
            prediction,
            decoders,
            rule,
            *np.unravel_index(place, labelled.shape),
        )
        for rule, place in rules.items()
    ]


def count_peaks(heatmap: np.ndarray) -> int:
    """Count local maxima (3 x 3) above half the maximum, near to it.

    Args:
        heatmap (np.ndarray): Shape (H, W).

    Returns:
        int: How many; at least 1.
    """
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    is_peak = maximum_filter(heatmap, 3) == heatmap
    is_peak &= heatmap >= 0.5 * heatmap.max()
    top, left = max(y - _NEAR, 0), max(x - _NEAR, 0)
    return int(is_peak[top : y + _NEAR + 1, left : x + _NEAR + 1].sum())


def _example(
    prediction: Prediction,
    decoders: dict[str, Any],
    rule: str,
    image: Any,
    keypoint: Any,
) -> Example:
    heatmap = prediction.heatmaps[image : image + 1, keypoint : keypoint + 1]
    codecs = {
        name: prediction.codec(decoder) for name, decoder in decoders.items()
    }
    dark = codecs[DARK]
    truth = input_to_heatmap(
        torch.from_numpy(
            prediction.to_input(prediction.truth)[image, keypoint]
        ),
        dark.input_size,
        dark.heatmap_size,
        dark.alignment,
    ).numpy()
    names = prediction.runner.test_dataloader.dataset.metainfo[
        'keypoint_id2name'
    ]
    return Example(
        rule=rule,
        image=int(image),
        keypoint=names[int(keypoint)],
        predicted=heatmap[0, 0].cpu().numpy(),
        modulated=dark.decoder.modulation(heatmap[0])[0].cpu().numpy(),
        points={
            name: codec.decoder(heatmap).points[0, 0].cpu().numpy()
            for name, codec in codecs.items()
        },
        truth=np.asarray(truth),
    )
