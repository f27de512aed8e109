"""Decode a dump in several ways, score each, and estimate intervals."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import EVALUATOR
from mmpose.evaluation import CocoMetric
from mmpose.registry import KEYPOINT_CODECS
from xtcocotools.cocoeval import COCOeval

from ..dumps.reader import HeatmapDump
from ..openmmlab.decoding import add_predictions, decode
from .bootstrap import Estimate, bootstrap
from .resampling import CocoResampler, Resampler, SampleResampler

Decoders = Mapping[str, 'str | dict']


class Decoding(NamedTuple):
    """A dump of N samples, decoded in one way.

    Attributes:
        points (np.ndarray): Keypoints in input px, (N, K, 2), float32.
        scores (np.ndarray): Shape (N, K), float32.
        milliseconds (float): For one sample; the median over batches.
    """

    points: np.ndarray
    scores: np.ndarray
    milliseconds: float


class Score(NamedTuple):
    """Scores of a decoding by the dataset's own metrics.

    Attributes:
        metrics (dict[str, float]): As ``tools/test.py`` prints them.
        resamplers (list[Resampler]): The metrics that can be resampled, as
            functions of the images.
    """

    metrics: dict[str, float]
    resamplers: list[Resampler]


def check_decoders(dump: HeatmapDump, decoders: Decoders) -> None:
    """Build all decoders, and check that the dump holds what they read.

    Args:
        dump (HeatmapDump): The dump to decode.
        decoders (Decoders): Names to configs of registered decoders.

    Raises:
        ValueError: If one cannot be built, or needs more of each map; the
            message has its name.
    """
    for name, decoder in decoders.items():
        try:
            codec = dict(dump.info.codec, decoder=decoder)
            dump.check_decoder(KEYPOINT_CODECS.build(codec).decoder)
        except (TypeError, ValueError) as error:
            raise ValueError(f'{name}: {error}') from error


def decode_dump(
    dump: HeatmapDump,
    decoders: Decoders,
    progress: Callable[[], Any] = lambda: None,
) -> dict[str, Decoding]:
    """Decode a dump in several ways, in one pass.

    Args:
        dump (HeatmapDump): The dump; one shard at a time is in memory.
        decoders (Decoders): Names to configs of registered decoders.
        progress (Callable): Called after each shard.

    Returns:
        dict[str, Decoding]: By the decoders' names.
    """
    codecs = {
        name: KEYPOINT_CODECS.build(dict(dump.info.codec, decoder=decoder))
        for name, decoder in decoders.items()
    }
    parts: dict[str, list] = {name: [] for name in decoders}
    batch_size = dump.info.batch_size
    with torch.inference_mode():
        for shard in dump.shards:
            for maps in shard.heatmaps().split(batch_size):
                for name, codec in codecs.items():
                    start = time.perf_counter()
                    found = decode(codec, maps, batch_size)
                    seconds = time.perf_counter() - start
                    parts[name].append((*found, 1e3 * seconds / len(maps)))
            progress()
    decodings = {}
    for name, batches in parts.items():
        points, scores, milliseconds = zip(*batches)
        decodings[name] = Decoding(
            np.concatenate(points),
            np.concatenate(scores),
            float(np.median(milliseconds)),
        )
    return decodings


def score_decoding(dump: HeatmapDump, decoding: Decoding) -> Score:
    """Score a decoding as ``tools/test.py`` would.

    Args:
        dump (HeatmapDump): The dump that was decoded.
        decoding (Decoding): From :func:`decode_dump`.

    Raises:
        FileNotFoundError: If annotations that a metric reads are missing.
    """
    evaluator = _build_evaluator(dump)
    image_ids = []
    for shard in dump.shards:
        samples, place = shard.samples, shard.index
        add_predictions(
            samples, decoding.points[place], decoding.scores[place]
        )
        image_ids += [sample['img_id'] for sample in samples]
        evaluator.process(samples)
    kept = [list(metric.results) for metric in evaluator.metrics]
    with TemporaryDirectory() as folder:
        for number, metric in enumerate(evaluator.metrics):
            if getattr(metric, 'outfile_prefix', '') is None:
                metric.outfile_prefix = str(Path(folder) / str(number))
        metrics = evaluator.evaluate(len(dump))
        resamplers = [
            _resampler(metric, results, image_ids, metrics)
            for metric, results in zip(evaluator.metrics, kept)
        ]
    return Score(
        {name: float(value) for name, value in metrics.items()},
        [resampler for resampler in resamplers if resampler is not None],
    )


def _build_evaluator(dump: HeatmapDump) -> Evaluator:
    cfg = dump.config.test_evaluator
    if isinstance(cfg, dict) and 'metrics' in cfg:
        evaluator = EVALUATOR.build(dict(dict(type='Evaluator'), **cfg))
    else:
        evaluator = Evaluator(cfg)
    evaluator.dataset_meta = dump.info.dataset_meta
    return evaluator


def _resampler(
    metric: BaseMetric, results: list, image_ids: list, metrics: dict
) -> Resampler | None:
    """Return the metric as a function of images, or None."""
    if type(metric) is CocoMetric:
        return _coco_resampler(metric, metrics)
    if isinstance(metric, CocoMetric) or len(results) != len(image_ids):
        return None
    return SampleResampler(metric, results, image_ids)


def _coco_resampler(metric: CocoMetric, metrics: dict) -> Resampler | None:
    # CrowdPose's AP by crowding needs more than the matches
    if metric.format_only or metric.iou_type == 'keypoints_crowd':
        return None
    found = metric.coco.loadRes(f'{metric.outfile_prefix}.keypoints.json')
    coco_eval = COCOeval(
        metric.coco,
        found,
        metric.iou_type,
        metric.dataset_meta['sigmas'],
        metric.use_area,
    )
    coco_eval.params.useSegm = None
    coco_eval.evaluate()
    prefix = f'{metric.prefix}/'
    names = [name for name in metrics if name.startswith(prefix)]
    return CocoResampler(coco_eval, names)


class Interval(NamedTuple):
    """A number of one decoder, with bootstrap intervals over images.

    Attributes:
        value (Estimate): The number itself.
        difference (Estimate): Its difference from the first decoder,
            paired by image.
    """

    value: Estimate
    difference: Estimate


def intervals(
    scores: Mapping[str, Score],
    draws: int = 500,
    progress: Callable[[], Any] = lambda: None,
) -> dict[str, dict[str, Interval]]:
    """Compute intervals of all metrics that can be resampled.

    Args:
        scores (Mapping[str, Score]): By decoder; the first one is what the
            others are compared with.
        draws (int): Resamples of the images. Defaults to 500.
        progress (Callable): Called after each resample of each metric.

    Returns:
        dict[str, dict[str, Interval]]: By decoder and name of the number.
    """
    found: dict[str, dict[str, Interval]] = {name: {} for name in scores}
    for same in zip(*(score.resamplers for score in scores.values())):
        names = same[0].names

        def statistic(images: np.ndarray, same: Any = same) -> np.ndarray:
            values = np.stack([resampler(images) for resampler in same])
            progress()
            return np.stack([values, values - values[:1]])

        estimate = bootstrap(statistic, np.arange(same[0].images), draws=draws)
        for d, decoder in enumerate(scores):
            for n, name in enumerate(names):
                value, difference = (
                    Estimate(*(float(part[kind, d, n]) for part in estimate))
                    for kind in (0, 1)
                )
                found[decoder][name] = Interval(value, difference)
    return found
