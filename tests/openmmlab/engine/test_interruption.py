"""Runs that are interrupted: nothing is left of them.

``python tests/interruptions.py 50`` does with many what is done with a few
here.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_run import save_weights, write_config, write_data

from dark_codec.openmmlab.engine import interruption

ROOT = Path(__file__).parents[3]
START = f"""
import os, signal, sys, time
sys.path.insert(0, {str(Path(interruption.__file__).parent)!r})
import interruption
interruption.GRACE = 1.0
"""


def start(code, **options):
    """A process that imports nothing that it does not need."""
    return subprocess.Popen(
        [sys.executable, '-c', START + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def outcome(code, number=None, **options):
    """Exit code and output; the signal is sent when it says "ready"."""
    process = start(code, **options)
    if number is not None:
        assert process.stdout.readline() == 'ready\n'
        process.send_signal(number)
    # returns when nobody holds the pipes any more
    output, errors = process.communicate(timeout=30)
    return process.returncode, output, errors


SLEEP = """
with interruption.interruptible('message'):
    try:
        print('ready', flush=True)
        time.sleep(60)
    finally:
        print('saved')
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_both_signals_run_what_is_to_be_saved(number):
    assert outcome(SLEEP, number) == (128 + number, 'saved\n', '\nmessage\n')


DEAF = """
with interruption.interruptible():
    while True:
        try:
            print('ready', flush=True)
            time.sleep(60)
        except BaseException:
            pass
"""
# In C, where handlers of Python's do not run; glibc goes on after a signal
BLOCKED = """
import ctypes
libc = ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(64)
libc.pthread_mutex_lock(mutex)
with interruption.interruptible():
    print('ready', flush=True)
    libc.pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize('code', [DEAF, BLOCKED])
def test_a_deaf_process_ends_all_the_same(code):
    assert outcome(code, signal.SIGTERM)[0] == 143


def test_an_interruption_that_comes_out_as_another_error():
    code = """
with interruption.interruptible():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        raise SyntaxError('as of a config')
"""
    exit_code, _, errors = outcome(code)
    assert exit_code == 130 and 'Traceback' not in errors


def test_other_errors_and_a_good_end_are_left_alone():
    code = """
before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
with interruption.interruptible():
    pass
assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
with interruption.interruptible():
    raise ValueError('mine')
"""
    exit_code, _, errors = outcome(code)
    assert exit_code == 1 and errors.endswith('ValueError: mine\n')


def test_a_signal_that_is_ignored_stays_so():
    code = """
with interruption.interruptible():
    signal.raise_signal(signal.SIGINT)
print('done')
"""
    ignore = {
        'preexec_fn': lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    }
    assert outcome(code, **ignore)[:2] == (0, 'done\n')


# A batch is more than a pipe holds, and is not read.
WORKERS = """
import torch
from torch.utils.data import DataLoader
class Data:
    def __len__(self):
        return 100
    def __getitem__(self, index):
        return 'x' * 1_000_000
def stay():
    batches = iter(DataLoader(Data(), 4, num_workers=2))
    next(batches)
    print('ready', flush=True)
    while True:
        time.sleep(1)
"""
GUARDED = """
with interruption.interruptible():
    stay()
"""


@pytest.mark.parametrize(
    ('number', 'whom'),
    [
        (signal.SIGINT, 'group'),
        (signal.SIGTERM, 'first'),
        (signal.SIGKILL, 'first'),
    ],
)
def test_workers_that_nobody_reads(number, whom):
    process = start(WORKERS + GUARDED)
    assert process.stdout.readline() == 'ready\n'
    time.sleep(0.5)  # until the pipe is full
    began = time.monotonic()
    (os.killpg if whom == 'group' else os.kill)(process.pid, number)
    process.communicate(timeout=10)
    assert time.monotonic() - began < 10
    killed = number == signal.SIGKILL
    assert process.returncode == (-number if killed else 128 + number)


def test_workers_that_are_started_after_the_interruption_was_caught():
    """torch's handler, set with them, raises as they are killed."""
    code = """
with interruption.interruptible():
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        pass
    batches = iter(DataLoader(Data(), 4, num_workers=2))
    next(batches)
"""
    exit_code, _, errors = outcome(WORKERS + code)
    assert exit_code == 130 and 'Traceback' not in errors


def test_without_the_guard_they_stay():
    """The known case: else the test above could not fail."""
    process = start(WORKERS + 'stay()')
    try:
        assert process.stdout.readline() == 'ready\n'
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=8)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_few_tools_at_random_moments():
    done = subprocess.run(
        [sys.executable, ROOT / 'tests/interruptions.py', '4', '--load=0'],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith('4 of 4 as they should\n')


def test_the_demo_writes_what_it_has(tmp_path):
    data = write_data(tmp_path / 'data', num_images=400)
    config = write_config(tmp_path / 'tiny.py', data)
    save_weights(config, tmp_path / 'network.pth')
    command = [
        '-m',
        'projects.topdown_demo',
        data / 'images',
        '--pose',
        config,
        tmp_path / 'network.pth',
        '--out',
        tmp_path / 'out',
    ]
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    drawn = tmp_path / 'out/visualizations'
    while not list(drawn.glob('*.jpg')):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    process.terminate()
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 143, output
    assert output.endswith('topdown_demo: interrupted\n')
    found = json.loads((tmp_path / 'out/predictions.json').read_text())
    assert 1 <= len(found['images']) < 400
    assert len(found['annotations']) == len(found['images'])
