"""Progress of long work by rich, on the standard error stream.

A bar in a terminal; one line in a log, when the work is done; nothing in the
other processes of a distributed run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TextIO, TypeVar

from mmengine.dist import is_main_process
from rich import progress
from rich.console import Console

T = TypeVar('T')


class Progress(progress.Progress):
    """A context that shows how much of one task is done.

    Args:
        description (str): What is done, such as ``'Decoding'``.
        total (int, optional): Steps of the whole work. Unknown if None.
        stream (TextIO, optional): Where it is shown. Defaults to
            ``sys.stderr`` as it is then.
    """

    def __init__(
        self,
        description: str,
        total: int | None = None,
        stream: TextIO | None = None,
    ) -> None:
        console = Console(file=sys.stderr if stream is None else stream)
        columns = super().get_default_columns()
        super().__init__(
            *(columns if console.is_terminal else columns[:1]),
            progress.MofNCompleteColumn(),
            progress.TextColumn('{task.fields[note]}', markup=False),
            console=console,
            # print above the bar, but leave redirected streams alone
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=stream is None,
            disable=not is_main_process(),
        )
        self._work = self.add_task(description, total=total, note='')

    @property
    def done(self) -> float:
        """Steps done so far."""
        return self.tasks[0].completed

    def update(  # type: ignore[override]
        self, done: float, note: str = '', total: int | None = None
    ) -> None:
        """Show the steps done so far, with a note such as a loss."""
        super().update(self._work, completed=done, note=note, total=total)

    def advance(self) -> None:  # type: ignore[override]
        """Say that one more step is done."""
        super().advance(self._work)


def track(
    items: Iterable[T], description: str, total: int | None = None
) -> Iterator[T]:
    """Yield the items one by one, and show how many are done.

    Args:
        items (Iterable): What the work goes through.
        description (str): As of :class:`Progress`.
        total (int, optional): Defaults to the number of items, if they know.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(description, total) as shown:
        for item in items:
            yield item
            shown.advance()
