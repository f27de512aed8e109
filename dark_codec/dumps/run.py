"""Run a network over its test set, and dump the predicted heatmaps."""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process
from mmengine.model import is_model_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS

from ..openmmlab.decoding import codec_config
from ..openmmlab.engine.progress import Progress
from ..openmmlab.engine.weights import load_weights
from ..version import __version__
from .format import DumpError, DumpInfo
from .hook import DumpHook
from .patches import patch_radius
from .writer import check_folder, missing_shards, write_head


def hash_config(cfg: Config) -> dict[str, str]:
    """Hash the parts of a config that determine its predictions.

    Args:
        cfg (Config): As the user wrote it, before ``prepare_distributed``.

    Returns:
        dict[str, str]: SHA-256 by part.
    """
    loader = cfg.get('test_dataloader') or {}
    parts = {
        'model': cfg.get('model'),
        'codec': cfg.get('codec'),
        'test_dataloader.dataset': loader.get('dataset'),
        'test_cfg': cfg.get('test_cfg'),
    }
    return {
        name: hashlib.sha256(
            json.dumps(part, sort_keys=True, default=str).encode()
        ).hexdigest()
        for name, part in parts.items()
    }


def hash_checkpoint(path: str) -> str:
    """Return the SHA-256 of a file; of a URL, the URL."""
    if '://' in path:
        return path
    digest = hashlib.sha256()
    with Path(path).expanduser().open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def plan_dump(
    cfg: Config,
    config_hash: dict[str, str],
    kind: str = 'patch',
    dtype: str = 'float32',
    shard_size: int = 256,
) -> DumpInfo:
    """Return the properties of a dump before it is made.

    Args:
        cfg (Config): As for ``tools/test.py``, with ``load_from``, after
            :func:`dark_codec.apply_codec`.
        config_hash (dict[str, str]): From :func:`hash_config`.
        kind (str): ``'patch'`` or ``'full'``.
        dtype (str): ``'float32'`` or ``'float16'``.
        shard_size (int): Samples per file; rounded up to whole batches.

    Raises:
        ValueError: If the model does not predict Gaussian heatmaps.
    """
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    codec = codec_config(cfg)
    test_cfg = cfg.model.get('test_cfg') or {}
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    batch_size = cfg.test_dataloader.batch_size
    return DumpInfo(
        kind=kind,
        dtype=dtype,
        patch_radius=(
            patch_radius(codec['sigma']) if kind == 'patch' else None
        ),
        codec=codec,
        flip_test=bool(test_cfg.get('flip_test', False)),
        shift_heatmap=bool(test_cfg.get('shift_heatmap', False)),
        num_samples=len(dataset),
        shard_size=-(-shard_size // batch_size) * batch_size,
        batch_size=batch_size,
        dataset_meta=dataset.metainfo,
        config_hash=config_hash,
        checkpoint=str(cfg.load_from),
        checkpoint_hash=hash_checkpoint(cfg.load_from),
        software=dict(
            dark_codec=__version__,
            **{name: version(name) for name in ('torch', 'mmpose', 'numpy')},
        ),
    )


def dump_heatmaps(cfg: Config, folder: str | Path, info: DumpInfo) -> None:
    """Run the network over the samples that a dump does not hold yet.

    In a distributed run each process writes its share of the shards. An
    interrupted run can be resumed by any number of processes.

    Args:
        cfg (Config): As for :func:`plan_dump`. It is changed in place.
        folder (str | Path): Of the dump.
        info (DumpInfo): From :func:`plan_dump`.

    Raises:
        DumpError: If the folder holds something else, or the checkpoint
            another network's weights.
    """
    folder = Path(folder)
    check_folder(folder, info)
    missing = missing_shards(folder, info)
    config = cfg.pretty_text
    if not missing:
        if is_main_process():
            write_head(folder, info, config)
        return
    cfg.model.setdefault('test_cfg', {}).update(output_heatmaps=True)
    cfg.test_evaluator = []  # a part of the test set cannot be scored
    # update() would merge the keys of two samplers
    cfg.test_dataloader.sampler = dict(
        type='ShardSampler', shards=missing, shard_size=info.shard_size
    )
    cfg.test_dataloader.drop_last = False
    # only a last line: the progress has its own
    logger = dict(type='LoggerHook', interval=sys.maxsize)
    cfg.setdefault('default_hooks', {})['logger'] = logger
    runner = Runner.from_cfg(cfg)
    model = runner.model
    try:
        load_weights(
            model.module if is_model_wrapper(model) else model, cfg.load_from
        )
    except ValueError as error:
        raise DumpError(str(error)) from error
    progress = Progress('Predicting') if is_main_process() else None
    runner.register_hook(DumpHook(folder, info, config, progress))
    with progress or nullcontext():
        runner.test()
    barrier()
