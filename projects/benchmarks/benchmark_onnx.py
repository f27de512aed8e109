"""Measure what a decoder inside an ONNX graph costs, beside its network.

Times in onnxruntime, on the CPU, the network alone, the network and each
decoder in one graph, and each decoder alone: it costs less than the network's
times scatter. They take turns in random order. Without a checkpoint the
weights are random, which makes no difference to the time.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import onnx
import onnxruntime

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import add_cfg_options, read_config
from dark_codec.cli.export import (
    build_codec,
    build_estimator,
    codec_settings,
)
from dark_codec.deployment import (
    ExportedDecoder,
    export_onnx,
    session_of,
    subgraph,
)
from projects.benchmarks.methods import DECODERS
from projects.benchmarks.timing import Timing, time_in_turns

NETWORK, ALONE = 'network', 'alone'
NAMES = [name for name in DECODERS if 'covariance' not in name]


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        'python -m projects.benchmarks onnx',
        description='Time decoders inside ONNX graphs',
    )
    parser.add_argument('config', help='a config file with a DARKCodec')
    parser.add_argument(
        'checkpoint', nargs='?', help='weights (default: random ones)'
    )
    parser.add_argument('--out', type=Path, help='a json file')
    parser.add_argument(
        '--decoders',
        nargs='+',
        choices=NAMES,
        metavar='NAME',
        default=NAMES,
        help=f'out of {NAMES} (default: all)',
    )
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', default=[1, 8], metavar='B'
    )
    parser.add_argument(
        '--turns', type=int, default=15, help='2 at least (default: 15)'
    )
    parser.add_argument(
        '--threads', type=int, default=1, help='of onnxruntime (default: 1)'
    )
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    for name, least in (('turns', 2), ('threads', 1)):
        if getattr(args, name) < least:
            parser.error(f'--{name} must be {least} at least')
    if min(args.batch_sizes) < 1:
        parser.error('--batch-sizes must be positive')
    return args


def join(
    network: onnx.ModelProto, decoder: onnx.ModelProto
) -> onnx.ModelProto:
    """One graph, from the network's input to the decoder's outputs."""
    renamed = onnx.compose.add_prefix(
        decoder, 'decoder/', rename_inputs=False, rename_outputs=False
    )
    return onnx.compose.merge_models(
        network, renamed, io_map=[('heatmaps', 'heatmaps')]
    )


def measure(
    graphs: dict[str, onnx.ModelProto],
    inputs: dict,
    threads: int,
    turns: int,
) -> dict[str, Timing]:
    """Time graphs side by side; each takes those of the inputs it knows."""
    calls = {}
    for name, graph in graphs.items():
        session = session_of(graph, threads)
        given = {node.name: inputs[node.name] for node in graph.graph.input}
        calls[name] = lambda s=session, g=given: s.run(None, g)
    return time_in_turns(calls, turns)


def print_table(batch: int, timings: dict[str, Timing]) -> None:
    """Medians and quartiles in milliseconds, and shares of the network."""
    network = timings[NETWORK].median
    header = [f'batch {batch}', 'one graph, ms', 'decoder alone, ms', 'share']
    rows = [[NETWORK, str(timings[NETWORK]), '', '']]
    for name in timings:
        if f'{name}, {ALONE}' not in timings:
            continue
        alone = timings[f'{name}, {ALONE}']
        share = f'{100 * alone.median / network:.2f} %'
        rows.append([name, str(timings[name]), str(alone), share])
    print('\n' + markdown(header, rows))


def main(argv: Sequence[str]) -> None:
    """Export, measure, and print a table for each batch size."""
    args = parse_args(argv)
    cfg = read_config(args.config, args.cfg_options)
    settings = codec_settings(cfg, None)
    module, _ = build_estimator(cfg, args.checkpoint, flip=False, uint8=False)
    print('exporting the network ...', flush=True)
    network = subgraph(export_onnx(module), ['image'], ['heatmaps'])
    graphs = {NETWORK: network}
    for name in args.decoders:
        print(f'exporting {name} ...', flush=True)
        codec = build_codec(dict(settings, decoder=DECODERS[name][0]))
        decoder = export_onnx(ExportedDecoder(codec))
        graphs[name] = join(network, decoder)
        graphs[f'{name}, {ALONE}'] = decoder
    machine = dict(
        describe_machine(),
        onnxruntime=onnxruntime.__version__,
        onnxruntime_threads=args.threads,
    )
    print('\n' + ', '.join(f'{key} {machine[key]}' for key in machine))
    results = {}
    for batch in args.batch_sizes:
        image = module.example(batch).numpy()
        (heatmaps,) = session_of(network).run(None, dict(image=image))
        inputs = dict(image=image, heatmaps=heatmaps)
        timings = measure(graphs, inputs, args.threads, args.turns)
        print_table(batch, timings)
        results[batch] = {name: timings[name]._asdict() for name in timings}
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        found = dict(machine=machine, config=args.config, seconds=results)
        args.out.write_text(json.dumps(found, indent=1))
