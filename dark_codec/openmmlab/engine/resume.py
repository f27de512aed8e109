"""Choice of a checkpoint to resume from, where MMEngine's fails."""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log

from .checkpoints import read_checkpoint


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
    named = pointer.read_text().strip() if pointer.is_file() else None
    if named and ('://' in named or os.path.isdir(named)):
        return None
    skipped = [f'{pointer}: it is empty'] if named == '' else []
    others = {
        path.resolve(): path
        for folder in (Path(work_dir), Path(out_dir or work_dir))
        for path in _checkpoints(folder, templates)
    }
    if named:
        others.pop(Path(named).resolve(), None)
    candidates: list = [named] if named else []
    candidates += sorted(others.values(), key=_age)
    for path in candidates:
        reason = _why_unusable(path)
        if reason is None and path is named:
            return None
        if reason is None:
            _warn(
                skipped, f'Resuming from {path}, the newest that can be read'
            )
            return str(path)
        which = ', which last_checkpoint names' if path is named else ''
        skipped.append(f'{path}{which}: {reason}')
    if named or others:
        raise ValueError(
            f'no checkpoint in {work_dir} can be resumed from. '
            + '; '.join(skipped)
        )
    _warn(
        skipped,
        f'There is no checkpoint in {work_dir} to resume from: the training '
        'starts from the beginning',
    )
    return None


def _checkpoints(folder: Path, templates: Sequence[str]) -> list[Path]:
    """Return the checkpoints to resume from, not best or published ones."""
    names = [re.escape(t).replace(r'\{\}', r'\d+') for t in templates]
    return [
        path
        for path in folder.glob('*')
        if path.is_file() and re.fullmatch('|'.join(names), path.name)
    ]


def _age(path: Path) -> tuple[int, int]:
    """Sort key: the newest first, by number if times are equal."""
    number = int(re.findall(r'\d+', path.stem)[-1])
    return -path.stat().st_mtime_ns, -number


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


def _warn(skipped: list[str], conclusion: str) -> None:
    lines = [f'Skipped for resuming: {reason}' for reason in skipped]
    for line in [*lines, conclusion]:
        print_log(line, logger='current', level=logging.WARNING)
