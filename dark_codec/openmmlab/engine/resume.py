"""Choice of a checkpoint to resume from, where MMEngine's fails."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from .reading import read_checkpoint


def find_other_checkpoint(
    work_dir: str | Path,
    out_dir: str | Path | None = None,
    templates: Sequence[str] = ('epoch_{}.pth', 'iter_{}.pth'),
) -> str | None:
    """Find a checkpoint to resume from if ``last_checkpoint`` is invalid.

    MMEngine resumes from the checkpoint that the file ``last_checkpoint``
    names, and a killed run can leave that file empty, or naming a checkpoint
    that is gone or incomplete. The next choice is the newest checkpoint of
    the run that can be read.

    Args:
        work_dir: The work dir of the run.
        out_dir: Folder of its checkpoints, if not the work dir.
        templates: Their names, "{}" being the number of the epoch or
            iteration.

    Returns:
        The checkpoint, or None if MMEngine's choice can stand: it can be
        read, it is on a remote storage, or there is no checkpoint at all and
        the training starts from the beginning.

    Raises:
        ValueError: There are checkpoints, but none that can be read.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    skipped = []
    named = pointer.read_text().strip() if pointer.is_file() else None
    if named:
        if '://' in named or os.path.isdir(named):
            return None
        reason = _why_unusable(named)
        if reason is None:
            return None
        skipped.append(f'{named}, which last_checkpoint names: {reason}')
    elif named is not None:
        skipped.append(f'{pointer}: it is empty')
    others = [
        path
        for folder in dict.fromkeys([work_dir, out_dir or work_dir])
        for path in _checkpoints(Path(folder), templates)
        if named is None or not _same(path, named)
    ]
    chosen = None
    for path in sorted(others, key=_age):
        reason = _why_unusable(path)
        if reason is None:
            chosen = str(path)
            break
        skipped.append(f'{path}: {reason}')
    if chosen is None and (named or others):
        raise ValueError(
            f'no checkpoint in {work_dir} can be resumed from. '
            + '; '.join(skipped)
        )
    for line in skipped:
        _warn(f'Skipped for resuming: {line}')
    if chosen is None:
        _warn(
            f'There is no checkpoint in {work_dir} to resume from: the '
            'training starts from the beginning'
        )
    else:
        _warn(f'Resuming from {chosen}, the newest that can be read')
    return chosen


def _checkpoints(folder: Path, templates: Sequence[str]) -> list[Path]:
    """Return the checkpoints to resume from, not best or published ones."""
    names = [re.escape(t).replace(r'\{\}', r'\d+') for t in templates]
    if not folder.is_dir():
        return []
    return [
        path
        for path in folder.iterdir()
        if path.is_file() and re.fullmatch('|'.join(names), path.name)
    ]


def _age(path: Path) -> tuple[int, int]:
    """Sort key: the newest first, by number if times are equal."""
    number = int(re.findall(r'\d+', path.stem)[-1])
    return -path.stat().st_mtime_ns, -number


def _same(path: Path, other: str) -> bool:
    return os.path.exists(other) and os.path.samefile(path, other)


def _why_unusable(path: str | Path) -> str | None:
    """Read a checkpoint as the runner will; return the error, or None."""
    try:
        checkpoint = read_checkpoint(path)
    except ValueError as error:
        return str(error)
    missing = {'meta', 'message_hub', 'state_dict'} - set(checkpoint)
    if missing:
        return f'it lacks {", ".join(sorted(missing))}'
    return None


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
