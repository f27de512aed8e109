"""``python -m dark_codec``, with what is there and with what is not."""

import os
import subprocess
import sys

import mmpose
import pytest
import torch

import dark_codec
from dark_codec import kernels
from dark_codec.cli.environment import describe_environment


@pytest.fixture(autouse=True)
def choose_kernels(monkeypatch):
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    return monkeypatch


def by_name():
    lines, problems = describe_environment()
    return {line[:14].strip(): line[14:] for line in lines}, problems


def test_this_environment_is_right():
    found, problems = by_name()
    assert problems == []
    assert found['MMPose'] == mmpose.__version__
    assert found['torch'].startswith(torch.__version__)
    assert found['dark_codec'].startswith(f'{dark_codec.__version__} in /')
    assert found['on cpu'] == 'numba decodes'


def test_what_is_not_installed_decodes_nothing(monkeypatch):
    missing = ImportError('No module named numba')
    monkeypatch.setattr(kernels, 'load', lambda name: missing)
    found, problems = by_name()
    assert found['on cpu'].startswith('PyTorch decodes, numba would be faster')
    assert problems == []


def test_another_mmpose_is_a_problem(monkeypatch):
    monkeypatch.setattr(mmpose, '__version__', '0.29.0')
    _, (problem,) = by_name()
    assert 'this is 0.29.0' in problem and 'mmpose==1.3.2' in problem


@pytest.mark.parametrize('choice', ['triton', 'nubma'])
def test_a_forced_kernel_that_cannot_be(choice, monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, choice)
    found, problems = by_name()
    assert found['on cpu'] == 'nothing decodes'
    assert all(choice in problem for problem in problems) and problems


@pytest.mark.parametrize('choice, code', [('auto', 0), ('nubma', 1)])
def test_the_command(choice, code, tmp_path):
    command = [sys.executable, '-m', 'dark_codec']
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, kernels.VARIABLE: choice},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith('dark_codec ')
    assert ('problem: ' in done.stdout) is bool(code)
