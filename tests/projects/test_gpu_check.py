"""The check of a GPU: its steps on a CPU, and what it says without a GPU."""

import subprocess
from pathlib import Path

import pytest
import torch
from tiny_run import environment

SCRIPT = Path(__file__).parents[2] / 'projects/gpu_check/run.sh'


def run(*arguments, cwd):
    return subprocess.run(
        ['bash', SCRIPT, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_report_on_a_cpu(tmp_path):
    result = run('--cpu', tmp_path / 'out', cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    report = (tmp_path / 'out/report.md').read_text()
    assert report in result.stdout
    for step in ('tests', 'decoding', 'test-loop', 'training'):
        assert f'## {step}: passed in ' in report
    assert ' passed' in report.split('## decoding')[0]
    assert '| MSRAHeatmap, unbiased |' in report
    assert '| decoding |' in report.split('## test-loop')[1]
    assert 'Epoch(train)' in report.split('## training')[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_without_a_gpu_one_sentence(tmp_path):
    result = run(tmp_path / 'out', cwd=tmp_path)
    assert result.returncode == 2
    assert not result.stdout and not (tmp_path / 'out').exists()
    assert result.stderr.count('\n') == 1
    assert 'torch finds no GPU' in result.stderr
