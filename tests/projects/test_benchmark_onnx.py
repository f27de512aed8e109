"""projects/benchmarks/benchmark_onnx.py on a small network."""

import json
import sys

import numpy as np
import pytest
from tiny_run import write_config

from dark_codec.deployment import session_of


@pytest.fixture
def benchmark_onnx(monkeypatch):
    from projects.benchmarks import benchmark_onnx

    return benchmark_onnx


def test_it_times_what_it_says(benchmark_onnx, tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path / 'tiny.py', tmp_path)
    out = tmp_path / 'new' / 'found.json'
    arguments = [config, '--decoders', 'Argmax', '--turns=2', f'--out={out}']
    arguments += ['--batch-sizes', '2']
    monkeypatch.setattr(
        sys, 'argv', ['benchmark_onnx.py', *map(str, arguments)]
    )
    joined = {}
    measure = benchmark_onnx.measure

    def look(graphs, inputs, threads, turns):
        joined.update(graphs=graphs, inputs=inputs)
        return measure(graphs, inputs, threads, turns)

    monkeypatch.setattr(benchmark_onnx, 'measure', look)
    benchmark_onnx.main()
    (rows,) = json.loads(out.read_text())['seconds'].values()
    assert list(rows) == ['network', 'Argmax', 'Argmax, alone']
    for timing in rows.values():
        assert 0 < timing['low'] <= timing['median'] <= timing['high']
    printed = capsys.readouterr().out
    assert '| batch 2 |' in printed and '| Argmax |' in printed
    # the graph that was timed ends where network and decoder end together
    image = dict(image=joined['inputs']['image'])
    session = session_of(joined['graphs']['Argmax'])
    keypoints, scores = session.run(['keypoints', 'scores'], image)
    (heatmaps,) = session_of(joined['graphs']['network']).run(None, image)
    assert keypoints.shape == (2, 17, 2)
    np.testing.assert_allclose(scores, heatmaps.max((2, 3)).clip(0), 1e-5)
