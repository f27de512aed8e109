"""Redirect what MMEngine and COCO print to a file, and read it there."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # takes seconds to import
    from dark_codec.openmmlab.engine.progress import Progress

_TRAINED = re.compile(
    r'Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*\bloss: ([\d.]+)'
)
_TESTED = re.compile(r'Epoch\(test\)\s+\[\s*(\d+)/(\d+)\]')
_RENDERED = re.compile(r'^Rendering figures: .*')
_TAIL = 15  # lines that tell why something failed

Listener = Callable[[str], None]


class Chatter(io.TextIOBase):
    """A text file that is appended to, each line of which is heard.

    Args:
        path (Path): The file.
        hear (Callable): Called with each line, without its end.
    """

    def __init__(self, path: Path, hear: Listener) -> None:
        self._file = open(path, 'a', encoding='utf-8', buffering=1)
        self._hear = hear
        self._line = ''

    def write(self, text: str) -> int:
        """Write, and tell of the lines that have ended."""
        self._file.write(text)
        *lines, self._line = (self._line + text).split('\n')
        for line in lines:
            self._hear(line)
        return len(text)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


@contextmanager
def chatter_to(
    path: Path, hear: Listener = lambda line: None
) -> Iterator[None]:
    """Send what this process prints to a file."""
    with Chatter(path, hear) as file:
        with redirect_stdout(file), redirect_stderr(file):
            yield


def hear_training(progress: Progress, epochs: int) -> Listener:
    """A listener that shows a training's epochs, or what precedes them."""

    def hear(line: str) -> None:
        if found := _TRAINED.search(line):
            epoch, step, steps = (int(part) for part in found.groups()[:3])
            note = f'epoch {epoch} of {epochs}, loss {float(found[4]):.4f}'
            done = (epoch - 1) * steps + step
            progress.update(done, note, total=epochs * steps)
        elif found := _RENDERED.search(line):
            progress.update(progress.done, found[0])

    return hear


def hear_test(progress: Progress) -> Listener:
    """A listener that shows the batches of a test."""

    def hear(line: str) -> None:
        if found := _TESTED.search(line):
            progress.update(int(found[1]), total=int(found[2]))

    return hear


def tail(path: Path) -> str:
    """The last lines of a file."""
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    return '\n'.join(lines[-_TAIL:])
