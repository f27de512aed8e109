"""COCO's sigmas of a data set's keypoints, for scores that need them."""

from __future__ import annotations

from mmengine.config import Config
from mmpose.apis.inference import dataset_meta_from_config

from ...registry import SCORES
from .places import decoding_head
from .tree import plain


def fill_in_sigmas(codec: dict, cfg: Config) -> dict:
    """Give a codec's scores the sigmas of the config's data set.

    Args:
        codec (dict): A DARKCodec. It is not changed.
        cfg (Config): A whole config.

    Returns:
        dict: The codec; another one if its scores use sigmas and have none.

    Raises:
        ValueError: If the data sets have no sigmas, or if the scores have
            another number than the head has keypoints.
    """
    scores = plain(codec.get('scores'))
    scores = dict(scores) if isinstance(scores, dict) else dict(type=scores)
    name = str(scores['type'])
    if not getattr(SCORES.get(name), 'uses_sigmas', False):
        return codec
    if scores.get('sigmas') is None:
        scores['sigmas'] = _sigmas_of_data_set(cfg, name)
    keypoints = decoding_head(cfg)[1].get('out_channels')
    count = len(SCORES.build(scores).sigmas)
    if keypoints is not None and count != keypoints:
        raise ValueError(
            f'codec.scores={name} has {count} sigmas, but the head predicts '
            f'{keypoints} keypoints: give codec.scores.sigmas, one per '
            'keypoint'
        )
    return dict(codec, scores=scores)


def _sigmas_of_data_set(cfg: Config, name: str) -> list[float]:
    for mode in ('test', 'val', 'train'):
        if cfg.get(f'{mode}_dataloader') is None:
            continue
        metainfo = dataset_meta_from_config(cfg, mode) or {}
        if len(metainfo.get('sigmas', ())) > 0:
            return [round(float(sigma), 6) for sigma in metainfo['sigmas']]
    raise ValueError(
        f'codec.scores={name} needs sigmas, and the data sets of the config '
        "have none in their metainfo: give codec.scores.sigmas, COCO's for "
        'each keypoint'
    )
