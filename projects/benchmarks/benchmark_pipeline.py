"""Samples per second of the data pipeline, targets in workers or not.

Takes a config whose codec is DARKCodec, and runs its training data loader
and data preprocessor twice: with ``GenerateTarget``, and with
``targets_on_device = True``. The network is not run. Also tells how many
bytes a worker sends per sample. The two take turns.
"""

from __future__ import annotations

import argparse
import copy
import json
import pickle
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import dark_codec  # noqa: F401, I001  before MMPose: its shims
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from dark_codec import apply_codec
from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import add_cfg_options
from dark_codec.openmmlab.engine.progress import track
from projects.benchmarks.timing import wait_for

_VARIANTS = {'GenerateTarget': False, 'targets_on_device': True}
# until the workers' queues are in a steady state
_SKIPPED_BATCHES = 4
_PICKLED_SAMPLES = 16


class Pipeline:
    """The data loader and the data preprocessor of a config.

    Args:
        cfg (Config): A whole config with a DARKCodec.
        on_device (bool): Whether to render the targets on the device.
    """

    def __init__(self, cfg: Config, on_device: bool) -> None:
        cfg = copy.deepcopy(cfg)
        cfg.targets_on_device = on_device
        apply_codec(cfg)
        preprocessor = MODELS.build(cfg.model.data_preprocessor)
        self.device = get_device()
        self.preprocessor = preprocessor.to(self.device)
        self.loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)

    def _batches(self) -> Iterator[dict]:
        while True:
            yield from self.loader

    def samples_per_second(self, num_batches: int) -> float:
        """Take batches from the dataset to what the network is given."""
        samples = 0
        for number, batch in enumerate(self._batches()):
            if number == _SKIPPED_BATCHES:
                wait_for(self.device)
                start = time.perf_counter()
            data = self.preprocessor(batch, training=True)
            if number >= _SKIPPED_BATCHES:
                samples += len(data['inputs'])
            if number + 1 == _SKIPPED_BATCHES + num_batches:
                break
        wait_for(self.device)
        return samples / (time.perf_counter() - start)

    def bytes_per_sample(self) -> float:
        """Size of a pickled sample, its tensors included."""
        dataset = self.loader.dataset
        count = min(len(dataset), _PICKLED_SAMPLES)
        sizes = [
            len(pickle.dumps(dataset[i], pickle.HIGHEST_PROTOCOL))
            for i in range(count)
        ]
        return statistics.mean(sizes)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time a data pipeline with targets rendered in the '
        'workers, and on the device.'
    )
    parser.add_argument('config', help='a config file with a DARKCodec')
    parser.add_argument(
        '--batches',
        type=int,
        default=40,
        help='timed in each turn (default: %(default)s)',
    )
    parser.add_argument(
        '--turns',
        type=int,
        default=7,
        help='of each way, at least 2 (default: %(default)s)',
    )
    parser.add_argument('--out', type=Path, help='a json file for the results')
    add_cfg_options(parser)
    args = parser.parse_args()
    if args.batches < 1 or args.turns < 2:
        parser.error('needs --batches of 1 and --turns of 2 at least')
    if not Path(args.config).is_file():
        parser.error(f'the config {args.config} does not exist')
    return args


def measure(cfg: Config, turns: int, batches: int) -> dict[str, dict]:
    """Both ways, in turns."""
    pipelines = {
        name: Pipeline(cfg, on_device) for name, on_device in _VARIANTS.items()
    }
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in track(range(turns), 'Timing'):
        for name, pipeline in pipelines.items():
            rates[name].append(pipeline.samples_per_second(batches))
    results = {}
    for name, pipeline in pipelines.items():
        low, median, high = statistics.quantiles(
            rates[name], n=4, method='inclusive'
        )
        results[name] = dict(
            samples_per_second=median,
            quartiles=[low, high],
            bytes_per_sample=pipeline.bytes_per_sample(),
        )
    return results


def main() -> None:
    """Measure, and print a table."""
    args = parse_args()
    cfg = Config.fromfile(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    try:
        results = measure(cfg, args.turns, args.batches)
    except ValueError as error:
        raise SystemExit(f'error: {error}') from error
    loader = cfg.train_dataloader
    print(
        f'batches of {loader.batch_size}, {loader.num_workers} workers, '
        f'device {get_device()}; median [quartiles] of {args.turns} turns\n'
    )
    rows = []
    for name, found in results.items():
        low, high = found['quartiles']
        speed = f'{found["samples_per_second"]:.0f} [{low:.0f}, {high:.0f}]'
        rows.append([name, speed, f'{found["bytes_per_sample"]:.0f}'])
    print(markdown(['targets', 'samples a second', 'bytes a sample'], rows))
    if args.out is not None:
        results = dict(machine=describe_machine(), **results)
        args.out.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
