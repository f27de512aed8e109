"""Sampler and hook of a test loop that dumps heatmaps."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import barrier, get_dist_info, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.structures import PoseDataSample
from torch import Tensor, nn
from torch.utils.data import Sampler

from ..decoders import GaussianFitDecoder
from ..openmmlab.engine.progress import Progress
from .format import DumpError, DumpInfo
from .reader import FlipPoints
from .writer import write_head, write_shard


@DATA_SAMPLERS.register_module()
class ShardSampler(Sampler):
    """Gives each process whole shards of consecutive samples.

    A shard's content is independent of the number of processes, and its
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
        self._index: list[int] = []
        for shard in self.shards:
            start = shard * shard_size
            self._index += range(len(dataset))[start : start + shard_size]

    def __iter__(self) -> Iterator[int]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


class DumpHook(Hook):
    """Writes the predictions of a test, shard by shard.

    Args:
        folder (Path): Of the dump.
        info (DumpInfo): Properties of the dump.
        config (str): Text of a config file, which goes with the dump.
        progress (Progress, optional): Shows the batches that are done.
    """

    def __init__(
        self,
        folder: Path,
        info: DumpInfo,
        config: str,
        progress: Progress | None = None,
    ) -> None:
        self.folder = folder
        self.info = info
        self.config = config
        self._progress = progress
        self._decoder = GaussianFitDecoder(info.codec['sigma'])
        self._halves: list[Tensor] = []  # of one batch, (B, K, H, W) each
        self._maps: list[np.ndarray] = []
        self._flips: list[FlipPoints] = []
        self._samples: list[PoseDataSample] = []

    def before_test(self, runner: Runner) -> None:
        """Record the head's output, and write the dump's shared files."""
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        self._chosen = model.test_cfg.get('output_keypoint_indices')
        # VisPredictHead wraps the head that predicts the maps
        self._record(getattr(model.head, 'pose_head', model.head))
        self._shards = iter(runner.test_dataloader.sampler.shards)
        barrier()  # all have checked the folder before it changes
        if is_main_process():
            write_head(self.folder, self.info, self.config)
        barrier()

    def _record(self, head: nn.Module) -> None:
        """Keep what a head's ``forward`` returns: the maps of its last stage.

        The heads call ``forward`` by name, which does not run torch's hooks.
        """
        forward = head.forward

        def recording(*args: Any, **kwargs: Any) -> Any:
            found = forward(*args, **kwargs)
            stages = isinstance(found, (list, tuple))
            self._halves.append(found[-1] if stages else found)
            return found

        head.forward = recording

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Collect one batch; write the shard when it is complete."""
        maps = torch.stack([s.pred_fields.heatmaps for s in outputs])
        width, height = self.info.codec['heatmap_size']
        if maps.shape[2:] != (height, width):
            raise DumpError(
                f'the model predicts maps of {tuple(maps.shape[2:])} px, but '
                f'its codec has heatmap_size={(width, height)}, (w, h)'
            )
        self._maps.append(maps.cpu().numpy().astype(self.info.dtype))
        if self.info.flip_test:
            self._flips.append(self._flip_points(outputs[0]))
        self._halves.clear()
        self._samples += outputs
        done, total = batch_idx + 1, len(runner.test_dataloader)
        if self._progress is not None:
            self._progress.update(done, total=total)
        if done == total or len(self._samples) == self.info.shard_size:
            self._write()

    def _flip_points(self, sample: PoseDataSample) -> FlipPoints:
        plain, flipped = self._halves
        unflipped = flip_heatmaps(
            flipped,
            flip_indices=sample.metainfo['flip_indices'],
            shift_heatmap=False,
        )
        found: list[np.ndarray] = []
        for maps in (plain, unflipped):
            maps = maps if self._chosen is None else maps[:, self._chosen]
            points, scores, *_ = self._decoder(maps)
            found += [points.cpu().numpy(), scores.cpu().numpy()]
        return FlipPoints(*found)

    def _write(self) -> None:
        flips = None
        if self._flips:
            flips = FlipPoints(*map(np.concatenate, zip(*self._flips)))
        maps = np.concatenate(self._maps)
        number = next(self._shards)
        write_shard(self.folder, number, self.info, maps, flips, self._samples)
        self._maps, self._flips, self._samples = [], [], []
