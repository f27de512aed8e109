"""Measure what a decoder inside an ONNX graph costs, beside its network.

Times in onnxruntime, on one thread of the CPU, the network alone, the network
and each decoder in one graph, and each decoder alone: it costs less than the
network's times scatter. They take turns in random order. The weights are
random, which makes no difference to the time.
"""

from __future__ import annotations

import argparse

import onnx
import onnxruntime

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import read_config
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
from dark_codec.openmmlab.engine.progress import track
from projects.benchmarks.methods import DECODERS
from projects.benchmarks.timing import Timing, time_in_turns

NETWORK = 'network'
# by name; covariances are no output of graphs
EXPORTED = {
    name: decoder
    for name, (decoder, _) in DECODERS.items()
    if 'covariance' not in decoder
}


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


def print_table(batch: int, timings: dict[str, Timing]) -> None:
    """Medians and quartiles in milliseconds, and shares of the network."""
    network = timings[NETWORK]
    header = [f'batch {batch}', 'one graph, ms', 'decoder alone, ms', 'share']
    rows = [[NETWORK, str(network), '', '']]
    for name in EXPORTED:
        alone = timings[f'{name}, alone']
        share = f'{alone.median / network.median:.2%}'.replace('%', ' %')
        rows.append([name, str(timings[name]), str(alone), share])
    print('\n' + markdown(header, rows))


def run(args: argparse.Namespace) -> dict:
    """Export, measure, and print a table for each batch size."""
    cfg = read_config(args.config, args.cfg_options)
    settings = codec_settings(cfg, None)
    module, _ = build_estimator(cfg, None, flip=False, uint8=False)
    network = subgraph(export_onnx(module), ['image'], ['heatmaps'])
    sessions = {NETWORK: session_of(network, threads=1)}
    for name, decoder in track(EXPORTED.items(), 'Exporting', len(EXPORTED)):
        codec = build_codec(dict(settings, decoder=decoder))
        graph = export_onnx(ExportedDecoder(codec))
        sessions[name] = session_of(join(network, graph), threads=1)
        sessions[f'{name}, alone'] = session_of(graph, threads=1)
    machine = dict(
        describe_machine(),
        onnxruntime=onnxruntime.__version__,
        onnxruntime_threads='1',
    )
    print('\n' + ', '.join(f'{key} {machine[key]}' for key in machine))
    results = {}
    for batch in args.batch_sizes:
        image = module.example(batch).numpy()
        (heatmaps,) = sessions[NETWORK].run(None, dict(image=image))
        inputs = dict(image=image, heatmaps=heatmaps)
        calls = {}
        for name, session in sessions.items():
            given = {x.name: inputs[x.name] for x in session.get_inputs()}
            calls[name] = lambda s=session, g=given: s.run(None, g)
        timings = time_in_turns(calls, args.turns)
        print_table(batch, timings)
        results[batch] = {name: timings[name]._asdict() for name in timings}
    return dict(machine=machine, config=args.config, seconds=results)
