"""Progress: bars in terminals, few lines in logs."""

import io
import re

import pytest

from dark_codec.openmmlab.engine import progress
from dark_codec.openmmlab.engine.progress import LINE_EVERY, Progress, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when the test says so."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])

    def pass_(seconds):
        now[0] += seconds

    return pass_


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    for name in ('FORCE_COLOR', 'TTY_COMPATIBLE', 'TTY_INTERACTIVE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TERM', 'xterm')


def test_a_log_gets_a_line_every_ten_seconds(clock):
    log = io.StringIO()
    for _ in track(range(240), 'Decoding', stream=log):
        clock(0.5)
    lines = log.getvalue().splitlines()
    assert len(lines) == 240 * 0.5 // LINE_EVERY
    # 20 done, of which the pace is known of 19.5 s
    assert lines[0] == 'Decoding: 20 of 240 (8%), 0:01:50 left'
    assert lines[-1] == 'Decoding: 240 of 240 (100%), 0:00:00 left'


def test_short_work_says_nothing_in_a_log(clock):
    log = io.StringIO()
    for _ in track(range(9), 'Decoding', stream=log):
        clock(1)
    assert log.getvalue() == ''


def test_what_was_done_before_is_no_pace(clock):
    """A resumed training has 900 of 1000 steps when it begins."""
    log = io.StringIO()
    with Progress('Training', stream=log) as shown:
        shown.update(900, total=1000)
        clock(20)
        shown.update(920, 'loss 0.1', total=1000)
    line = log.getvalue().strip()
    assert line == 'Training: 920 of 1000 (92%), 0:01:20 left, loss 0.1'


def test_unknown_length(clock):
    log = io.StringIO()
    for _ in track(iter(range(3)), 'Reading', stream=log):
        clock(LINE_EVERY)
    assert log.getvalue().splitlines()[-1] == 'Reading: 3 done'


def test_a_terminal_gets_a_bar():
    terminal = Terminal()
    with Progress('Training', 4, terminal) as shown:
        shown.update(3, 'loss [0.1]')
    text = re.sub(r'\x1b\[[\d;?]*[A-Za-z]', '', terminal.getvalue())
    assert '3/4' in text and '━' in text and 'loss [0.1]' in text


def test_a_dumb_terminal_is_a_log(monkeypatch, clock):
    monkeypatch.setenv('TERM', 'dumb')
    terminal = Terminal()
    for _ in track(range(2), 'Decoding', stream=terminal):
        clock(LINE_EVERY)
    assert '\x1b' not in terminal.getvalue()
    assert terminal.getvalue().count('Decoding: ') == 2


def test_nothing_is_swallowed():
    """Items come as they are, and errors go on."""
    items = [object(), None, 0]
    assert list(track(items, 'Passing')) == items
    with pytest.raises(ZeroDivisionError):
        for item in track([1, 0], 'Dividing', stream=Terminal()):
            1 / item
