"""What is compared: MMPose's codecs, transformers' processors, and ours.

All begin and end where MMPose's heads and pipelines, or a user of
transformers, do: decoding from the network's output, a tensor on its device,
to coordinates; encoding from coordinates on the host to heatmaps on the
device that trains.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dark_codec import DARKCodec  # before MMPose, for its shims
from dark_codec.analysis.decoders_by_name import SHORT, parse_decoder

# isort: split
from mmpose.codecs import MSRAHeatmap, UDPHeatmap

from projects.benchmarks.cases import KERNELS, LARGE, Case

PLAIN, DARK, UDP = 'MSRAHeatmap', 'MSRAHeatmap, unbiased', 'UDPHeatmap'


class Method(NamedTuple):
    """One implementation.

    Attributes:
        call (Callable): Does it once for the whole batch.
        baseline (str, optional): What it replaces; None for what is not ours.
        check (Callable, optional): From what ``call`` returns to a number
            that tells whether it is right.
    """

    call: Callable[[], Any]
    baseline: str | None = None
    check: Callable[[Any], float] | None = None


# name: decoder, and what it replaces
DECODERS: dict[str, tuple[dict, str]] = {
    'Argmax': (SHORT['argmax'], PLAIN),
    'QuarterShift, sign': (SHORT['shift'], PLAIN),
    'QuarterShift, second': (SHORT['shift-eq1'], PLAIN),
    'Taylor, minmax': (SHORT['dark'], DARK),
    'Taylor, max': (SHORT['dark-max'], DARK),
    'Taylor, none': (parse_decoder('dark:modulation.rescale=none')[1], DARK),
    'Taylor, unmodulated': (SHORT['taylor'], DARK),
    'Taylor, max, covariance': (
        dict(SHORT['dark-max'], covariance=True),
        DARK,
    ),
    'GaussianFit': (SHORT['fit'], DARK),
}


def _mmpose_codecs(case: Case) -> dict[str, Any]:
    args = dict(
        input_size=case.input_size, heatmap_size=case.size, sigma=case.sigma
    )
    kernel = dict(blur_kernel_size=KERNELS[case.sigma])
    return {
        PLAIN: MSRAHeatmap(**args),
        DARK: MSRAHeatmap(**args, **kernel, unbiased=True),
        UDP: UDPHeatmap(**args, **kernel),
    }


def _median_error(case: Case, span: int = 0) -> Callable[[Any], float]:
    """Return the error of keypoints in input px, in heatmap px."""
    # w input px are W heatmap px, or W - 1 of UDP's
    scale = np.subtract(case.size, span) / np.array(case.input_size)

    def error(keypoints: Any) -> float:
        points = np.concatenate(list(keypoints)) * scale
        distances = np.linalg.norm(points - case.centres(), axis=-1)
        return float(np.median(distances))

    return error


def decoding(case: Case, heatmaps: Tensor) -> dict[str, Method]:
    """Return all that decode (B, K, H, W) heatmaps."""
    rows = heatmaps.flatten(2).flatten(0, 1)

    def loop(codec: Any) -> list[np.ndarray]:
        # as BaseHead.decode, for codecs that cannot decode batches
        maps = heatmaps.cpu().numpy()
        return [codec.decode(sample)[0] for sample in maps]

    on_host = heatmaps.device.type == 'cpu'
    found = {
        'argmax': Method(
            lambda: rows.numpy().argmax(1) if on_host else rows.argmax(1)
        )
    }
    for name, codec in _mmpose_codecs(case).items():
        check = _median_error(case, int(name == UDP))
        found[name] = Method(lambda c=codec: loop(c), check=check)
    for name, (decoder, baseline) in DECODERS.items():
        codec = DARKCodec(
            case.input_size, case.size, case.sigma, decoder=decoder
        )
        call = lambda c=codec: c.batch_decode(heatmaps)[0]  # noqa: E731
        found[name] = Method(call, baseline, _median_error(case))
    return found


def encoding(case: Case, heatmaps: Tensor) -> dict[str, Method]:
    """Return all that encode; none for real and for large heatmaps."""
    if case.real or case.size == LARGE:
        return {}
    device = heatmaps.device
    points = (case.centres() * 4).astype(np.float32)[:, None]
    visible = np.ones(points.shape[:3], np.float32)
    memory = torch.zeros_like(heatmaps)

    def one_by_one(codec: Any) -> list[Tensor]:
        maps = [
            codec.encode(*pair)['heatmaps'] for pair in zip(points, visible)
        ]
        # as pseudo_collate and the data preprocessor: sample by sample
        return [torch.from_numpy(sample).to(device) for sample in maps]

    def batch(codec: DARKCodec) -> Tensor:
        labels = [torch.from_numpy(a).to(device) for a in (points, visible)]
        return codec.batch_encode(*labels)[0]

    found = {'fill': Method(lambda: memory.fill_(0))}
    theirs = _mmpose_codecs(case)
    for name, codec in theirs.items():
        found[name] = Method(lambda c=codec: one_by_one(c))
    for name, baseline in (('Unbiased', DARK), ('Biased', PLAIN)):
        codec = DARKCodec(
            case.input_size, case.size, case.sigma, encoder=f'{name}Encoder'
        )

        def check(maps: Any, reference: Any = theirs[baseline]) -> float:
            pairs = zip(maps, one_by_one(reference))
            return max(float((a - b).abs().max()) for a, b in pairs)

        for way in (one_by_one, batch):
            label = f'{name}, {way.__name__.replace("_", " ")}'
            call = lambda c=codec, way=way: way(c)  # noqa: E731
            found[label] = Method(call, baseline, check)
    return found


def processing(case: Case, heatmaps: Tensor) -> dict[str, Method]:
    """Return transformers' image processors, as they are and with DARK."""
    from transformers import Sapiens2ImageProcessor, VitPoseImageProcessor

    from dark_codec.huggingface import use_dark

    size = dict(zip(('width', 'height'), case.input_size))
    # the whole crop is this box with its padding: the image is the input
    w, h = case.input_size
    box = [0.1 * w, 0.1 * h, 0.8 * w, 0.8 * h]
    boxes = [[box] for _ in range(case.batch)]
    outputs = SimpleNamespace(heatmaps=heatmaps)
    error = _median_error(case, span=1)

    def check(results: Any) -> float:
        return error(image[0]['keypoints'][None].cpu() for image in results)

    found = {}
    for name, kind in (
        ("ViTPose's processor", VitPoseImageProcessor),
        ("Sapiens2's processor", Sapiens2ImageProcessor),
    ):
        theirs, ours = kind(size=size), kind(size=size)
        use_dark(ours, sigma=case.sigma)
        for label, processor in ((name, theirs), (f'{name}, use_dark', ours)):
            found[label] = Method(
                lambda p=processor: p.post_process_pose_estimation(
                    outputs, boxes
                ),
                None if processor is theirs else name,
                check,
            )
    return found
