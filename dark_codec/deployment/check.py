"""Check that an ONNX graph computes what PyTorch does."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch

from ..codec import DARKCodec
from .decoder import ExportedDecoder
from .export import subgraph

if TYPE_CHECKING:
    from .estimator import ExportedEstimator

# Of keypoints, in input px
TOLERANCE = 1e-3
# Of heatmaps and scores, relative to the largest value
_RELATIVE = 1e-4
_BATCHES = (1, 3)
_NOISE = 0.02


class MismatchError(ValueError):
    """A graph does not compute what PyTorch does."""


def check_onnx(
    graph: onnx.ModelProto, module: ExportedDecoder | ExportedEstimator
) -> dict[str, float]:
    """Check a graph, and run it in onnxruntime against PyTorch.

    The two halves of an estimator are checked one by one: its network on
    noise, whose heatmaps may have several maxima that are equal but for
    rounding, and its decoder on heatmaps of known keypoints, up to the
    border and with noise, and on those that no keypoint can be decoded from.

    Args:
        graph (onnx.ModelProto): From :func:`export_onnx`.
        module (ExportedDecoder | ExportedEstimator): What was exported.

    Returns:
        dict[str, float]: The largest differences: of ``keypoints`` in input
        px; of ``scores`` and ``heatmaps`` as shares of the largest value.

    Raises:
        MismatchError: If the graph is invalid or a difference is too large.
    """
    try:
        onnx.checker.check_model(graph, full_check=True)
    except onnx.checker.ValidationError as error:
        raise MismatchError(f'the graph is not valid: {error}') from error
    differences = {}
    if not isinstance(module, ExportedDecoder):
        differences['heatmaps'] = _check_network(graph, module)
        # the decoder's part reads the batch size from the image
        inputs = [*ExportedDecoder.inputs, *module.inputs]
        graph = subgraph(graph, inputs, list(ExportedDecoder.outputs))
    differences.update(_check_decoder(graph, module))
    return differences


def session_of(
    graph: onnx.ModelProto, threads: int = 0
) -> onnxruntime.InferenceSession:
    """Load a graph into onnxruntime, on the CPU; 0 threads: all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        graph.SerializeToString(),
        options,
        providers=['CPUExecutionProvider'],
    )


def _check_network(graph: onnx.ModelProto, module: ExportedEstimator) -> float:
    session = session_of(graph)
    largest = 0.0
    for batch in _BATCHES:
        image = module.example(batch, seed=batch)
        with torch.no_grad():
            expected = module(image)[-1].numpy()
        (found,) = session.run(['heatmaps'], {'image': image.numpy()})
        largest = max(largest, _relative('heatmaps', found, expected))
    return largest


def _check_decoder(
    graph: onnx.ModelProto, module: ExportedDecoder | ExportedEstimator
) -> dict[str, float]:
    session, codec = session_of(graph), module.codec
    shapes = {value.name: value.shape for value in session.get_inputs()}
    channels = shapes['heatmaps'][1]
    if not isinstance(channels, int):
        channels = 5  # arbitrary
    largest = dict(keypoints=0.0, scores=0.0)
    for batch in _BATCHES:
        heatmaps = _example_heatmaps(codec, batch, channels)
        given = {'heatmaps': heatmaps}
        if 'image' in shapes:
            given['image'] = module.example(len(heatmaps)).numpy()
        keypoints, scores = session.run(list(ExportedDecoder.outputs), given)
        expected = codec.batch_decode(torch.from_numpy(heatmaps))
        points, values = (np.concatenate(part) for part in expected)
        distance = _largest('keypoints', keypoints, points)
        if distance > TOLERANCE:
            raise MismatchError(
                f'keypoints differ by {distance:.2g} input px from PyTorch; '
                f'{TOLERANCE:g} is allowed'
            )
        found = dict(
            keypoints=distance, scores=_relative('scores', scores, values)
        )
        largest = {key: max(largest[key], found[key]) for key in found}
    return largest


def _example_heatmaps(
    codec: DARKCodec, batch: int, channels: int
) -> np.ndarray:
    """Return noisy heatmaps of random keypoints, then invalid ones."""
    rng = np.random.default_rng(batch)
    points = rng.uniform(0, codec.input_size, (batch, 1, channels, 2))
    visible = torch.ones(batch, 1, channels)
    heatmaps = codec.batch_encode(torch.from_numpy(points), visible)[0].numpy()
    noise = rng.normal(0, _NOISE, heatmaps.shape)
    noisy = (heatmaps + noise).astype(np.float32)
    useless = np.stack([noisy[0]] * 6)
    useless[0], useless[1], useless[2] = 0, 0.5, -0.5
    for number, value in enumerate((math.nan, math.inf, -math.inf), 3):
        useless[number, :, 1, 2] = value
    return np.concatenate([noisy, useless])


def _relative(name: str, found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference relative to the largest value."""
    scale = float(np.abs(expected).max()) or 1.0
    share = _largest(name, found, expected) / scale
    if share > _RELATIVE:
        raise MismatchError(
            f'{name} differ by {share:.2g} of their largest value from '
            f'PyTorch; {_RELATIVE:g} is allowed'
        )
    return share


def _largest(name: str, found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise MismatchError(
            f'{name} have the shape {found.shape}, in PyTorch {expected.shape}'
        )
    if not np.isfinite(found).all() or not np.isfinite(expected).all():
        raise MismatchError(f'{name} are not all finite')
    return float(np.abs(found - expected).max())
