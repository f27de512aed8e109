"""Export a config and a checkpoint to a graph in a file."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis import init_model
from mmpose.apis.inference import dataset_meta_from_config
from mmpose.registry import KEYPOINT_CODECS

from .. import DARKCodec
from ..deployment import (
    ExportedDecoder,
    MismatchError,
    check_onnx,
    describe,
    drop_output,
    export_onnx,
    session_of,
)
from ..deployment.estimator import ExportedEstimator
from ..openmmlab.config import head_decoder
from ..openmmlab.engine import AtomicLocalBackend, warn_of_another_codec
from ..openmmlab.engine.weights import load_weights
from .checks import check_checkpoint
from .config import carry_codec
from .data import describe_bad_metainfo
from .errors import UserError

_MOST_BYTES = 2**31  # of a file in protobuf's format


def codec_settings(cfg: Config, decoder: str | dict | None) -> dict:
    """Apply the codec of a config, with another decoder if one is given.

    Args:
        cfg: A whole config, changed in place.
        decoder: A registered decoder; None leaves the config's.

    Returns:
        What the head decodes with.
    """
    init_default_scope('mmpose')
    carry_codec(cfg)
    settings = head_decoder(cfg)
    if settings.get('type') != 'DARKCodec':
        raise UserError(
            'only DARKCodec can be exported, and the config decodes by '
            f"{settings.get('type')}: put codec=dict(type='DARKCodec') into "
            'it, or add --cfg-options codec.type=DARKCodec'
        )
    if decoder is not None:
        settings['decoder'] = decoder
    return settings


def build_codec(settings: dict) -> DARKCodec:
    """Build the codec; an invalid decoder is a user error."""
    try:
        return KEYPOINT_CODECS.build(settings)
    except (TypeError, ValueError) as error:
        raise UserError(f'the codec: {error}') from error


def build_decoder(
    cfg: Config, codec: DARKCodec
) -> tuple[ExportedDecoder, list[str] | None]:
    """Build the decoder alone; also return the keypoints' names."""
    metainfo = _metainfo_of(cfg)
    names = keypoint_names(metainfo, metainfo.get('num_keypoints', 0))
    return ExportedDecoder(codec), names


def build_estimator(
    cfg: Config, checkpoint: str | None, flip: bool, uint8: bool
) -> tuple[ExportedEstimator, list[str] | None]:
    """Build the whole model.

    Args:
        cfg: A config after :func:`codec_settings`.
        checkpoint: Its weights; None leaves random ones.
        flip: Whether to make a flip test.
        uint8: Whether to normalise in the graph.

    Returns:
        The model, and the names of the keypoints if they are known.
    """
    model = init_model(cfg, device='cpu')
    metainfo = _metainfo_of(cfg)
    if checkpoint is not None:
        warn_of_another_codec(cfg, check_checkpoint(checkpoint))
        try:
            loaded = load_weights(model, checkpoint)
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from error
        metainfo = loaded.get('meta', {}).get('dataset_meta') or metainfo
    # as in MMPose, the model's own wins
    metainfo = model.metainfo or metainfo
    flip_indices = None
    if flip:
        flip_indices = metainfo.get('flip_indices')
        if flip_indices is None:
            raise UserError(
                '--flip: neither config nor checkpoint says which keypoints '
                'are symmetric; give model.metainfo in the config'
            )
    try:
        module = ExportedEstimator(model, flip_indices, uint8)
        with torch.no_grad():
            keypoints, *_ = module(module.example(1))
    except (TypeError, ValueError) as error:
        raise UserError(f'the model: {error}') from error
    kept = model.test_cfg.get('output_keypoint_indices')
    return module, keypoint_names(metainfo, keypoints.shape[1], kept)


def keypoint_names(
    metainfo: dict, count: int, kept: list[int] | None = None
) -> list[str] | None:
    """Return the names of keypoints, or None where they do not fit.

    Args:
        metainfo: Of the dataset.
        count: Of the keypoints.
        kept: Which of the dataset's these are; None for all.
    """
    names = metainfo.get('keypoint_id2name', {})
    found = [names.get(i) for i in kept or sorted(names)]
    return found if len(found) == count and None not in found else None


def _metainfo_of(cfg: Config) -> dict:
    """Return the training data's metainfo, as MMPose's inference does."""
    wrong = describe_bad_metainfo(cfg, ('train',))
    if wrong:
        raise UserError(wrong)
    dataset = (cfg.get('train_dataloader') or {}).get('dataset') or {}
    # wrappers as RepeatDataset, into which MMPose does not look
    while 'metainfo' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    inner = Config(dict(train_dataloader=dict(dataset=dataset)))
    return dataset_meta_from_config(inner) or {}


def export_checked(
    module: ExportedDecoder | ExportedEstimator,
    names: list[str] | None,
    out: Path,
    heatmaps: bool,
) -> dict[str, float]:
    """Export to a file, which is written only if it agrees with PyTorch.

    Args:
        module: What to export.
        names: Of the keypoints, if they are known.
        out: The file.
        heatmaps: Whether an estimator's graph gives its heatmaps, too.

    Returns:
        The largest differences, see :func:`dark_codec.deployment.check_onnx`.
    """
    weights = sum(p.nbytes for p in module.parameters())
    if weights >= _MOST_BYTES:
        raise UserError(
            f'the weights take {weights / 2**30:.1f} GB, and an ONNX file '
            'holds less than 2 GB'
        )
    print('Exporting, up to a minute for a large network ...', flush=True)
    graph = export_onnx(module, describe(module, names))
    print('Running it in onnxruntime against PyTorch ...', flush=True)
    try:
        differences = check_onnx(graph, module)
    except MismatchError as error:
        raise UserError(f'nothing was written: {error}') from error
    if 'heatmaps' in module.outputs and not heatmaps:
        drop_output(graph, 'heatmaps')
        session_of(graph)  # loads it
    AtomicLocalBackend().put(graph.SerializeToString(), out)
    return differences
