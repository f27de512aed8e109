"""Measure how large a dump of patches gets, and what reading it costs.

Writes and reads a dump as of the boxes that a detector finds on COCO val.
The maps are those of the study on real heatmaps, drawn at random, scaled, and
with noise of 0.001 added, which compresses badly; labels and flip points are
random numbers. Times are of the processor, in one thread.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from dark_codec import DARKCodec, __version__  # before MMPose, for its shims
from dark_codec.analysis.comparison import build_codecs, decode_dump
from dark_codec.analysis.decoders_by_name import SHORT
from dark_codec.cli import UserError
from dark_codec.dumps.format import DumpError, DumpInfo
from dark_codec.dumps.patches import patch_radius
from dark_codec.dumps.reader import FlipPoints, HeatmapDump
from dark_codec.dumps.writer import (
    check_folder,
    missing_shards,
    write_head,
    write_shard,
)
from dark_codec.openmmlab.engine.progress import track
from projects.shared_data import REAL_HEATMAPS, load

# isort: split
from mmpose.structures import PoseDataSample

KEYPOINTS = 17
CODEC = DARKCodec()  # 64x48, sigma 2
DECODERS = {name: SHORT[name] for name in ('argmax', 'dark-max', 'fit')}


def plan(people: int) -> DumpInfo:
    """Say what the dump will be."""
    return DumpInfo(
        kind='patch',
        dtype='float16',
        patch_radius=patch_radius(CODEC.sigma),
        codec=CODEC.settings,
        flip_test=True,
        shift_heatmap=True,
        num_samples=people,
        shard_size=256,
        batch_size=64,
        dataset_meta={},
        config_hash={},
        checkpoint='none',
        checkpoint_hash='none',
        software=dict(dark_codec=__version__),
    )


def random_sample(rng: np.random.Generator, number: int) -> PoseDataSample:
    """Metainfo and labels as MMPose packs them for a detected box."""
    box = rng.uniform(0, 400, (1, 4)).astype(np.float32)
    sample = PoseDataSample()
    sample.gt_instances = InstanceData(
        bboxes=box,
        bbox_scores=rng.uniform(0, 1, 1).astype(np.float32),
        bbox_scales=box[:, 2:] * np.float32(1.25),
        keypoints=rng.uniform(0, 400, (1, KEYPOINTS, 2)).astype(np.float32),
        keypoints_visible=np.ones((1, KEYPOINTS), np.float32),
    )
    image = int(rng.integers(10**6))
    sample.set_metainfo(
        dict(
            id=number,
            img_id=image,
            img_path=f'data/coco/val2017/{image:012}.jpg',
            category_id=1,
            ori_shape=(480, 640),
            img_shape=(480, 640),
            input_size=(192, 256),
            input_center=box[0, :2],
            input_scale=box[0, 2:],
            flip_indices=list(range(KEYPOINTS)),
            dataset_name='coco',
        )
    )
    return sample


def write(folder: Path, info: DumpInfo) -> None:
    """Write the shards that are missing."""
    maps = load(REAL_HEATMAPS)[0].heatmaps.numpy()
    maps = maps.reshape(-1, *maps.shape[2:])
    write_head(folder, info, '')
    for number in track(missing_shards(folder, info), 'Writing shards'):
        rng = np.random.default_rng(number)
        index = info.shard_index(number)
        shape = len(index), KEYPOINTS
        drawn = maps[rng.integers(0, len(maps), shape)]
        drawn *= rng.uniform(0.5, 1.2, (*shape, 1, 1)).astype(np.float32)
        drawn += rng.normal(0, 1e-3, drawn.shape).astype(np.float32)
        numbers = [rng.random((*shape, 2)), rng.random(shape)] * 2
        flips = FlipPoints(*(x.astype(np.float32) for x in numbers))
        samples = [random_sample(rng, i) for i in index]
        write_shard(
            folder, number, info, drawn.astype(np.float16), flips, samples
        )


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the processor's seconds."""
    start = time.process_time()
    yield
    print(f'{what}: {time.process_time() - start:.2f} s', flush=True)


def memory() -> str:
    """The most that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    return f'{peak * 1024 / 1e9:.2f} GB'


def run(args: argparse.Namespace) -> None:
    """Write, read, and print what it took."""
    torch.set_num_threads(1)
    init_default_scope('mmpose')
    info = plan(args.people)
    try:
        check_folder(args.out, info)
        if missing_shards(args.out, info):
            write(args.out, info)
            print('written; start again to measure without what writing held')
            return
        dump = HeatmapDump(args.out)
    except DumpError as error:
        raise UserError(str(error)) from error
    size = sum(shard.path.stat().st_size for shard in dump.shards)
    print(
        f'{len(dump)} people, {len(dump.shards)} shards: {size / 1e9:.3f} GB'
    )
    print(f'memory before reading: {memory()}')
    with timed('reading all maps'):
        for shard in dump.shards:
            shard.heatmaps()
    with timed(f'reading and decoding by {", ".join(DECODERS)}'):
        decode_dump(dump, build_codecs(dump, DECODERS))
    with timed('reading all labels'):
        for shard in dump.shards:
            assert shard.samples
    print(f'most memory: {memory()}')
