"""Compared implementations: MMPose's codecs, ours, and the lower bound.

Each side starts and ends where MMPose's heads and pipelines do. Decoding
starts at the network's output, a tensor on its device, and ends at
coordinates on the host; encoding starts at coordinates on the host, and ends
at heatmaps on the device that trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from torch import Tensor

from dark_codec import DARKCodec
from dark_codec.analysis.decoders_by_name import SHORT, parse_decoder
from projects.benchmarks.cases import Case

LIMIT, MMPOSE, OURS = 'limit', 'MMPose', 'dark_codec'
PLAIN, DARK, UDP = 'MSRAHeatmap', 'MSRAHeatmap, unbiased', 'UDPHeatmap'
ARGMAX_PASS, FILL_PASS = 'argmax', 'fill'


@dataclass(frozen=True)
class Contestant:
    """One implementation.

    Attributes:
        name (str): As in the tables.
        side (str): ``'limit'``, ``'MMPose'`` or ``'dark_codec'``.
        call (Callable): Does it once for the whole batch.
        rival (str, optional): The contestant of MMPose that does the same.
        check (Callable, optional): From what ``call`` returns to a number
            that tells whether it is right.
    """

    name: str
    side: str
    call: Callable[[], Any]
    rival: str | None = None
    check: Callable[[Any], float] | None = None


# name: decoder, and the rival
DECODERS: dict[str, tuple[dict, str]] = {
    'Argmax': (SHORT['argmax'], PLAIN),
    'QuarterShift, sign': (SHORT['shift'], PLAIN),
    'QuarterShift, second': (SHORT['shift-eq1'], PLAIN),
    'Taylor, minmax': (SHORT['dark'], DARK),
    'Taylor, max': (SHORT['dark-max'], DARK),
    'Taylor, none': (
        parse_decoder('dark:modulation.rescale=none')[1],
        DARK,
    ),
    'Taylor, unmodulated': (SHORT['taylor'], DARK),
    'Taylor, max, covariance': (
        dict(SHORT['dark-max'], covariance=True),
        DARK,
    ),
    'GaussianFit': (SHORT['fit'], DARK),
}
ENCODERS = {'Unbiased': DARK, 'Biased': PLAIN}


def _mmpose_codecs(case: Case) -> dict[str, Any]:
    args = dict(
        input_size=case.input_size, heatmap_size=case.size, sigma=case.sigma
    )
    kernel = dict(blur_kernel_size=case.blur_kernel_size)
    return {
        PLAIN: MSRAHeatmap(**args),
        DARK: MSRAHeatmap(**args, **kernel, unbiased=True),
        UDP: UDPHeatmap(**args, **kernel),
    }


def _our_codec(case: Case, **parts: Any) -> DARKCodec:
    return DARKCodec(
        input_size=case.input_size,
        heatmap_size=case.size,
        sigma=case.sigma,
        **parts,
    )


def _median_error(case: Case, name: str) -> Callable[[Any], float]:
    """Return the error of the decoded keypoints, in heatmap px."""
    # UDP's input px are not ours; see its decode
    span = np.subtract(case.size, 1 if name == UDP else 0)
    scale = span / np.array(case.input_size)
    truth = case.centres()

    def error(keypoints: Any) -> float:
        points = np.concatenate(list(keypoints)) * scale
        distances = np.linalg.norm(points - truth, axis=-1)
        return float(np.median(distances))

    return error


def decoding(case: Case, heatmaps: Tensor) -> list[Contestant]:
    """Return all decoding implementations.

    Args:
        case (Case): What the heatmaps are.
        heatmaps (Tensor): (B, K, H, W), float32, on any device.
    """
    on_host = heatmaps.device.type == 'cpu'
    rows = heatmaps.reshape(case.batch * case.keypoints, -1)

    def argmax() -> Any:
        return rows.numpy().argmax(1) if on_host else rows.argmax(1)

    def loop(codec: Any) -> list[np.ndarray]:
        # as BaseHead.decode, for codecs that cannot decode batches
        maps = heatmaps.cpu().numpy()
        return [codec.decode(sample)[0] for sample in maps]

    found = [Contestant(ARGMAX_PASS, LIMIT, argmax)]
    for name, codec in _mmpose_codecs(case).items():
        check = _median_error(case, name)
        call = _bind(loop, codec)
        found.append(Contestant(name, MMPOSE, call, check=check))
    for name, (decoder, rival) in DECODERS.items():
        codec = _our_codec(case, decoder=decoder)
        call = _bind(lambda codec: codec.batch_decode(heatmaps)[0], codec)
        check = _median_error(case, name)
        found.append(Contestant(name, OURS, call, rival, check))
    return found


def encoding(case: Case, device: str) -> list[Contestant]:
    """Return all encoding implementations.

    Args:
        case (Case): What to encode.
        device (str): Where the heatmaps are needed.
    """
    points = (case.centres() * 4).astype(np.float32)[:, None]
    visible = np.ones(points.shape[:3], np.float32)
    shape = (case.batch, case.keypoints, *case.size[::-1])
    memory = torch.zeros(shape, device=device)

    def one_by_one(codec: Any) -> Tensor:
        maps = [
            codec.encode(point, seen)['heatmaps']
            for point, seen in zip(points, visible)
        ]
        # as pseudo_collate and the data preprocessor: sample by sample
        return [torch.from_numpy(sample).to(device) for sample in maps]

    def batch_of_arrays(codec: DARKCodec) -> Any:
        labels = [torch.from_numpy(a) for a in (points, visible)]
        return codec.batch_encode(*labels)[0].numpy()

    def batch_of_tensors(codec: DARKCodec) -> Tensor:
        labels = [torch.from_numpy(a).to(device) for a in (points, visible)]
        return codec.batch_encode(*labels)[0]

    rivals = _mmpose_codecs(case)
    found = [Contestant(FILL_PASS, LIMIT, lambda: memory.fill_(0))]
    for name, codec in rivals.items():
        found.append(Contestant(name, MMPOSE, _bind(one_by_one, codec)))
    ways = {'one by one': one_by_one, 'batch, tensors': batch_of_tensors}
    if device == 'cpu':
        ways['batch, arrays'] = batch_of_arrays
    for name, rival in ENCODERS.items():
        codec = _our_codec(case, encoder=f'{name}Encoder')
        check = _largest_difference(_bind(one_by_one, rivals[rival]))
        for way, function in ways.items():
            call = _bind(function, codec)
            label = f'{name}, {way}'
            found.append(Contestant(label, OURS, call, rival, check))
    return found


def _bind(function: Callable, codec: Any) -> Callable[[], Any]:
    return lambda: function(codec)


def _largest_difference(
    reference: Callable[[], Any],
) -> Callable[[Any], float]:
    """Between the heatmaps of two contestants."""

    def difference(heatmaps: Any) -> float:
        return max(
            float((torch.as_tensor(a) - b).abs().max())
            for a, b in zip(heatmaps, reference())
        )

    return difference
