"""Write what was found as a json file in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dark_codec.openmmlab.engine import AtomicLocalBackend

from .poses import Poses


class CocoWriter:
    """Gathers predictions, and writes them.

    Args:
        metainfo (dict): The keypoints' names and links, as MMPose has them.
    """

    def __init__(self, metainfo: dict) -> None:
        names = metainfo['keypoint_id2name']
        links = np.asarray(metainfo['skeleton_links']).reshape(-1, 2) + 1
        category = dict(
            id=1,
            name='person',
            keypoints=[names[k] for k in range(len(names))],
            skeleton=links.tolist(),
        )
        self.images: list[dict] = []
        self.annotations: list[dict] = []
        self.skipped: list[dict] = []
        self.categories = [category]

    def add(self, name: str, size: tuple[int, int], poses: Poses) -> None:
        """Add what was found in an image.

        Args:
            name (str): Of the image.
            size (tuple[int, int]): (w, h) in px.
            poses (Poses): Of the people in it.
        """
        width, height = size
        image_id = len(self.images) + 1
        self.images.append(
            dict(id=image_id, file_name=name, width=width, height=height)
        )
        people = poses.instances
        for i in range(len(people)):
            entry = _annotation(people[i])
            entry.update(id=len(self.annotations) + 1, image_id=image_id)
            if poses.covariances is not None:
                entry['covariances'] = [
                    _distinct(c) for c in poses.covariances[i]
                ]
            self.annotations.append(entry)

    def skip(self, path: Path) -> None:
        """Remember an image that could not be read."""
        self.skipped.append(dict(file_name=path.name, reason='unreadable'))

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        content = dict(
            images=self.images,
            annotations=self.annotations,
            categories=self.categories,
            skipped=self.skipped,
        )
        text = json.dumps(content, allow_nan=False)
        AtomicLocalBackend().put_text(text, path)


def _annotation(person: object) -> dict:
    """One person, of an ``InstanceData`` that holds one."""
    x1, y1, x2, y2 = (float(n) for n in person.bboxes[0])
    scores = person.keypoint_scores[0]
    keypoints = np.column_stack([person.keypoints[0], scores])
    return dict(
        category_id=1,
        bbox=[x1, y1, x2 - x1, y2 - y1],
        area=(x2 - x1) * (y2 - y1),
        iscrowd=0,
        bbox_score=float(person.bbox_scores[0]),
        score=float(person.bbox_scores[0] * scores.mean()),
        keypoints=keypoints.astype(float).ravel().tolist(),
    )


def _distinct(covariance: np.ndarray) -> list[float] | None:
    """[xx, xy, yy], or None where nothing is known."""
    xx, xy, yy = (float(covariance[i]) for i in ((0, 0), (0, 1), (1, 1)))
    return [xx, xy, yy] if np.isfinite([xx, yy]).all() else None
