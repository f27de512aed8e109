"""PCK with the torso as its unit, as Leeds Sports is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmpose.registry import METRICS

# the keypoints that span the torso
TORSO = ('left_shoulder', 'right_hip')


def torso_distances(
    predicted: np.ndarray,
    true: np.ndarray,
    labelled: np.ndarray,
    torso: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Compute distances in torso diagonals, and the mask that counts.

    Warns of people whose torso is not labelled or has no length.

    Args:
        predicted (np.ndarray): Keypoints in image px, (N, K, 2).
        true (np.ndarray): Labelled keypoints in image px, (N, K, 2).
        labelled (np.ndarray): Which are labelled, (N, K), bool.
        torso (Sequence[int]): The two keypoints that span the torso.

    Returns:
        tuple[np.ndarray, np.ndarray]: Distances (N, K), infinite where a
        prediction is not finite; and those that count, (N, K), bool.
    """
    first, second = torso
    diagonal = np.linalg.norm(true[:, first] - true[:, second], axis=-1)
    has_torso = labelled[:, [first, second]].all(axis=1) & (diagonal > 0)
    left_out = int((~has_torso).sum())
    if left_out:
        MMLogger.get_current_instance().warning(
            f'TorsoPCK: {left_out} of {len(diagonal)} people are left out: '
            f'one of keypoints {first} and {second}, which span the torso, '
            'is not labelled, or both are in the same place'
        )
    pixels = np.linalg.norm(predicted - true, axis=-1)
    pixels = np.where(np.isfinite(pixels), pixels, np.inf)
    distance = pixels / np.where(has_torso, diagonal, 1)[:, None]
    return distance, labelled & has_torso[:, None]


@METRICS.register_module()
class TorsoPCK(BaseMetric):
    """Percentage of correct keypoints, in units of the torso's diagonal.

    A joint is correct when it lies within ``thr`` times the distance between
    the labelled left shoulder and right hip of the labelled place: the PCK
    of Sapp and Taskar, "MODEC: Multimodal Decomposable Models for Human Pose
    Estimation", CVPR 2013, which is the measure of Leeds Sports.

    All labelled joints count, occluded ones too (visibility 1 and 2), as is
    usual on Leeds Sports. The mean is over joints of all people, so each
    joint of each person weighs the same; one that is never labelled is left
    out. A person whose torso is not labelled, or has no length, has no unit
    and is left out, with a warning that says how many.

    :class:`mmpose.evaluation.PCKAccuracy` cannot be used: its torso is that
    of JHMDB, joints 4 and 5, which are a knee and an ankle here; it replaces
    torsos shorter than a pixel by predicted ones; and it takes one threshold.

    Results, all in [0, 1], for each threshold: ``PCK@0.2``, the mean, and
    ``PCK@0.2/<joint>``.

    Args:
        thrs: Thresholds, in torso diagonals. Defaults to (0.2, 0.1, 0.05).
        torso: Names of the two joints that span the torso. Defaults to
            ('left_shoulder', 'right_hip').
        collect_device: See :class:`mmengine.evaluator.BaseMetric`.
        prefix: Likewise. Defaults to 'torso'.

    Raises:
        ValueError: If ``thrs`` is empty or holds a number that is not
            positive, or ``torso`` does not name two joints; at evaluation,
            if the dataset has no joint of that name or nothing to count.
    """

    default_prefix = 'torso'

    def __init__(
        self,
        thrs: Sequence[float] = (0.2, 0.1, 0.05),
        torso: tuple[str, str] = TORSO,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not thrs or not all(thr > 0 for thr in thrs):
            raise ValueError(f'thrs must be positive numbers, got {thrs}')
        if len(torso) != 2 or torso[0] == torso[1]:
            raise ValueError(f'torso must name two joints, got {torso}')
        self.thrs = tuple(thrs)
        self.torso = tuple(torso)

    def process(
        self, data_batch: Sequence[dict], data_samples: Sequence[dict]
    ) -> None:
        """Collect predictions and labels of a batch.

        Args:
            data_batch: Not used.
            data_samples: What the model returned, as dicts: keypoints
                (N, K, 2) of ``pred_instances`` and ``gt_instances`` in image
                px, and ``keypoints_visible`` of the latter, (N, K) or with
                MMPose's weights as a third axis, (N, K, 2).
        """
        for sample in data_samples:
            labels = sample['gt_instances']
            visible = np.asarray(labels['keypoints_visible'])
            if visible.ndim == 3:
                visible = visible[..., 0]
            self.results.append(
                dict(
                    predicted=np.asarray(
                        sample['pred_instances']['keypoints']
                    ),
                    true=np.asarray(labels['keypoints']),
                    labelled=visible > 0,
                )
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Count the correct joints.

        Args:
            results: What :meth:`process` collected.

        Returns:
            The mean and each joint's PCK for each threshold.
        """
        predicted, true, labelled = (
            np.concatenate([result[key] for result in results])
            for key in ('predicted', 'true', 'labelled')
        )
        names = self._joint_names(true.shape[1])
        ends = [names.index(name) for name in self.torso]
        distance, counted = torso_distances(
            predicted[..., :2], true[..., :2], labelled, ends
        )
        if not counted.any():
            raise ValueError('no labelled joint of a person with a torso')
        metrics = {}
        for thr in self.thrs:
            correct = (distance <= thr) & counted
            metrics[f'PCK@{thr}'] = correct.sum() / counted.sum()
            for k, name in enumerate(names):
                if counted[:, k].any():
                    joint = correct[:, k].sum() / counted[:, k].sum()
                    metrics[f'PCK@{thr}/{name}'] = joint
        return {name: float(value) for name, value in metrics.items()}

    def _joint_names(self, count: int) -> list[str]:
        """Return the dataset's names of its joints."""
        meta = self.dataset_meta or {}
        names = [meta['keypoint_id2name'][k] for k in range(count)]
        missing = [name for name in self.torso if name not in names]
        if missing:
            raise ValueError(
                f'torso: the dataset has no joint {missing}; it has {names}'
            )
        return names
