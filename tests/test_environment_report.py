"""``python -m dark_codec``, with what is there and with what is not."""

import importlib.metadata
import os
import subprocess
import sys

import pytest
import torch

import dark_codec
from dark_codec import kernels
from dark_codec.__main__ import describe_environment


def by_name(lines):
    return {line[:14].strip(): line[14:] for line in lines}


def test_this_environment_is_right(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'dark_codec'],
        cwd=tmp_path,
        env={**os.environ, kernels.VARIABLE: 'auto'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    found = by_name(done.stdout.splitlines())
    assert found['dark_codec'].startswith(f'{dark_codec.__version__} in /')
    assert found['torch'].startswith(torch.__version__)
    assert found['mmpose'] == importlib.metadata.version('mmpose')
    assert found['on cpu'] == 'numba decodes'


def test_without_numba_pytorch_decodes(monkeypatch):
    missing = ImportError('no numba')
    monkeypatch.setattr(kernels, 'load', lambda name: missing)
    lines, problems = describe_environment()
    assert not problems
    assert by_name(lines)['on cpu'] == (
        'PyTorch decodes, numba would be faster (no numba)'
    )


@pytest.mark.parametrize('choice', ['triton', 'nubma'])
def test_a_forced_kernel_that_cannot_decode_here(choice, monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, choice)
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    lines, (problem,) = describe_environment()
    assert by_name(lines)['on cpu'] == 'nothing decodes'
    assert problem.startswith(kernels.VARIABLE) and choice in problem


def test_another_mmpose_is_a_problem(tmp_path, monkeypatch):
    dist = tmp_path / 'mmpose-0.29.0.dist-info'
    dist.mkdir()
    (dist / 'METADATA').write_text('Name: mmpose\nVersion: 0.29.0\n')
    monkeypatch.syspath_prepend(tmp_path)
    _, (problem,) = describe_environment()
    assert 'this is 0.29.0' in problem and 'mmpose==1.3.2' in problem
