"""Compare scores on a dump: the height of the peak against expected OKS.

What is measured is the OKS of each keypoint, with the data set's sigmas, or
whether it is within a PCK threshold. The area of a person is the annotated one
where the config has a CocoMetric that uses it, else 0.53 of the box, as in
COCO's evaluation without areas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
    calibration_error,
    error_of_sums,
    oks,
    pck_tolerance,
    reliability,
    sum_by_bin,
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
    def measure_name(self) -> str:
        """``'OKS'`` or such as ``'PCK@0.2'``."""
        return 'OKS' if self.pck is None else f'PCK@{self.pck:g}'

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
    annotated = _uses_annotated_areas(dump)
    points, labelled, images, areas, sides = [], [], [], [], []
    for shard in dump.shards:
        points.append(shard.truth_on_heatmap())
        labelled.append(shard.labelled)
        images += [sample['img_id'] for sample in shard.samples]
        boxes = shard.boxes_on_heatmap()
        sides.append(boxes.max(1))
        if annotated:
            found = [
                sample['raw_ann_info']['area'] for sample in shard.samples
            ]
            areas.append(found * shard.heatmap_scale().prod(1))
        else:
            areas.append(_AREA_OF_BOX * boxes.prod(1))
    labels = np.concatenate(labelled)
    if not labels.any():
        raise ValueError(
            'no keypoint of the dump is labelled: boxes of a detector come '
            'without labels, dump with the annotated boxes'
        )
    if pck is None:
        sigmas = np.asarray(sigmas, np.float64)
        tolerance = 2 * sigmas * np.sqrt(np.concatenate(areas))[:, None]
    else:
        threshold = pck * np.concatenate(sides)[:, None]
        tolerance = np.broadcast_to(threshold, labels.shape)
        # whose tolerance is that of the median person's PCK
        size = tuple(dump.info.codec['heatmap_size'])
        area = ExpectedOKS([1.0]).area
        of_one = oks_tolerance(torch.ones(1), area, size).item()
        median = float(pck_tolerance(np.median(threshold)))
        sigmas = np.full(labels.shape[1], median / of_one)
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
        size = dump.info.batch_size
        with torch.inference_mode():
            parts = [
                codec.decoder(maps)
                for shard in dump.shards
                for maps in shard.heatmaps().split(size)
            ]
        self.decoded = Decoded(*map(torch.cat, zip(*parts)))
        self.measured = truth.measure(self.decoded.points.numpy())
        # of each keypoint
        self.image = np.broadcast_to(
            truth.image[:, None], truth.labelled.shape
        )

    def scores(self, spread: float) -> np.ndarray:
        """Return expected OKS with this spread, (N, K)."""
        scores = ExpectedOKS(self.truth.sigmas.tolist(), spread=spread)
        codec = self.codec
        return scores(self.decoded, codec.heatmap_size, codec.sigma).numpy()

    def rows(self) -> dict[str, ScoreRow]:
        """Return what both scores are worth."""
        labelled, measured = self.truth.labelled, self.measured
        table = {
            HEIGHT: self.decoded.scores.numpy(),
            EXPECTED: self.scores(self.codec.scores.spread),
        }
        errors = self.errors(list(table.values()))
        ap = self.average_precision(list(table.values()))
        names = self.dump.info.dataset_meta['keypoint_id2name']
        rows = {}
        for number, (name, scores) in enumerate(table.items()):
            flat, flat_measured = scores[labelled], measured[labelled]
            rows[name] = ScoreRow(
                calibration(flat, flat_measured),
                errors.at(0, number),
                errors.at(1, number),
                ap and ap.at(0, number),
                ap and ap.at(1, number),
                reliability(flat, flat_measured, self.image[labelled]),
                {
                    names[k]: calibration(scores[here, k], measured[here, k])
                    for k, here in enumerate(labelled.T)
                    if here.any()
                },
            )
        return rows

    def fit(self) -> SpreadFit | None:
        """Fit the spread; None for a single image."""
        labelled = self.truth.labelled
        images = np.unique(self.image[labelled])
        if len(images) < 2:
            return None
        chosen = labelled & np.isin(self.image, images[::2])
        errors = [
            calibration_error(
                self.scores(spread)[chosen], self.measured[chosen]
            )
            for spread in SPREADS
        ]
        spread = float(SPREADS[int(np.argmin(errors))])
        both = [self.scores(self.codec.scores.spread), self.scores(spread)]
        error = self.errors(both, images[1::2])
        ap = self.average_precision(both, images[1::2])
        return SpreadFit(
            spread,
            error.at(0, 1),
            error.at(1, 1),
            ap and ap.at(0, 1),
            ap and ap.at(1, 1),
        )

    def errors(
        self, scores: list[np.ndarray], images: np.ndarray | None = None
    ) -> Estimate:
        """Return calibration errors and differences from the first, (2, S)."""
        chosen = self.truth.labelled
        if images is not None:
            chosen = chosen & np.isin(self.image, images)
        measured, image = self.measured[chosen], self.image[chosen]
        sums = [sum_by_bin(s[chosen], measured, image) for s in scores]

        def statistic(rows: np.ndarray) -> np.ndarray:
            error = error_of_sums(rows)
            return np.stack([error, error - error[0]])

        return bootstrap(statistic, np.stack(sums, 1), draws=self.draws)

    def average_precision(
        self, scores: list[np.ndarray], images: np.ndarray | None = None
    ) -> Estimate | None:
        """Return AP and differences from the first, (2, S); None for PCK."""
        if self.truth.pck is not None:
            return None
        metric = [self._resampler(s) for s in scores]
        drawn = np.arange(metric[0].images)
        if images is not None:
            drawn = np.flatnonzero(np.isin(metric[0].image_ids, images))
        return bootstrap(
            lambda images: paired(metric, images)[..., 0],
            drawn,
            draws=self.draws,
        )

    def _resampler(self, scores: np.ndarray) -> CocoResampler:
        """Return AP by the dump's own CocoMetric if it has one."""
        in_input = self.codec.to_input(self.decoded.points).numpy()
        decoding = Decoding(in_input, scores)
        for resampler in score_decoding(self.dump, decoding).resamplers:
            if isinstance(resampler, CocoResampler):
                return resampler
        return rank_people(
            self.measured, self.truth.labelled, scores, self.truth.image
        )
