"""Compare scores on a dump: the height of the peak against expected OKS.

What is measured is the OKS of each keypoint, with the data set's sigmas, or
whether it is within a PCK threshold. The area of a person is the annotated one
where the config has a CocoMetric that uses it, else 0.53 of the box, as in
COCO's evaluation without areas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from ..codec import DARKCodec
from ..dumps.reader import HeatmapDump
from ..functional import oks_tolerance
from ..heatmap_decoder import Decoded
from ..openmmlab.engine.progress import track
from ..scores import ExpectedOKS
from .bootstrap import Estimate, bootstrap
from .calibration import (
    Calibration,
    Reliability,
    calibration,
    calibration_by_keypoint,
    calibration_error,
    gaps_by_image,
    oks,
    pck_tolerance,
    reliability,
)
from .comparison import Decoding, paired, score_decoding
from .resampling import CocoResampler, rank_people

HEIGHT = 'height'
EXPECTED = 'expected OKS'
SPREADS = np.linspace(0, 1, 21)
# of a box: COCOeval's area with use_area=False
_AREA_OF_BOX = 0.53


class Truth(NamedTuple):
    """Labels of a dump's N samples.

    Attributes:
        points (np.ndarray): In heatmap px, (N, K, 2).
        labelled (np.ndarray): Mask, (N, K), bool.
        image (np.ndarray): Each sample's ``img_id``, (N,).
        tolerance (np.ndarray): OKS's or PCK's in heatmap px, (N, K).
        sigmas (np.ndarray): What ExpectedOKS is given, (K,).
        pck (float | None): The threshold of PCK; None for OKS.
    """

    points: np.ndarray
    labelled: np.ndarray
    image: np.ndarray
    tolerance: np.ndarray
    sigmas: np.ndarray
    pck: float | None

    @property
    def scores(self) -> dict:
        """The ExpectedOKS to compare with the height, as a config."""
        return dict(type='ExpectedOKS', sigmas=self.sigmas.tolist())

    def measure(self, points: np.ndarray) -> np.ndarray:
        """Return the OKS of keypoints, or whether PCK counts them, (N, K).

        Args:
            points (np.ndarray): In heatmap px, (N, K, 2).
        """
        distance = np.linalg.norm(points - self.points, axis=2)
        if self.pck is None:
            return oks(distance, self.tolerance)
        return (distance <= self.tolerance).astype(np.float64)


def read_truth(dump: HeatmapDump, pck: float | None = None) -> Truth:
    """Read the labels of a dump.

    Args:
        dump (HeatmapDump): Of annotated people.
        pck (float, optional): Threshold of PCK as a share of the longer side
            of a person's box. Defaults to None: OKS.

    Raises:
        ValueError: If no keypoint is labelled, or OKS is asked for and the
            data set has no sigmas.
    """
    sigmas = dump.info.dataset_meta.get('sigmas')
    if pck is None and (sigmas is None or len(sigmas) == 0):
        raise ValueError(
            'the data set has no sigmas, which OKS needs: measure by PCK, '
            'with a threshold such as --pck 0.2'
        )
    size = tuple(dump.info.codec['heatmap_size'])
    annotated = _uses_annotated_areas(dump)
    points, labelled, images, areas, sides = [], [], [], [], []
    for shard in dump.shards:
        points.append(shard.truth_on_heatmap())
        labelled.append(shard.labelled)
        for sample in shard.samples:
            images.append(sample['img_id'])
            crop = np.prod(sample['input_scale'])
            box = sample['gt_instances']['bboxes'][0]
            width, height = box[2:] - box[:2]
            area = _AREA_OF_BOX * width * height
            if annotated:
                area = sample['raw_ann_info']['area']
            areas.append(area / crop * np.prod(size))
            longer = max(width, height) / sample['input_scale'][0]
            sides.append(longer * size[0])
    labels = np.concatenate(labelled)
    if not labels.any():
        raise ValueError(
            'no keypoint of the dump is labelled: boxes of a detector come '
            'without labels, dump with the annotated boxes'
        )
    if pck is None:
        sigmas = np.asarray(sigmas, np.float64)
        tolerance = 2 * sigmas * np.sqrt(areas)[:, None]
    else:
        threshold = pck * np.array(sides)[:, None]
        tolerance = np.broadcast_to(threshold, labels.shape)
        sigmas = _equivalent_sigmas(threshold, labels.shape[1], size)
    return Truth(
        np.concatenate(points),
        labels,
        np.array(images),
        tolerance,
        sigmas,
        pck,
    )


def _uses_annotated_areas(dump: HeatmapDump) -> bool:
    cfg = dump.config.test_evaluator
    metrics = cfg.get('metrics', cfg) if isinstance(cfg, dict) else cfg
    metrics = [metrics] if isinstance(metrics, dict) else metrics
    return any(
        metric['type'] == 'CocoMetric' and metric.get('use_area', True)
        for metric in metrics
    )


def _equivalent_sigmas(
    threshold: np.ndarray, keypoints: int, size: tuple[int, int]
) -> np.ndarray:
    """Return sigmas whose tolerance is that of the median person's PCK."""
    of_one = oks_tolerance(torch.ones(1), ExpectedOKS([1.0]).area, size).item()
    tolerance = float(pck_tolerance(np.median(threshold)))
    return np.full(keypoints, tolerance / of_one)


class ScoreRow(NamedTuple):
    """How good one score is, of the keypoints of one decoder.

    Attributes:
        overall (Calibration): Of all labelled keypoints.
        error (Estimate): Their calibration error.
        error_difference (Estimate): Its difference from that of the height.
        ap (Estimate | None): COCO's AP; None for PCK.
        ap_difference (Estimate | None): From that of the height.
        curve (Reliability): Measured by predicted OKS.
        by_keypoint (dict[str, Calibration]): By the keypoints' names.
    """

    overall: Calibration
    error: Estimate
    error_difference: Estimate
    ap: Estimate | None
    ap_difference: Estimate | None
    curve: Reliability
    by_keypoint: dict[str, Calibration]


class SpreadFit(NamedTuple):
    """``spread`` fitted on every other image, and its worth on the others.

    Attributes:
        spread (float): Of the least calibration error.
        error (Estimate): Calibration error on the other half.
        error_difference (Estimate): From that of the default spread.
        ap (Estimate | None): On the other half; None for PCK.
        ap_difference (Estimate | None): From that of the default spread.
    """

    spread: float
    error: Estimate
    error_difference: Estimate
    ap: Estimate | None
    ap_difference: Estimate | None


class ScoredDecoder(NamedTuple):
    """Scores of one decoder.

    Attributes:
        rows (dict[str, ScoreRow]): By :data:`HEIGHT` and :data:`EXPECTED`.
        fit (SpreadFit | None): None for a single image.
    """

    rows: dict[str, ScoreRow]
    fit: SpreadFit | None


def compare_scores(
    dump: HeatmapDump,
    codecs: Mapping[str, DARKCodec],
    truth: Truth,
    draws: int,
) -> dict[str, ScoredDecoder]:
    """Decode a dump, score the keypoints in each way, and measure both.

    Args:
        dump (HeatmapDump): The dump to decode.
        codecs (Mapping[str, DARKCodec]): From
            :func:`.comparison.build_codecs`, with :attr:`Truth.scores`.
        truth (Truth): From :func:`read_truth`.
        draws (int): Resamples of the images, at least 1.

    Returns:
        dict[str, ScoredDecoder]: By the decoders' names.
    """
    found = {}
    for name in track(codecs, 'Comparing scores'):
        comparison = _Comparison(dump, codecs[name], truth, draws)
        found[name] = ScoredDecoder(comparison.rows(), comparison.fit())
    return found


class _Comparison:
    """One decoder's keypoints, and what their scores are worth."""

    def __init__(
        self, dump: HeatmapDump, codec: DARKCodec, truth: Truth, draws: int
    ) -> None:
        self.dump, self.codec, self.truth = dump, codec, truth
        self.draws = draws
        self.decoded = _decode(dump, codec)
        self.in_input = codec.to_input(self.decoded.points).numpy()
        self.measured = truth.measure(self.decoded.points.numpy())

    def scores(self, spread: float) -> np.ndarray:
        """Return expected OKS with this spread, (N, K)."""
        scores = ExpectedOKS(self.truth.sigmas.tolist(), spread=spread)
        codec = self.codec
        return scores(self.decoded, codec.heatmap_size, codec.sigma).numpy()

    def rows(self) -> dict[str, ScoreRow]:
        chosen = self.truth.labelled
        spread = self.codec.scores.spread
        table = {
            HEIGHT: self.decoded.scores.numpy(),
            EXPECTED: self.scores(spread),
        }
        errors = self.errors(list(table.values()))
        ap = self.average_precision(list(table.values()))
        keypoint, image = self.indices()
        names = self.dump.info.dataset_meta['keypoint_id2name']
        rows = {}
        for number, (name, scores) in enumerate(table.items()):
            flat, measured = scores[chosen], self.measured[chosen]
            each = calibration_by_keypoint(flat, measured, keypoint[chosen])
            rows[name] = ScoreRow(
                calibration(flat, measured),
                errors.at(0, number),
                errors.at(1, number),
                ap and ap.at(0, number),
                ap and ap.at(1, number),
                reliability(flat, measured, image[chosen]),
                {names[index]: found for index, found in each.items()},
            )
        return rows

    def fit(self) -> SpreadFit | None:
        images = np.unique(self.truth.image[self.truth.labelled.any(1)])
        if len(images) < 2:
            return None
        first, other = images[::2], images[1::2]
        of_first = np.isin(self.truth.image, first)[:, None]
        chosen = self.truth.labelled & of_first
        measured = self.measured[chosen]
        errors = [
            calibration_error(self.scores(spread)[chosen], measured)
            for spread in SPREADS
        ]
        spread = float(SPREADS[int(np.argmin(errors))])
        default = self.scores(self.codec.scores.spread)
        both = [default, self.scores(spread)]
        error = self.errors(both, other)
        ap = self.average_precision(both, other)
        return SpreadFit(
            spread,
            error.at(0, 1),
            error.at(1, 1),
            ap and ap.at(0, 1),
            ap and ap.at(1, 1),
        )

    def indices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the keypoint and the image of each score, (N, K) each."""
        shape = self.measured.shape
        return (
            np.broadcast_to(np.arange(shape[1]), shape),
            np.broadcast_to(self.truth.image[:, None], shape),
        )

    def errors(
        self, scores: list[np.ndarray], images: np.ndarray | None = None
    ) -> Estimate:
        """Return calibration errors and differences from the first, (2, S)."""
        chosen = self.truth.labelled
        image = self.indices()[1]
        if images is not None:
            chosen = chosen & np.isin(image, images)
        number, gaps = zip(
            *(
                gaps_by_image(s[chosen], self.measured[chosen], image[chosen])
                for s in scores
            )
        )

        def statistic(number: np.ndarray, gaps: np.ndarray) -> np.ndarray:
            error = np.abs(gaps.sum(0)).sum(-1) / number.sum()
            return np.stack([error, error - error[0]])

        return bootstrap(
            statistic, number[0], np.stack(gaps, 1), draws=self.draws
        )

    def average_precision(
        self, scores: list[np.ndarray], images: np.ndarray | None = None
    ) -> Estimate | None:
        """Return AP and differences from the first, (2, S); None for PCK."""
        if self.truth.pck is not None:
            return None
        same = [self._resampler(s) for s in scores]
        drawn = np.arange(same[0].images)
        if images is not None:
            drawn = np.flatnonzero(np.isin(same[0].image_ids, images))
        return bootstrap(
            lambda images: paired(same, images)[..., 0],
            drawn,
            draws=self.draws,
        )

    def _resampler(self, scores: np.ndarray) -> CocoResampler:
        """Return AP by the dump's own CocoMetric if it has one."""
        decoding = Decoding(self.in_input, scores)
        for resampler in score_decoding(self.dump, decoding).resamplers:
            if isinstance(resampler, CocoResampler):
                return resampler
        return rank_people(
            self.measured, self.truth.labelled, scores, self.truth.image
        )


def _decode(dump: HeatmapDump, codec: DARKCodec) -> Decoded:
    """Decode all maps in the batches of the test, in heatmap px."""
    size = dump.info.batch_size
    parts: list[Any] = []
    with torch.inference_mode():
        for shard in dump.shards:
            parts += map(codec.decoder, shard.heatmaps().split(size))
    return Decoded(*map(torch.cat, zip(*parts)))
