"""``python -m dark_codec``, with what is there and with what is not."""

import importlib.metadata
import os
import subprocess
import sys

import pytest
import torch

import dark_codec
from dark_codec import kernels


def report(folder, *, blocked=(), **env):
    """Exit code and lines by name, of a process without some packages."""
    code = (
        'import runpy, sys\n'
        f'sys.modules.update(dict.fromkeys({blocked!r}))\n'
        "runpy.run_module('dark_codec', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=folder,
        env={**os.environ, kernels.VARIABLE: 'auto', **env},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    found = {line[:14].strip(): line[14:] for line in lines}
    return done.returncode, found, done.stdout


def test_this_environment_is_right(tmp_path):
    code, found, text = report(tmp_path)
    assert code == 0, text
    assert found['dark_codec'].startswith(f'{dark_codec.__version__} in /')
    assert found['torch'].startswith(torch.__version__)
    assert found['mmpose'] == importlib.metadata.version('mmpose')
    assert found['on cpu'] == 'numba decodes'


def test_without_numba_pytorch_decodes(tmp_path):
    code, found, text = report(tmp_path, blocked=('numba',))
    assert code == 0, text
    assert found['on cpu'].startswith('PyTorch decodes, numba would be faster')


@pytest.mark.parametrize('choice', ['triton', 'nubma'])
def test_a_forced_kernel_that_cannot_decode_here(choice, tmp_path):
    code, found, text = report(tmp_path, **{kernels.VARIABLE: choice})
    assert code == 1
    assert found['on cpu'] == 'nothing decodes'
    assert f'problem: {kernels.VARIABLE}' in text and choice in text


def test_another_mmpose_is_a_problem(tmp_path):
    dist = tmp_path / 'mmpose-0.29.0.dist-info'
    dist.mkdir()
    (dist / 'METADATA').write_text('Name: mmpose\nVersion: 0.29.0\n')
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    code, _, text = report(tmp_path, blocked=('mmpose',), PYTHONPATH=path)
    assert code == 1
    assert 'this is 0.29.0' in text and 'mmpose==1.3.2' in text
