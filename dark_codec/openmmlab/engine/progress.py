"""Progress of long work: a bar in a terminal, lines in a log.

Written to the standard error stream, so that results can be piped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from datetime import timedelta
from types import TracebackType
from typing import TextIO, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as _Bars

LINE_EVERY = 10.0  # seconds between two lines of a log

T = TypeVar('T')


class Progress:
    """Context that shows how much of some work is done.

    In a terminal, a bar with the remaining time; elsewhere, as in a file or a
    CI's log, at most a line every :data:`LINE_EVERY` seconds, and none for
    work that takes less.

    Args:
        description (str): What is done, such as ``'Decoding'``.
        total (int, optional): Steps of the whole work. Unknown if None.
        stream (TextIO, optional): Where it is shown. Defaults to
            ``sys.stderr`` as it is then.

    Examples:
        >>> import io
        >>> log = io.StringIO()
        >>> with Progress('Decoding', 4, log) as progress:
        ...     for done in range(1, 5):
        ...         progress.update(done)
        >>> log.getvalue()  # it took less than 10 s
        ''
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        stream: TextIO | None = None,
    ) -> None:
        stream = sys.stderr if stream is None else stream
        self.description = description
        self.total = total
        self.done = 0
        # needs a terminal that can move its cursor
        console = Console(file=stream)
        self._shown: _Bar | _Lines = (
            _Bar(description, total, console)
            if console.is_terminal and not console.is_dumb_terminal
            else _Lines(description, stream)
        )

    def update(
        self, done: int, note: str = '', total: int | None = None
    ) -> None:
        """Show how much is done.

        Args:
            done (int): Steps done so far.
            note (str): Further information, such as a loss.
            total (int, optional): Steps of the whole work, if that has
                become known.
        """
        self.done = done
        self.total = self.total if total is None else total
        self._shown.update(done, self.total, note)

    def advance(self) -> None:
        """Say that one more step is done."""
        self.update(self.done + 1)

    def __enter__(self) -> Progress:
        self._shown.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._shown.stop()


def track(
    items: Iterable[T],
    description: str,
    total: int | None = None,
    stream: TextIO | None = None,
) -> Iterator[T]:
    """Yield the items one by one, and show how many are done.

    Args:
        items (Iterable): What the work goes through.
        description (str): As of :class:`Progress`.
        total (int, optional): Defaults to the number of items, if they know.
        stream (TextIO, optional): As of :class:`Progress`.

    Yields:
        The items.

    Examples:
        >>> [2 * number for number in track([1, 2], 'Doubling')]
        [2, 4]
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(description, total, stream) as progress:
        for done, item in enumerate(items, 1):
            yield item
            progress.update(done)


class _Bar:
    """A bar of rich, redrawn in its place."""

    def __init__(
        self, description: str, total: int | None, console: Console
    ) -> None:
        self._bars = _Bars(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn('{task.fields[note]}', markup=False),
            console=console,
            # print above the bar, but leave a redirected stdout alone
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bars.add_task(description, total=total, note='')

    def start(self) -> None:
        self._bars.start()

    def update(self, done: int, total: int | None, note: str) -> None:
        self._bars.update(self._task, completed=done, total=total, note=note)

    def stop(self) -> None:
        self._bars.stop()


class _Lines:
    """Lines in a log, at intervals."""

    def __init__(self, description: str, stream: TextIO) -> None:
        self.description = description
        self._stream = stream

    def start(self) -> None:
        self._began = self._last = time.monotonic()
        self._first: int | None = None

    def update(self, done: int, total: int | None, note: str) -> None:
        now = time.monotonic()
        if self._first is None:
            # steps done by an earlier run do not count for the rate
            self._first, self._began = done, now
        if now - self._last < LINE_EVERY:
            return
        self._last = now
        parts = [f'{done} done'] if done else []
        if total:
            parts = [f'{done} of {total} ({done / total:.0%})']
            fresh = done - self._first
            if fresh > 0:
                left = (now - self._began) * (total - done) / fresh
                parts.append(f'{timedelta(seconds=round(left))} left')
        parts += [note] if note else []
        print(
            f'{self.description}: {", ".join(parts)}',
            file=self._stream,
            flush=True,
        )

    def stop(self) -> None:
        """Do nothing: the tool prints its result."""
