"""The folder of a quickstart: who may use it, and what may be deleted."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MARK = 'quickstart.json'
TRAINING = 'training'
LOG = 'log.txt'
OUTPUTS = (
    LOG,
    'table.md',
    'table.json',
    'predictions.png',
    'modulation.png',
    'quantisation.png',
    'curve.png',
    'report.md',
)
# what MMEngine writes when it trains or tests
_OF_TRAINING = re.compile(
    r'\d{8}_\d{6}|epoch_\d+\.pth|last_checkpoint|td-hm_\S+\.py'
)


class Refused(Exception):
    """The folder cannot be used; the message says why and what would do."""


class WorkDir:
    """A folder that one quickstart has for itself.

    Args:
        path (Path): The folder; made if it does not exist.
        settings (dict): What the training depends on. A folder that was
            begun with others is refused.
        fresh (bool): Delete what an earlier quickstart has made there.

    Raises:
        Refused: If the folder holds anything else, is in use, or was begun
            with other settings.
    """

    def __init__(self, path: Path, settings: dict, fresh: bool) -> None:
        self.path = path
        self.training = path / TRAINING
        self.log = path / LOG
        strangers = sorted(_strangers(path))
        if strangers:
            more = ' and more' if len(strangers) > 3 else ''
            raise Refused(
                f'{path} holds what no quickstart has made: '
                f'{", ".join(strangers[:3])}{more}. Name another folder: '
                '--work-dir FOLDER'
            )
        path.mkdir(parents=True, exist_ok=True)
        self._lock()
        if fresh:
            self._clear()
        self._begin(settings)

    @property
    def sessions(self) -> list[dict]:
        """Return the durations of the trainings so far, oldest first."""
        return self._read()['sessions']

    def add_session(self, session: dict) -> None:
        """Write down what a training took."""
        record = self._read()
        self._write(dict(record, sessions=[*record['sessions'], session]))

    def _lock(self) -> None:
        self._mark = open(self.path / MARK, 'a+')
        try:
            fcntl.flock(self._mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused(
                f'another quickstart is at work in {self.path}. Wait for it, '
                'or name another folder: --work-dir FOLDER'
            ) from error

    def _clear(self) -> None:
        """Delete all but the mark, which is locked."""
        for name in OUTPUTS:
            (self.path / name).unlink(missing_ok=True)
        if self.training.exists():
            shutil.rmtree(self.training)
        self._mark.truncate(0)

    def _begin(self, settings: dict) -> None:
        self._mark.seek(0)
        if not self._mark.read():
            self._write(dict(settings=settings, sessions=[]))
        begun = self._read()['settings']
        differ = [
            f'{name}: {begun.get(name)} then, {settings.get(name)} now'
            for name in {**begun, **settings}
            if begun.get(name) != settings.get(name)
        ]
        if differ:
            raise Refused(
                f'the training in {self.path} was begun with other settings '
                f'({"; ".join(differ)}). Use those, or start again: --fresh'
            )

    def _read(self) -> dict[str, Any]:
        self._mark.seek(0)
        return json.load(self._mark)

    def _write(self, record: dict) -> None:
        self._mark.truncate(0)
        self._mark.write(json.dumps(record, indent=2) + '\n')
        self._mark.flush()


def _strangers(path: Path) -> Iterator[str]:
    """Return paths below `path` that no quickstart has made."""
    if not path.exists():
        return
    if not path.is_dir():
        raise Refused(f'{path} is no folder. Name one: --work-dir FOLDER')
    begun = (path / MARK).exists()
    for entry in path.iterdir():
        known = entry.name in (MARK, *OUTPUTS)
        if entry.name == TRAINING and entry.is_dir() and begun:
            for inner in entry.iterdir():
                if not _OF_TRAINING.fullmatch(inner.name):
                    yield f'{TRAINING}/{inner.name}'
        elif not (begun and known):
            yield entry.name
