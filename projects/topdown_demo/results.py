"""Write pictures, videos, and poses in COCO's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.structures import InstanceData

from dark_codec.cli import UserError, check_folder
from dark_codec.openmmlab.engine import AtomicLocalBackend
from projects.topdown_demo.inputs import Frame


class Results:
    """Folder of the results. What cannot be written is a UserError.

    Args:
        out (Path): The folder; made if need be.
        metainfo (dict): Names and links of the keypoints.
        score_type (str): What the scores of keypoints are.
    """

    def __init__(self, out: Path, metainfo: dict, score_type: str) -> None:
        self.pictures = out / 'visualizations'
        self.json = out / 'predictions.json'
        check_folder('--out', str(out), str(self.pictures))
        names = metainfo['keypoint_id2name']
        links = np.array(metainfo['skeleton_links'], int).reshape(-1, 2)
        category = dict(
            id=1,
            name='person',
            keypoints=[names[k] for k in range(len(names))],
            skeleton=(links + 1).tolist(),
        )
        self.coco: dict[str, Any] = dict(
            info=dict(scores=score_type),
            images=[],
            annotations=[],
            categories=[category],
            skipped=[],
        )
        self._video: cv2.VideoWriter | None = None
        self._video_path = Path()
        self._num_frames = 0

    def skip(self, path: Path, reason: str) -> None:
        """Note a file that could not be read to its end."""
        self.coco['skipped'].append(dict(file_name=path.name, reason=reason))

    def add(
        self, frame: Frame, people: InstanceData, drawn: np.ndarray
    ) -> None:
        """Write the picture of a frame, and keep its poses for the json."""
        if frame.rate:
            self._write_frame(frame, drawn)
        else:
            picture = cv2.imencode('.jpg', drawn)[1].tobytes()
            _write(picture, self.pictures / f'{frame.path.stem}.jpg')
        images, annotations = self.coco['images'], self.coco['annotations']
        height, width = drawn.shape[:2]
        number = len(images) + 1
        size = dict(width=width, height=height)
        images.append(dict(id=number, file_name=frame.name, **size))
        for person in people:
            ids = dict(id=len(annotations) + 1, image_id=number)
            annotations.append(dict(_annotation(person), **ids))

    def _write_frame(self, frame: Frame, drawn: np.ndarray) -> None:
        target = self.pictures / f'{frame.path.stem}.mp4'
        if target != self._video_path:
            self._end_video()
            self._video_path = target
            code, size = cv2.VideoWriter_fourcc(*'mp4v'), drawn.shape[1::-1]
            video = cv2.VideoWriter(str(target), code, frame.rate, size)
            if not video.isOpened():
                raise UserError(f'cannot write {target}')
            self._video = video
        self._video.write(drawn)
        self._num_frames += 1

    def _end_video(self) -> None:
        """Finish a video, if there is one, and check that it is whole."""
        if self._video is None:
            return
        self._video.release()
        written = cv2.VideoCapture(str(self._video_path))
        expected, self._video, self._num_frames = self._num_frames, None, 0
        # OpenCV's writer does not say whether it could write
        if written.get(cv2.CAP_PROP_FRAME_COUNT) != expected:
            raise UserError(
                f'{self._video_path} was not written completely: is there '
                'space on the disk?'
            )

    def close(self) -> None:
        """Write the poses of all frames so far, and finish a video."""
        text = json.dumps(self.coco, allow_nan=False)
        try:
            _write(text.encode(), self.json)
        finally:
            self._end_video()

    def summary(self, kpt_thr: float) -> str:
        """Say what was found."""
        people = self.coco['annotations']
        scores = [s for person in people for s in person['keypoints'][2::3]]
        seen = sum(score >= kpt_thr for score in scores)
        more = '; a lower --kpt-thr shows more' if seen < len(scores) else ''
        return (
            f'{seen} of {len(scores)} joints above {kpt_thr:g} '
            f'({self.coco["info"]["scores"]}){more}\n'
            f'Images: {len(self.coco["images"])}, people: {len(people)}\n'
            f'Pictures: {self.pictures}'
        )


def _write(content: bytes, path: Path) -> None:
    try:
        AtomicLocalBackend().put(content, path)
    except OSError as error:
        raise UserError(f'cannot write {path}: {error}') from error


def _annotation(person: InstanceData) -> dict:
    """Return one person in COCO's format; `person` has the length 1."""
    x1, y1, x2, y2 = person.bboxes[0].astype(float).tolist()
    scores = person.keypoint_scores[0]
    keypoints = np.column_stack([person.keypoints[0], scores])
    annotation = dict(
        category_id=1,
        bbox=[x1, y1, x2 - x1, y2 - y1],
        area=(x2 - x1) * (y2 - y1),
        iscrowd=0,
        bbox_score=float(person.bbox_scores[0]),
        score=float(person.bbox_scores[0] * scores.mean()),
        keypoints=keypoints.astype(float).ravel().tolist(),
    )
    if 'covariances' in person:
        annotation['covariances'] = [
            [xx, xy, yy] if np.isfinite([xx, xy, yy]).all() else None
            for (xx, xy), (_, yy) in person.covariances[0].tolist()
        ]
    return annotation
