"""Published networks, as OpenMMLab's metafiles describe them, on COCO."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import mmpose
import torch
import yaml
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS
from torch.utils.benchmark import Timer

from dark_codec.cli import UserError, read_config

METAFILES = (
    Path(mmpose.__file__).parent
    / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco'
)
ANNOTATIONS = 'annotations/person_keypoints_val2017.json'


class Network(NamedTuple):
    """A network of a metafile.

    Attributes:
        name (str): Its name there.
        config (Path): Its config.
        weights (str): Their address.
        published (dict[str, float]): Metrics by their names in the metafile.
    """

    name: str
    config: Path
    weights: str
    published: dict[str, float]


def find_networks(names: Sequence[str], metafiles: Path) -> list[Network]:
    """Find networks by their names.

    Args:
        names (Sequence[str]): As in the metafiles.
        metafiles (Path): A metafile, or a folder of them.

    Raises:
        UserError: If there is no such network.
    """
    paths = sorted(metafiles.glob('*.yml')) or [metafiles]
    known: dict[str, Network] = {}
    for path in paths:
        if not path.is_file():
            raise UserError(f'--metafiles {path} does not exist')
        for model in yaml.safe_load(path.read_text())['Models']:
            # relative to the folder that has MMPose's configs
            roots = [r for r in path.parents if (r / model['Config']).exists()]
            if roots:
                known[model['Name']] = Network(
                    model['Name'],
                    roots[0] / model['Config'],
                    model['Weights'],
                    model['Results'][0]['Metrics'],
                )
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, 3, 0) or ['none']
            raise UserError(
                f'--networks {name}: unknown; near to it: {", ".join(near)}'
            )
    return [known[name] for name in names]


class People(NamedTuple):
    """What the networks are tested on.

    Attributes:
        images (list[dict]): COCO's, with ``file_name`` and ``coco_url``.
        annotations (Path): Those of these images.
        boxes (Path | None): Detected boxes; None for the annotated ones.
        number (int): Of boxes.
    """

    images: list[dict]
    annotations: Path
    boxes: Path | None
    number: int


def choose_people(
    annotations: Path, detections: Path | None, count: int | None, out: Path
) -> People:
    """Write the annotations, and detections, of the images to test on.

    Args:
        annotations (Path): COCO's.
        detections (Path, optional): COCO's list of detected people.
        count (int, optional): Take so many images, by their numbers.
        out (Path): Folder to write into.
    """
    coco = json.loads(annotations.read_text())
    labelled = [a for a in coco['annotations'] if a['num_keypoints']]
    boxes = labelled
    used = {a['image_id'] for a in labelled}
    if detections is not None:
        boxes = json.loads(detections.read_text())
        if count is None:  # false alarms count where nobody is
            used |= {box['image_id'] for box in boxes}
    images = sorted(coco['images'], key=lambda image: image['id'])
    images = [image for image in images if image['id'] in used][:count]
    chosen = {image['id'] for image in images}
    out.mkdir(parents=True, exist_ok=True)
    written = {**coco, 'images': images}
    written['annotations'] = [
        a for a in coco['annotations'] if a['image_id'] in chosen
    ]
    boxes = [box for box in boxes if box['image_id'] in chosen]
    people = People(
        images,
        out / 'annotations.json',
        None if detections is None else out / 'detections.json',
        len(boxes),
    )
    people.annotations.write_text(json.dumps(written))
    if people.boxes is not None:
        people.boxes.write_text(json.dumps(boxes))
    return people


def make_config(
    network: Network, people: People, images: Path, flip_test: bool
) -> Config:
    """Return the config that tests a network on chosen people."""
    cfg = read_config(str(network.config))
    dataset = cfg.test_dataloader.dataset
    dataset.update(
        data_root='',
        ann_file=str(people.annotations),
        data_prefix=dict(img=str(images)),
        bbox_file=people.boxes and str(people.boxes),
    )
    cfg.test_evaluator.ann_file = str(people.annotations)
    cfg.model.test_cfg.flip_test = flip_test
    return cfg


def seconds_per_person(cfg: Config) -> float:
    """Time one pass of a network's layers on a batch of noise."""
    init_default_scope('mmpose')
    device, size = get_device(), cfg.test_dataloader.batch_size
    model = MODELS.build(cfg.model).to(device).eval()
    width, height = model.head.decoder.input_size
    batch = torch.rand(size, 3, height, width, device=device)
    with torch.inference_mode():
        timer = Timer('model(batch, None)', globals=locals())
        timer.timeit(1)
        return timer.timeit(1).mean / size
