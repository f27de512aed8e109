"""tools/setup_env.sh and tools/run_tests.sh, run as a user runs them."""

import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAMP = '.dark_codec_env'
OFFLINE = dict(
    PIP_CONFIG_FILE=os.devnull,
    PIP_INDEX_URL='http://127.0.0.1:9/simple',
    PIP_EXTRA_INDEX_URL='',
    PIP_FIND_LINKS='',
    PIP_RETRIES='0',
)
needs_setup = pytest.mark.skipif(
    not Path(sys.prefix, STAMP).exists(),
    reason='runs in an environment that tools/setup_env.sh made',
)


def run(script, *arguments, cwd=None, **variables):
    environment = {**os.environ, **variables}
    if 'PYTHON' not in variables:
        environment.pop('PYTHON', None)
    return subprocess.run(
        ['bash', str(script), *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def setup_env(venv_folder, **variables):
    return run(ROOT / 'tools/setup_env.sh', VENV=str(venv_folder), **variables)


def program(path, text):
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('#!/bin/sh\n' + text + '\n')
    path.chmod(0o755)
    return path


def assert_refused(result, *words):
    assert result.returncode == 1
    for word in words:
        assert word in result.stderr
    assert '\x1b' not in result.stderr  # no colours
    assert 'Traceback' not in result.stderr


@pytest.mark.parametrize(
    'python, words',
    [
        ('echo 3.9', ['is Python 3.9', '3.10, 3.11 or 3.12']),
        ('echo 3.13', ['is Python 3.13', '3.10, 3.11 or 3.12']),
        ('exit 1', ['does not run as a Python']),
        (
            f'case $2 in *ensurepip*) exit 1;; esac; exec {sys.executable} '
            '"$@"',
            ['venv is missing', 'apt install python3-venv'],
        ),
    ],
)
def test_named_python_that_will_not_do(tmp_path, python, words):
    python = program(tmp_path / 'python', python)
    result = setup_env(tmp_path / 'env', PYTHON=str(python))
    assert_refused(result, str(python), *words)
    assert not (tmp_path / 'env').exists()


def test_python_is_looked_for(tmp_path):
    """3.11 lies on the path and does not run; 3.10 is taken."""
    path = f'{tmp_path}/bin:{os.environ["PATH"]}'
    program(tmp_path / 'bin/python3.11', 'exit 127')
    python = program(tmp_path / 'bin/python3.10', 'echo 3.10; [ "$1" = -c ]')
    result = setup_env(tmp_path / 'env', PATH=path)
    assert f'Making {tmp_path}/env with Python 3.10' in result.stdout
    assert_refused(result, f'could not make {tmp_path}/env')
    for name in (python.name, 'python3.12'):
        program(tmp_path / 'bin' / name, 'exit 127')
    program(tmp_path / 'bin/python3', 'echo 3.8')
    result = setup_env(tmp_path / 'env', PATH=path)
    assert_refused(result, 'no Python 3.10, 3.11 or 3.12', 'is Python 3.8')


def test_disk_full(tmp_path):
    df = 'echo header; echo disk 99999999 98999999 1048577 99% /'
    program(tmp_path / 'bin/df', df)
    path = f'{tmp_path}/bin:{os.environ["PATH"]}'
    result = setup_env(tmp_path / 'new/env', PATH=path, PYTHON=sys.executable)
    assert_refused(result, f'{tmp_path} has 1 GB of free', '9 GB are needed')
    assert not (tmp_path / 'new').exists()


def test_folders_that_are_no_environment(tmp_path):
    (tmp_path / 'thesis.tex').touch()
    result = setup_env(tmp_path, PYTHON=sys.executable)
    assert_refused(result, str(tmp_path), 'holds other things')
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'bin/python').symlink_to('/no/such/python')
    result = setup_env(tmp_path)
    assert_refused(result, 'bin/python does not run', f'Remove {tmp_path}')


def test_environment_of_another_python(tmp_path):
    program(tmp_path / 'env/bin/python', 'echo 3.11')
    python = program(tmp_path / 'python', 'echo 3.10')
    result = setup_env(tmp_path / 'env', PYTHON=str(python))
    assert_refused(result, 'holds Python 3.11', str(python))
    program(tmp_path / 'env/bin/python', 'echo 3.9')
    assert_refused(setup_env(tmp_path / 'env'), 'env/bin/python is Python 3.9')


@pytest.mark.parametrize('name', ['mmcv', 'opencv-python-headless'])
def test_keeps_what_it_would_damage(tmp_path, name):
    venv.create(tmp_path, symlinks=True)
    folder = name.replace('-', '_') + '-2.1.0.dist-info'
    info = next(tmp_path.glob('lib/*/site-packages')) / folder
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {name}\nVersion: 2.1.0\n'
    )
    result = setup_env(tmp_path)
    assert_refused(result, f'holds {name};', 'pip install -e .')


@pytest.mark.parametrize(
    'script, words',
    [
        ('setup_env.sh', ['VENV', 'PYTHON']),
        ('run_tests.sh', ['ARGUMENTS OF PYTEST', '-k border']),
        ('quickstart.sh', ['--fresh', '--work-dir']),
    ],
)
def test_help_does_nothing_else(tmp_path, script, words):
    none = tmp_path / 'none'
    result = run(ROOT / 'tools' / script, '--help', VENV=str(none))
    assert result.returncode == 0, result.stderr
    assert 'sage: ' in result.stdout
    for word in words:
        assert word in result.stdout
    assert not none.exists()


def test_unknown_argument():
    result = run(ROOT / 'tools/setup_env.sh', '--fast')
    assert result.returncode == 2
    assert 'Usage' in result.stderr


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy of what an installation needs, to be changed at will."""
    target = tmp_path_factory.mktemp('a checkout')
    for name in ('requirements', 'dark_codec', 'tools'):
        shutil.copytree(
            ROOT / name,
            target / name,
            ignore=shutil.ignore_patterns('__pycache__'),
        )
    for name in ('setup.cfg', 'setup.py', 'pyproject.toml', 'LICENSE'):
        shutil.copy(ROOT / name, target)
    (target / 'README.md').write_text('A copy for the tests.\n')
    return target


@pytest.fixture(scope='module')
def environment(checkout):
    """An environment that sees the packages of this one: no downloads."""
    folder = checkout / '.venv'
    venv.create(folder, symlinks=True)
    ours = next(Path(sys.prefix).glob('lib/*/site-packages'))
    theirs = next(folder.glob('lib/*/site-packages'))
    (theirs / 'ours.pth').write_text(f'{ours}\n')
    return folder


@needs_setup
def test_interrupted_then_complete_then_at_once(checkout, environment):
    script = checkout / 'tools/setup_env.sh'
    variables = {**os.environ, **OFFLINE}
    variables.pop('VENV', None)
    variables.pop('PYTHON', None)
    first = subprocess.Popen(
        ['bash', str(script)],
        env=variables,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in first.stdout:
        if line.startswith('Installing'):
            break
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    assert not (environment / STAMP).exists()

    second = run(script, cwd='/', VENV=str(environment), **OFFLINE)
    assert second.returncode == 0, second.stdout + second.stderr
    assert f'Keeping torch {version("torch")}' in second.stdout
    assert 'Ready' in second.stdout
    # pip speaks in its log
    assert len(second.stdout.splitlines()) == 4 and not second.stderr
    log = (environment / 'setup_env.log').read_text()
    assert 'Successfully installed' in log
    found = subprocess.run(
        [environment / 'bin/python', '-c', FIND_PACKAGE],
        capture_output=True,
        text=True,
        cwd='/',
    )
    assert found.stdout.strip() == str(checkout / 'dark_codec/__init__.py')

    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        third = run(script, cwd='/', VENV=str(environment), **OFFLINE)
        seconds.append(time.perf_counter() - start)
        assert 'nothing has changed' in third.stdout
    assert min(seconds) < 0.5


FIND_PACKAGE = """
import importlib.util
print(importlib.util.find_spec('dark_codec').origin)
"""


@needs_setup
def test_run_tests_stops_at_bad_style(checkout, environment):
    """Style comes first; its failure is that of the whole run."""
    ugly = checkout / 'ugly.py'
    ugly.write_text('"""Too  wide."""\n\nx = 1;y = 2\n')
    result = run(
        checkout / 'tools/run_tests.sh', cwd='/', VENV=str(environment)
    )
    ugly.unlink()
    assert result.returncode != 0
    assert 'ugly.py' in result.stdout
    assert 'passed' not in result.stdout


def test_changed_requirement_and_no_network(checkout, environment):
    """Says what is wrong, and leaves no stamp."""
    path = checkout / 'requirements/build.txt'
    text = path.read_text()
    path.write_text(text + 'no-such-package==1.0\n')
    result = run(
        checkout / 'tools/setup_env.sh', VENV=str(environment), **OFFLINE
    )
    path.write_text(text)
    assert_refused(result, 'cannot reach the package index', 'PIP_INDEX_URL')
    assert not (environment / STAMP).exists()
