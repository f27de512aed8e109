"""DARK for the pose estimators of Hugging Face transformers.

:func:`use_dark` changes an image processor of ViTPose or Sapiens2, and
:func:`post_process_pose_estimation` does the same once and changes nothing.
Needs no more than the rest of the core: whoever has a processor has
transformers.

Both processors warp a person's box, enlarged by 1.25 and to the aspect ratio
of the input, such that the outer pixel centres of the input, and of the
heatmap, lie on the border of that crop: the alignment is ``align_corners``.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .functional.coords import Size
from .heatmap_decoder import HeatmapDecoder, check_heatmaps
from .registry import DECODERS, SCORES, build_part
from .scores import KeypointScores

# Decodes as the codec's default does, and reads no more than a window of each
# map: Sapiens2 predicts 308 maps of 256x192 per person.
DECODER = dict(
    type='TaylorDecoder',
    modulation=dict(type='GaussianModulation', rescale='max'),
)
PADDING = 1.25

Pair = tuple[float, float]
Sizes = Tensor | Sequence[Sequence[float]] | None
Results = list[list[dict[str, Tensor]]]


class Parts(NamedTuple):
    """What decodes, and scores, the heatmaps of a processor.

    Attributes:
        family (str): 'ViTPose' or 'Sapiens2'.
        decoder (HeatmapDecoder): The decoder.
        scores (KeypointScores): The score.
        sigma (float): Of the training targets in heatmap px.
        covariance (bool): Whether results have the decoder's covariances.
    """

    family: str
    decoder: HeatmapDecoder
    scores: KeypointScores
    sigma: float
    covariance: bool


def use_dark(
    processor: Any,
    decoder: str | dict | HeatmapDecoder = DECODER,
    sigma: float | None = None,
    covariance: bool = False,
    scores: str | dict = 'HeatmapHeight',
) -> None:
    """Let an image processor of transformers decode with DARK.

    Afterwards ``processor.post_process_pose_estimation`` takes the arguments
    that it took, but for ``kernel_size``, and returns what it returned: see
    :func:`post_process_pose_estimation`. What the processor saves
    (``save_pretrained``) is unchanged; a copy, or an unpickled one, decodes
    with DARK as well.

    Args:
        processor (ImageProcessor): A ``VitPoseImageProcessor``,
            ``VitPoseImageProcessorPil`` or ``Sapiens2ImageProcessor``;
            changed in place. It may be changed again, with another decoder.
        decoder (str | dict | HeatmapDecoder): A registered decoder, its
            config, or a decoder. Defaults to :data:`DECODER`.
        sigma (float, optional): Standard deviation of the training targets
            in heatmap px. Defaults to ``keypoint_heatmap_sigma`` for
            Sapiens2 (6), and for ViTPose to a 128th of the input's height,
            2 for 256x192.
        covariance (bool): Whether results have a ``covariance``. Defaults to
            False.
        scores (str | dict): A registered score: ``HeatmapHeight`` (the
            default), or ``dict(type='ExpectedOKS', sigmas='coco')``.

    Raises:
        TypeError: If the processor is of another model, or the decoder of
            another type, or one that gives no covariances where they are
            asked for.
        ValueError: If the decoder or the score is unknown.
    """
    parts = _build(processor, decoder, sigma, covariance, scores)
    kind = type(processor)
    processor.__class__ = _subclass(
        getattr(kind, '_without_dark', kind), parts
    )


def post_process_pose_estimation(
    processor: Any,
    outputs: Any,
    boxes: Sequence[Sequence[Sequence[float]]] | np.ndarray,
    *,
    outputs_flipped: Any = None,
    threshold: float | None = None,
    source_sizes: Sizes = None,
    target_sizes: Sizes = None,
    decoder: str | dict | HeatmapDecoder = DECODER,
    sigma: float | None = None,
    covariance: bool = False,
    scores: str | dict = 'HeatmapHeight',
) -> Results:
    """Turn a model's heatmaps into keypoints in the image.

    Decodes on the heatmaps' device.

    Args:
        processor (ImageProcessor): What made the model's input: one as
            :func:`use_dark` takes.
        outputs (VitPoseEstimatorOutput | Sapiens2PoseEstimatorOutput): What
            the model returned, with ``heatmaps`` (B, K, H, W).
        boxes (list[list[list[float]]] | np.ndarray): Boxes (x, y, w, h) of
            each image, as the processor was given; B in all.
        outputs_flipped (optional): What the model returned for the mirrored
            input, with ``flip_pairs``, for the mean of both.
        threshold (float, optional): Only keypoints with higher scores are
            returned.
        source_sizes (Tensor | list[tuple[int, int]], optional): Sapiens2
            only: size (height, width) of each image.
        target_sizes (Tensor | list[tuple[int, int]], optional): For
            Sapiens2, size (height, width) that each image is to have: with
            ``source_sizes``, results are in px of that. For ViTPose, factors
            of x and y for the box of each *person*, as in transformers.
        decoder (str | dict | HeatmapDecoder): As in :func:`use_dark`.
        sigma (float, optional): As there.
        covariance (bool): As there.
        scores (str | dict): As there.

    Returns:
        list[list[dict[str, Tensor]]]: For each person of each image

        - keypoints: (x, y) in image px, (K, 2), float32
        - scores: heatmap values at the maxima unless ``scores`` asks for
          others, (K,), float32; 0 for what could not be located, which lies
          in the middle of the crop
        - labels: numbers of the keypoints, (K,)
        - bbox: what transformers returns, (4,). ViTPose's is not the box.
        - covariance: in image px^2, (K, 2, 2), x first, if asked for

        on the heatmaps' device for Sapiens2, in host memory for ViTPose.

    Raises:
        TypeError: As there.
        ValueError: As there, or if there are more or fewer boxes than
            people, or sizes than they belong to.
    """
    return _post_process(
        processor,
        _build(processor, decoder, sigma, covariance, scores),
        outputs,
        boxes,
        outputs_flipped,
        threshold,
        source_sizes,
        target_sizes,
    )


def _post_process(
    processor: Any,
    parts: Parts,
    outputs: Any,
    boxes: Any,
    outputs_flipped: Any = None,
    threshold: float | None = None,
    source_sizes: Sizes = None,
    target_sizes: Sizes = None,
) -> Results:
    """See :func:`post_process_pose_estimation`."""
    is_vitpose = parts.family == 'ViTPose'
    heatmaps = outputs.heatmaps
    if outputs_flipped is not None:
        heatmaps = (heatmaps + outputs_flipped.heatmaps) / 2
    check_heatmaps(heatmaps)
    batch, keypoints, height, width = heatmaps.shape
    people = [box for image in boxes for box in image]
    if len(people) != batch:
        raise ValueError(
            f'outputs has heatmaps of {batch} people, but boxes has '
            f'{len(people)} boxes; pass the boxes that the processor was given'
        )
    if is_vitpose and source_sizes is not None:
        raise TypeError("ViTPose's processor takes no source_sizes")
    if is_vitpose:
        factors = _sizes(target_sizes, batch, 'target_sizes')
    else:
        factors = _image_factors(source_sizes, target_sizes, boxes)
    frame_of = _vitpose_frame if is_vitpose else _sapiens2_frame
    frames = [
        frame_of(box, factor, processor.size, (width, height))
        for box, factor in zip(people, factors)
    ]

    # One copy to the host: on so few numbers each call of torch takes several
    # times as long as numpy's.
    table = parts.decoder.decode_table(heatmaps).numpy(force=True)
    numbers = np.array(frames, np.float32).reshape(batch, 1, 8)
    scale, offset = numbers[..., :2], numbers[..., 2:4]
    points = table[:, :2].reshape(batch, keypoints, 2)
    values = dict(
        keypoints=points * scale + offset,
        scores=parts.scores.of_table(
            table, (batch, keypoints), (width, height), parts.sigma
        ),
    )
    if parts.covariance and table.shape[1] == 8:
        covariance = table[:, 4:].reshape(batch, keypoints, 2, 2)
        sides = scale[..., None] * scale[..., None, :]
        values['covariance'] = covariance * sides
    device = torch.device('cpu') if is_vitpose else heatmaps.device
    return _results(values, numbers[:, 0, 4:], boxes, threshold, device)


def _family(processor: Any) -> str:
    """Return 'ViTPose' or 'Sapiens2', for subclasses as well."""
    for kind in type(processor).__mro__:
        if kind.__name__.startswith('VitPoseImageProcessor'):
            return 'ViTPose'
        if kind.__name__.startswith('Sapiens2ImageProcessor'):
            return 'Sapiens2'
    raise TypeError(
        "processor must be transformers' image processor of ViTPose or "
        f'Sapiens2, got {type(processor).__name__}; other heatmaps are '
        'decoded by dark_codec.DARKCodec'
    )


def _build(
    processor: Any,
    decoder: str | dict | HeatmapDecoder,
    sigma: float | None,
    covariance: bool,
    scores: str | dict,
) -> Parts:
    family = _family(processor)
    is_built = isinstance(decoder, HeatmapDecoder)
    if is_built and sigma is not None:
        raise ValueError('sigma must be given to the decoder itself')
    if sigma is None and family == 'Sapiens2':
        sigma = processor.keypoint_heatmap_sigma
    elif sigma is None:
        # heatmaps have a quarter of the input's size, and the codec's
        # default is a 32nd of theirs
        sigma = processor.size['height'] / 128
    score = build_part(SCORES, scores, 'scores', sigma)
    needed = covariance or score.needs_covariance
    if isinstance(decoder, HeatmapDecoder):
        if needed and not getattr(decoder, 'covariance', False):
            raise ValueError(
                f'covariance={covariance} and scores={scores!r} need a '
                'decoder that was built with covariance=True'
            )
        built = decoder
    else:
        cfg = decoder if isinstance(decoder, dict) else dict(type=decoder)
        covariance = covariance or bool(cfg.get('covariance'))
        if needed:
            cfg = dict(cfg, covariance=True)
        built = build_part(DECODERS, cfg, 'decoder', sigma)
    return Parts(family, built, score, sigma, covariance or is_built)


def _crop(
    x: float, y: float, w: float, h: float, size: Any
) -> tuple[float, float, float, float]:
    """Return the part of the image that the network is shown for a box.

    Args:
        x (float): Left end of the box in image px.
        y (float): Upper end.
        w (float): Width.
        h (float): Height.
        size (SizeDict): Height and width of the network's input.

    Returns:
        tuple[float, float, float, float]: As (x, y, w, h) in image px.
    """
    ratio = size['width'] / size['height']
    width = PADDING * max(w, h * ratio)
    height = width / ratio
    return x + (w - width) / 2, y + (h - height) / 2, width, height


# Each returns for a person (x, y) of: image px per heatmap px, the first
# pixel's centre in image px, and both corners of the bbox.


def _vitpose_frame(
    box: Any, factor: Pair, size: Any, heatmap_size: Size
) -> tuple[float, ...]:
    (fx, fy), (x, y, w, h) = factor, map(float, box[:4])
    x, y, w, h = _crop(x * fx, y * fy, w * fx, h * fy, size)
    # as transformers has it: the middle, and a 200th of the crop from there
    u, v = x + w / 2, y + h / 2
    bbox = u, v, u + w / 200 - 1, v + h / 200 - 1
    width, height = heatmap_size
    return w / (width - 1), h / (height - 1), x, y, *bbox


def _sapiens2_frame(
    box: Any, factor: Pair, size: Any, heatmap_size: Size
) -> tuple[float, ...]:
    (fx, fy), (left, top, w, h) = factor, map(float, box[:4])
    bbox = left * fx, top * fy, (left + w) * fx, (top + h) * fy
    x, y, w, h = _crop(left, top, w, h, size)
    width, height = heatmap_size
    scale = w / (width - 1) * fx, h / (height - 1) * fy
    return *scale, x * fx, y * fy, *bbox


def _sizes(sizes: Sizes, count: int, name: str) -> list[Pair]:
    """Return sizes as a list; ones where there are none."""
    if sizes is None:
        return [(1.0, 1.0)] * count
    pairs = sizes.tolist() if isinstance(sizes, Tensor) else sizes
    if len(pairs) != count:
        raise ValueError(f'{name} must have {count} sizes, got {len(pairs)}')
    return [(float(a), float(b)) for a, b in pairs]


def _image_factors(source: Sizes, target: Sizes, boxes: Any) -> list[Pair]:
    """Return factors of x and y for each person, from (height, width)."""
    if target is not None and source is None:
        raise ValueError('target_sizes needs source_sizes')
    before = _sizes(source, len(boxes), 'source_sizes')
    after = before
    if target is not None:
        after = _sizes(target, len(boxes), 'target_sizes')
    return [
        (width / w, height / h)
        for (h, w), (height, width), image in zip(before, after, boxes)
        for _ in image
    ]


def _results(
    values: dict[str, np.ndarray],
    bbox: np.ndarray,
    boxes: Any,
    threshold: float | None,
    device: torch.device,
) -> Results:
    """Sort (B, K, ...) values by images and people, as transformers does."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(device)

    batch, keypoints = values['scores'].shape
    if threshold is None:
        columns = {k: tensor(value).unbind() for k, value in values.items()}
        columns['labels'] = (tensor(np.arange(keypoints)),) * batch
    else:
        kept = values['scores'] > threshold
        counts = kept.sum(1).tolist()
        values['labels'] = np.broadcast_to(np.arange(keypoints), kept.shape)
        columns = {
            k: tensor(value[kept]).split(counts) for k, value in values.items()
        }
    columns['bbox'] = tensor(bbox).unbind()
    people = (dict(zip(columns, row)) for row in zip(*columns.values()))
    return [[next(people) for _ in image] for image in boxes]


def _subclass(kind: type, parts: Parts) -> type:
    """Return a class as `kind` that decodes with DARK.

    An attribute of the processor would be written by ``save_pretrained``.
    """
    method: Any = kind.post_process_pose_estimation  # type: ignore[attr-defined]
    names = list(signature(method).parameters)[1:]

    def post_process(self: Any, *args: Any, **kwargs: Any) -> Results:
        given = dict(zip(names, args), **kwargs)
        if given.pop('kernel_size', None) is not None:
            raise ValueError(
                "kernel_size is the decoder's: use_dark(processor, decoder="
                "dict(type='TaylorDecoder', modulation=dict(type="
                "'GaussianModulation', kernel_size=...)))"
            )
        return _post_process(self, parts, **given)

    def reduce(self: Any, protocol: int) -> tuple:
        return _empty, (kind, parts), self.__dict__

    return type(
        kind.__name__,
        (kind,),
        dict(
            post_process_pose_estimation=post_process,
            _without_dark=kind,
            __reduce_ex__=reduce,
            __module__=kind.__module__,
            __doc__=kind.__doc__,
        ),
    )


def _empty(kind: type, parts: Parts) -> Any:
    """Return a processor that pickle fills."""
    return object.__new__(_subclass(kind, parts))
