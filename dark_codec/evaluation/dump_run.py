"""Run a network over its test set, and dump the heatmaps it predicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sized
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import barrier, get_dist_info, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATA_SAMPLERS, init_default_scope
from mmengine.runner import Runner
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import DATASETS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn
from torch.utils.data import Sampler

from ..decoders import GaussianFitDecoder
from ..version import __version__
from .decoding import codec_config
from .dump import DumpError, DumpInfo, FlipPoints
from .dump_files import check_folder, missing_shards, write_head, write_shard
from .patches import patch_radius

DTYPES = ('float32', 'float16')


@DATA_SAMPLERS.register_module()
class ShardSampler(Sampler):
    """Gives each process whole shards of consecutive samples.

    So a shard holds the same whatever the number of processes, and its
    batches are those of a test by one process.

    Args:
        dataset (Sized): The dataset.
        shards (list[int]): Numbers of the shards to go through.
        shard_size (int): Samples a shard, a multiple of the batch size.
        seed (int, optional): Not used.
    """

    def __init__(
        self,
        dataset: Sized,
        shards: list[int],
        shard_size: int,
        seed: int | None = None,
    ) -> None:
        rank, world_size = get_dist_info()
        self.shards = list(shards[rank::world_size])
        self._index = [
            index
            for shard in self.shards
            for index in range(len(dataset))[
                shard * shard_size : (shard + 1) * shard_size
            ]
        ]

    def __iter__(self) -> Iterator[int]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


class _Outputs:
    """Keeps what a head's ``forward`` returns: the maps of its last stage.

    The heads call it themselves, by its name: hooks of torch see nothing.
    """

    def __init__(self, head: nn.Module) -> None:
        self._forward = head.forward
        self._maps: list[Tensor] = []
        head.forward = self  # type: ignore[method-assign]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        found = self._forward(*args, **kwargs)
        stages = isinstance(found, (list, tuple))
        self._maps.append(found[-1] if stages else found)
        return found

    def take(self) -> list[Tensor]:
        """The maps since the last call, (B, K, H, W) each."""
        maps, self._maps = self._maps, []
        return maps


class DumpHook(Hook):
    """Writes what a test predicts, shard by shard.

    Args:
        folder (Path): Of the dump.
        info (DumpInfo): What the dump is to be.
    """

    def __init__(self, folder: Path, info: DumpInfo) -> None:
        self.folder = folder
        self.info = info
        self._decoder = GaussianFitDecoder(info.codec['sigma'])
        self._maps: list[np.ndarray] = []
        self._flips: list[FlipPoints] = []
        self._samples: list[PoseDataSample] = []

    def before_test(self, runner: Runner) -> None:
        """Listen to the head, and write what the whole dump shares."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        self._test_cfg = model.test_cfg
        # VisPredictHead wraps the head that predicts the maps
        self._outputs = _Outputs(getattr(model.head, 'pose_head', model.head))
        self._shards = iter(runner.test_dataloader.sampler.shards)
        barrier()  # all have looked at the folder before it changes
        if is_main_process():
            write_head(self.folder, self.info, runner.cfg.pretty_text)
        barrier()

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Keep one batch; write the shard when it is whole."""
        maps = torch.stack([s.pred_fields.heatmaps for s in outputs])
        width, height = self.info.codec['heatmap_size']
        if maps.shape[2:] != (height, width):
            raise DumpError(
                f'the model predicts maps of {tuple(maps.shape[2:])} px, but '
                f'its codec has heatmap_size={(width, height)}, (w, h)'
            )
        self._maps.append(maps.cpu().numpy().astype(self.info.dtype))
        halves = self._outputs.take()
        if self.info.flip_test:
            self._flips.append(self._flip_points(*halves, outputs[0]))
        self._samples += outputs
        last = batch_idx + 1 == len(runner.test_dataloader)
        if last or len(self._samples) == self.info.shard_size:
            self._write()

    def _flip_points(
        self, plain: Tensor, flipped: Tensor, sample: PoseDataSample
    ) -> FlipPoints:
        unflipped = flip_heatmaps(
            flipped,
            flip_indices=sample.metainfo['flip_indices'],
            shift_heatmap=False,
        )
        found: list[np.ndarray] = []
        chosen = self._test_cfg.get('output_keypoint_indices')
        for maps in (plain, unflipped):
            maps = maps if chosen is None else maps[:, chosen]
            decoded = self._decoder(maps)
            found += [decoded.points.cpu().numpy()]
            found += [decoded.scores.cpu().numpy()]
        return FlipPoints(*found)

    def _write(self) -> None:
        flips = None
        if self._flips:
            flips = FlipPoints(*map(np.concatenate, zip(*self._flips)))
        maps = np.concatenate(self._maps)
        number = next(self._shards)
        write_shard(self.folder, number, self.info, maps, flips, self._samples)
        self._maps, self._flips, self._samples = [], [], []


def hash_config(cfg: Config) -> dict[str, str]:
    """Hash the parts of a config that its predictions follow from.

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
    """SHA-256 of a file; a URL stands for itself."""
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
    """Say what a dump will be.

    Args:
        cfg (Config): As for ``tools/test.py``, with ``load_from``, after
            :func:`dark_codec.apply_codec`.
        config_hash (dict[str, str]): From :func:`hash_config`.
        kind (str): ``'patch'`` or ``'full'``.
        dtype (str): One of :data:`DTYPES`.
        shard_size (int): Samples a file; rounded up to whole batches.

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

    Distributed, each process runs and writes its share of the shards. A run
    that was interrupted is taken up where it was, by any number of
    processes.

    Args:
        cfg (Config): As for :func:`plan_dump`. It is changed in place.
        folder (str | Path): Of the dump.
        info (DumpInfo): From :func:`plan_dump`.

    Raises:
        DumpError: If the folder holds something else.
    """
    folder = Path(folder)
    check_folder(folder, info)
    missing = missing_shards(folder, info)
    if not missing:
        return
    cfg.model.setdefault('test_cfg', {}).update(output_heatmaps=True)
    cfg.test_evaluator = []
    # update() would merge the keys of two samplers
    cfg.test_dataloader.sampler = dict(
        type='ShardSampler', shards=missing, shard_size=info.shard_size
    )
    cfg.test_dataloader.drop_last = False
    runner = Runner.from_cfg(cfg)
    runner.register_hook(DumpHook(folder, info))
    runner.test()
    barrier()
