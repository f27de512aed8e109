"""Compute metrics of resampled images, without matching them again."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, NamedTuple, Protocol

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

# CocoMetric's keypoint_score_thr: a person's score is the mean of those above
_SCORE_THR = 0.2


class Resampler(Protocol):
    """A metric as a function of the images that it is computed on.

    Attributes:
        names (list[str]): Of its numbers, with the metric's prefix.
        images (int): How many images there are.
    """

    names: list[str]
    images: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Compute the metric, (len(names),), of images by their indices."""


@contextmanager
def quiet_metrics() -> Iterator[None]:
    """Keep metrics from printing and logging."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


class SampleResampler:
    """Any metric that keeps one result per sample: PCK, PCKh, NME, EPE, AUC.

    Args:
        metric (BaseMetric): Of the dataset.
        results (list): Its intermediate result of each sample.
        image_ids (list): The image of each sample.
    """

    def __init__(
        self, metric: BaseMetric, results: list, image_ids: list
    ) -> None:
        by_image: dict[Any, list] = {}
        for image, result in zip(image_ids, results):
            by_image.setdefault(image, []).append(result)
        self._results = list(by_image.values())
        self.images = len(self._results)
        self._metric = metric
        with quiet_metrics():
            self._keys = list(metric.compute_metrics(results))
        prefix = f'{metric.prefix}/' if metric.prefix else ''
        self.names = [prefix + key for key in self._keys]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Compute the metric; NaN for what these images do not define."""
        results = [kept for i in images for kept in self._results[i]]
        with quiet_metrics():
            found = self._metric.compute_metrics(results)
        return np.array([found.get(key, np.nan) for key in self._keys])


class _Matches(NamedTuple):
    """Matches of one category and range of areas, D by falling score.

    Attributes:
        image (np.ndarray): Of each detection, (D,).
        right (np.ndarray): Whether it counts as right, (T, D), float64.
        wrong (np.ndarray): Whether it counts as wrong, (T, D), float64.
        people (np.ndarray): Annotated people that count, by image, (I,).
    """

    image: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    people: np.ndarray


class CocoResampler:
    """COCO's AP and AR, resampled from the matches of one ``COCOeval``.

    Does what ``COCOeval.accumulate`` does, for images that are drawn several
    times: each detection counts as often as its image.

    Args:
        coco_eval (COCOeval): After ``evaluate()``.
        names (list[str]): Of its statistics.

    Attributes:
        image_ids (list): COCO's, of the images by their indices.
    """

    def __init__(self, coco_eval: COCOeval, names: list[str]) -> None:
        self.names = names
        self._eval = coco_eval
        params = coco_eval.params
        self.image_ids = list(params.imgIds)
        self.images = len(params.imgIds)
        self._shape = (
            len(params.iouThrs),
            len(params.recThrs),
            len(params.catIds) if params.useCats else 1,
            len(params.areaRng),
        )
        categories, areas = self._shape[2:]
        table = np.empty((categories, areas, self.images), object)
        table.ravel()[:] = coco_eval.evalImgs
        self._matches = [
            [_matches(table[k, a]) for a in range(areas)]
            for k in range(categories)
        ]

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Compute COCO's statistics; NaN for what the images do not define."""
        counts = np.bincount(images, minlength=self.images)
        thresholds, recalls, categories, areas = self._shape
        precision = -np.ones((thresholds, recalls, categories, areas, 1))
        recall = -np.ones((thresholds, categories, areas, 1))
        for k in range(categories):
            for a in range(areas):
                found = self._curves(self._matches[k][a], counts)
                if found is not None:
                    precision[:, :, k, a, 0], recall[:, k, a, 0] = found
        self._eval.eval = dict(precision=precision, recall=recall)
        with redirect_stdout(io.StringIO()):
            self._eval.summarize()
        # COCO's -1 says that no person is of that size
        return np.where(self._eval.stats == -1, np.nan, self._eval.stats)

    def _curves(
        self, matches: _Matches, counts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return precision at each recall, (T, R), and maximum recall."""
        people = (matches.people * counts).sum()
        if people == 0:
            return None
        weights = counts[matches.image]
        right = np.cumsum(matches.right * weights, 1)
        wrong = np.cumsum(matches.wrong * weights, 1)
        recall = right / people
        precision = right / (right + wrong + np.spacing(1))
        # the highest at this recall or a higher one; 0 beyond all
        precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
        precision = np.pad(precision, ((0, 0), (0, 1)))
        wanted = self._eval.params.recThrs
        return (
            np.stack(
                [
                    high[np.searchsorted(reached, wanted)]
                    for high, reached in zip(precision, recall)
                ]
            ),
            recall.max(1, initial=0),
        )


def _matches(found: np.ndarray) -> _Matches:
    """Join the results of ``COCOeval`` for each image; None if empty."""
    people = np.array(
        [0 if e is None else (e['gtIgnore'] == 0).sum() for e in found]
    )
    there: Any = [(i, e) for i, e in enumerate(found) if e is not None]
    scores = np.concatenate([e['dtScores'] for _, e in there] or [[]])
    image = np.repeat(
        [i for i, _ in there], [len(e['dtScores']) for _, e in there]
    ).astype(np.intp)
    order = np.argsort(-scores, kind='mergesort')
    matched = [e['dtMatches'] for _, e in there] or [np.empty((0, 0))]
    ignored = [e['dtIgnore'] for _, e in there] or [np.empty((0, 0))]
    hit = np.concatenate(matched, 1)[:, order] >= 0
    counts = np.logical_not(np.concatenate(ignored, 1)[:, order])
    return _Matches(
        image[order],
        (hit & counts).astype(np.float64),
        (~hit & counts).astype(np.float64),
        people,
    )


def rank_people(
    oks: np.ndarray,
    labelled: np.ndarray,
    scores: np.ndarray,
    image: np.ndarray,
) -> CocoResampler:
    """Rank people as ``CocoMetric`` does, where the data set has no such file.

    A person's OKS is the mean over the labelled keypoints, the score the mean
    of the keypoints' scores above 0.2. ``COCOeval`` gets people of a single
    keypoint, which lies as far off as gives this OKS.

    Args:
        oks (np.ndarray): Of keypoints, (N, K).
        labelled (np.ndarray): Mask, (N, K), bool; people without a labelled
            keypoint do not count.
        scores (np.ndarray): Of keypoints, (N, K).
        image (np.ndarray): Identifier of each person's image, (N,).

    Returns:
        CocoResampler: Of which the first number is AP.
    """
    counted = scores > _SCORE_THR
    ranks = (scores * counted).sum(1) / counted.sum(1).clip(min=1)
    means = (oks * labelled).sum(1) / labelled.sum(1).clip(min=1)
    # with a tolerance of 1
    off = np.sqrt(-2 * np.log(means.clip(1e-12, 1)))
    ids, image_of = np.unique(image, return_inverse=True)
    people, found = [], []
    for i in np.flatnonzero(labelled.any(1)):
        common = dict(image_id=int(image_of[i]), category_id=1, area=1.0)
        # far from the other people of the image
        x = 1000.0 * i
        people.append(
            dict(
                common,
                id=int(i) + 1,
                iscrowd=0,
                bbox=[x, 0, 1, 1],
                num_keypoints=1,
                keypoints=[x, 0, 2],
            )
        )
        keypoints = [x + off[i], 0, 1]
        found.append(dict(common, keypoints=keypoints, score=float(ranks[i])))
    coco = COCO()
    coco.dataset = dict(
        images=[dict(id=i) for i in range(len(ids))],
        categories=[dict(id=1)],
        annotations=people,
    )
    with redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(
            coco, coco.loadRes(found), 'keypoints', np.array([0.5])
        )
        evaluation.evaluate()
    resampler = CocoResampler(evaluation, [f'AP {i}' for i in range(10)])
    resampler.image_ids = list(ids)
    return resampler
