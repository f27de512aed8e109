"""Progress: bars in terminals, one line in logs, none of other processes."""

import io
import re
import sys

import pytest

from dark_codec.openmmlab.engine import progress
from dark_codec.openmmlab.engine.progress import Progress, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    for name in ('FORCE_COLOR', 'TTY_COMPATIBLE', 'TTY_INTERACTIVE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('TERM', 'xterm')


def test_a_log_gets_one_line(capsys):
    assert [2 * number for number in track(range(240), 'Decoding')][-1] == 478
    output = capsys.readouterr()
    assert output.out == '' and '\x1b' not in output.err
    (line,) = output.err.splitlines()
    assert line.startswith('Decoding ') and '240/240' in line
    assert '━' not in line


def test_a_terminal_gets_a_bar():
    terminal = Terminal()
    with Progress('Training', 4, terminal) as shown:
        shown.update(3, 'loss [0.1]')
        assert shown.done == 3
        shown.update(4, total=8)
    text = re.sub(r'\x1b\[[\d;?]*[A-Za-z]', '', terminal.getvalue())
    assert '4/8' in text and '━' in text


def test_a_bar_elsewhere_leaves_redirected_streams_alone(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, 'stderr', log)
    terminal = Terminal()
    with Progress('Training', 4, terminal):
        print('a warning', file=sys.stderr)
    assert log.getvalue() == 'a warning\n'
    assert 'a warning' not in terminal.getvalue()


def test_a_note_and_an_unknown_length():
    log = io.StringIO()
    with Progress('Reading', stream=log) as shown:
        shown.advance()
        shown.update(shown.done, 'file [3]')
    assert '1/?' in log.getvalue() and 'file [3]' in log.getvalue()


def test_other_ranks_are_silent(capsys, monkeypatch):
    monkeypatch.setattr(progress, 'is_main_process', lambda: False)
    assert list(track([1, 2], 'Decoding')) == [1, 2]
    assert capsys.readouterr().err == ''


def test_nothing_is_swallowed():
    """Items come as they are, and errors go on."""
    items = [object(), None, 0]
    assert list(track(items, 'Passing')) == items
    with pytest.raises(ZeroDivisionError):
        for item in track([1, 0], 'Dividing'):
            1 / item
