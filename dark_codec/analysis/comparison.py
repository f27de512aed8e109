"""Decode a dump in several ways, score each, and estimate intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.registry import EVALUATOR
from mmpose.evaluation import CocoMetric
from torch.utils.benchmark import Timer
from xtcocotools.cocoeval import COCOeval

from ..codec import DARKCodec
from ..dumps.reader import HeatmapDump
from ..openmmlab.decoding import add_predictions, decode, with_decoder
from ..openmmlab.engine.progress import Progress, track
from .bootstrap import Estimate, bootstrap
from .resampling import (
    CocoResampler,
    Resampler,
    SampleResampler,
    quiet_metrics,
)

Decoders = Mapping[str, 'str | dict']


class Decoding(NamedTuple):
    """A dump of N samples, decoded in one way.

    Attributes:
        points (np.ndarray): Keypoints in input px, (N, K, 2), float32.
        scores (np.ndarray): Shape (N, K), float32.
    """

    points: np.ndarray
    scores: np.ndarray


class Score(NamedTuple):
    """Scores of a decoding by the dataset's own metrics.

    Attributes:
        metrics (dict[str, float]): As ``tools/test.py`` prints them.
        resamplers (list[Resampler]): The metrics that can be resampled, as
            functions of the images.
    """

    metrics: dict[str, float]
    resamplers: list[Resampler]


def build_codecs(
    dump: HeatmapDump, decoders: Decoders, **settings: Any
) -> dict[str, DARKCodec]:
    """Build a dump's codec with each decoder.

    Args:
        dump (HeatmapDump): The dump to decode.
        decoders (Decoders): Names to configs of registered decoders.
        **settings: Others of the codec; scores are heights by default.

    Raises:
        ValueError: If one cannot be built, or needs more of each map than
            the dump holds; the message has its name.
    """
    codecs = {}
    for name, decoder in decoders.items():
        try:
            codecs[name] = with_decoder(dump.info.codec, decoder, **settings)
            dump.check_decoder(codecs[name].decoder)
        except (TypeError, ValueError) as error:
            raise ValueError(f'{name}: {error}') from error
    return codecs


def decode_dump(
    dump: HeatmapDump, codecs: Mapping[str, DARKCodec]
) -> dict[str, Decoding]:
    """Decode a dump in several ways, in one pass.

    Args:
        dump (HeatmapDump): The dump; one shard at a time is in memory.
        codecs (Mapping[str, DARKCodec]): From :func:`build_codecs`.

    Returns:
        dict[str, Decoding]: By the codecs' names.
    """
    parts: dict[str, list] = {name: [] for name in codecs}
    with torch.inference_mode():
        for shard in track(dump.shards, 'Decoding'):
            maps = shard.heatmaps()
            for name, codec in codecs.items():
                parts[name].append(decode(codec, maps, dump.info.batch_size))
    return {
        name: Decoding(*map(np.concatenate, zip(*found)))
        for name, found in parts.items()
    }


def time_codecs(
    dump: HeatmapDump, codecs: Mapping[str, DARKCodec]
) -> dict[str, float]:
    """Measure the milliseconds that each codec takes per person.

    Args:
        dump (HeatmapDump): Its first batch is decoded repeatedly; calls
            that compile or allocate are not counted.
        codecs (Mapping[str, DARKCodec]): From :func:`build_codecs`.

    Returns:
        dict[str, float]: Medians.
    """
    size = dump.info.batch_size
    maps = dump.shards[0].heatmaps()[:size]
    found = {}
    with torch.inference_mode():
        for name, codec in codecs.items():
            decode(codec, maps, size)
            timer = Timer(
                'decode(codec, maps, size)',
                globals=dict(decode=decode, codec=codec, maps=maps, size=size),
                num_threads=torch.get_num_threads(),
            )
            seconds = timer.blocked_autorange(min_run_time=0.1).median
            found[name] = 1e3 * seconds / len(maps)
    return found


@quiet_metrics()
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
        samples, index = shard.samples, shard.index
        add_predictions(
            samples, decoding.points[index], decoding.scores[index]
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
        # CrowdPose's AP by crowding needs more than the matches
        if metric.format_only or metric.iou_type == 'keypoints_crowd':
            return None
        return _coco_resampler(metric, metrics)
    if isinstance(metric, CocoMetric) or len(results) != len(image_ids):
        return None
    return SampleResampler(metric, results, image_ids)


def _coco_resampler(metric: CocoMetric, metrics: dict) -> CocoResampler:
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
    names = [name for name in metrics if name.startswith(f'{metric.prefix}/')]
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
    scores: Mapping[str, Score], draws: int = 500
) -> dict[str, dict[str, Interval]]:
    """Compute intervals of all metrics that can be resampled.

    Args:
        scores (Mapping[str, Score]): By decoder; the first one is what the
            others are compared with.
        draws (int): Resamples of the images. Defaults to 500.

    Returns:
        dict[str, dict[str, Interval]]: By decoder and name of the number.
    """
    found: dict[str, dict[str, Interval]] = {name: {} for name in scores}
    metrics = list(zip(*(score.resamplers for score in scores.values())))
    # one more each: the images as they are
    with Progress('Resampling', len(metrics) * (draws + 1)) as progress:
        for metric in metrics:

            def statistic(images: np.ndarray, of: Any = metric) -> np.ndarray:
                progress.advance()
                return paired(of, images)

            images = np.arange(metric[0].images)
            estimate = bootstrap(statistic, images, draws=draws)
            for d, decoder in enumerate(scores):
                for n, name in enumerate(metric[0].names):
                    found[decoder][name] = Interval(
                        estimate.at(0, d, n), estimate.at(1, d, n)
                    )
    return found


def paired(metric: Sequence[Resampler], images: np.ndarray) -> np.ndarray:
    """Compute a metric for each decoder on the same images.

    Args:
        metric (Sequence[Resampler]): It for each of D decoders.
        images (np.ndarray): Indices of the images.

    Returns:
        np.ndarray: The numbers, and their differences from those of the
        first decoder, (2, D, len(names)).
    """
    values = np.stack([resampler(images) for resampler in metric])
    return np.stack([values, values - values[:1]])


class Row(NamedTuple):
    """One decoder of a comparison.

    Attributes:
        decoder (dict): Its config.
        milliseconds_per_person (float): From :func:`time_codecs`.
        metrics (dict[str, float]): As ``tools/test.py`` prints them.
        intervals (dict[str, Interval]): Of those that can be resampled.
    """

    decoder: dict
    milliseconds_per_person: float
    metrics: dict[str, float]
    intervals: dict[str, Interval]


def compare(
    dump: HeatmapDump, decoders: Mapping[str, dict], draws: int
) -> dict[str, Row]:
    """Decode, score, resample and time.

    Args:
        dump (HeatmapDump): The dump to decode.
        decoders (Mapping[str, dict]): Names to configs of registered
            decoders; differences are to the first.
        draws (int): Resamples of the images; 0 for no intervals.

    Returns:
        dict[str, Row]: By the decoders' names.
    """
    codecs = build_codecs(dump, decoders)
    decodings = decode_dump(dump, codecs)
    scores = {
        name: score_decoding(dump, decodings[name])
        for name in track(decodings, 'Scoring')
    }
    found = intervals(scores, draws) if draws else {}
    milliseconds = time_codecs(dump, codecs)
    return {
        name: Row(
            decoder,
            milliseconds[name],
            scores[name].metrics,
            found.get(name, {}),
        )
        for name, decoder in decoders.items()
    }
