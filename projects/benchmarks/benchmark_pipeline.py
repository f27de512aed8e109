"""Samples per second of the data pipeline, targets in workers or not.

Takes a config whose codec is DARKCodec, and runs its training data loader
and data preprocessor twice, in turns: with ``GenerateTarget``, and with
``targets_on_device = True``. The network is not run. Also tells how many
bytes a worker sends per sample.
"""

from __future__ import annotations

import argparse
import copy
import pickle
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from dark_codec import apply_codec  # before MMPose, for its shims
from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import UserError, read_config
from dark_codec.openmmlab.engine.progress import track
from projects.benchmarks.timing import summary

# isort: split
from mmpose.registry import MODELS

VARIANTS = dict(GenerateTarget=False, targets_on_device=True)
# until the workers' queues are in a steady state
SKIPPED_BATCHES = 4
PICKLED_SAMPLES = 16


def build(cfg: Config, on_device: bool) -> tuple[Any, Any]:
    """Return the data loader and the data preprocessor of a config."""
    cfg = copy.deepcopy(cfg)
    cfg.targets_on_device = on_device
    apply_codec(cfg)
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    return loader, preprocessor.to(get_device())


def samples_per_second(loader: Any, preprocessor: Any, batches: int) -> float:
    """Take batches from the dataset to what the network is given."""

    def endless() -> Iterator[int]:
        while True:
            for batch in loader:
                yield len(preprocessor(batch, training=True)['inputs'])

    samples = endless()
    sum(islice(samples, SKIPPED_BATCHES))
    start = time.perf_counter()
    count = sum(islice(samples, batches))
    if get_device() == 'cuda':
        torch.cuda.synchronize()
    return count / (time.perf_counter() - start)


def bytes_per_sample(dataset: Any) -> float:
    """Size of a pickled sample, its tensors included."""
    return statistics.mean(
        len(pickle.dumps(dataset[i], pickle.HIGHEST_PROTOCOL))
        for i in range(min(len(dataset), PICKLED_SAMPLES))
    )


def run(args: argparse.Namespace) -> dict:
    """Measure, and print a table."""
    cfg = read_config(args.config, args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    try:
        pipelines = {name: build(cfg, way) for name, way in VARIANTS.items()}
    except ValueError as error:
        raise UserError(str(error)) from error
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in track(range(args.turns), 'Timing'):
        for name, pipeline in pipelines.items():
            rates[name].append(samples_per_second(*pipeline, args.batches))
    results: dict[str, Any] = dict(machine=describe_machine())
    rows = []
    for name, (data_loader, _) in pipelines.items():
        median, low, high = summary(rates[name])
        size = bytes_per_sample(data_loader.dataset)
        results[name] = dict(
            samples_per_second=median,
            quartiles=[low, high],
            bytes_per_sample=size,
        )
        speed = f'{median:.0f} [{low:.0f}, {high:.0f}]'
        rows.append([name, speed, f'{size:.0f}'])
    loader = cfg.train_dataloader
    print(
        f'batches of {loader.batch_size}, {loader.num_workers} workers, '
        f'device {get_device()}; median [quartiles] of {args.turns} turns\n'
    )
    header = ['targets', 'samples per second', 'bytes per sample']
    print(markdown(header, rows))
    return results
