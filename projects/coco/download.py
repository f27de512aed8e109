"""Fetch files: resumed where it was interrupted, and checked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from dark_codec.cli import UserError
from dark_codec.dumps.run import hash_checkpoint
from dark_codec.openmmlab.engine.progress import Progress, track

_BLOCK = 1 << 20
_LARGE = 32 << 20  # bytes: its progress is shown
_SECONDS = 60  # without an answer
_AT_A_TIME = 8  # small files
# OpenMMLab's names hold the first digits of the file's SHA-256
_HASH = re.compile(r'-([0-9a-f]{8})(_\d{8})?\.pth$')


def size_of(url: str) -> int:
    """Return the size of a file in bytes; 0 if the server does not say.

    Raises:
        UserError: If there is no such file, or no network.
    """
    with _open(Request(url, method='HEAD')) as answer:
        return int(answer.headers.get('Content-Length') or 0)


def check_room(folder: Path, needed: float) -> None:
    """Check that a disk has room.

    Args:
        folder (Path): On the disk; must exist.
        needed (float): Bytes.

    Raises:
        UserError: If it has not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f'{needed / 1e9:.1f} GB are needed in {folder}, and '
            f'{free / 1e9:.1f} are free; name folders on another disk with '
            '--data, --weights and --out'
        )


def fetch(url: str, path: Path) -> None:
    """Fetch a file unless it is there, and check it.

    Args:
        url (str): Its address. If its name has a checksum, as OpenMMLab's
            names of weights, the file must have it.
        path (Path): Where to; ``path.part`` until it is whole.

    Raises:
        UserError: If that fails. What has come is kept, unless it is wrong.
    """
    if not path.is_file():
        part = path.with_name(f'{path.name}.part')
        path.parent.mkdir(parents=True, exist_ok=True)
        _receive(url, part)
        _check(url, part)
        part.replace(path)
    else:
        _check(url, path)


def fetch_all(files: Iterable[tuple[str, Path]], description: str) -> None:
    """Fetch many small files, several at a time; see :func:`fetch`."""
    missing = [pair for pair in files if not pair[1].is_file()]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        jobs = pool.map(lambda pair: fetch(*pair), missing)
        for _ in track(jobs, description, len(missing)):
            pass


def _receive(url: str, part: Path) -> None:
    there = part.stat().st_size if part.exists() else 0
    if there and there == size_of(url):
        return  # whole, and not renamed
    headers = {'Range': f'bytes={there}-'} if there else {}
    with _open(Request(url, headers=headers)) as answer:
        resumed = answer.status == 206
        done = there if resumed else 0
        length = answer.headers.get('Content-Length')
        total = done + int(length) if length else 0
        shown = Progress(part.stem, total) if total > _LARGE else None
        try:
            with (
                shown or nullcontext(),
                part.open('ab' if resumed else 'wb') as file,
            ):
                while block := answer.read(_BLOCK):
                    done += file.write(block)
                    if shown is not None:
                        shown.update(done, total=total)
        except (OSError, HTTPException) as error:
            raise UserError(f'{url} to {part}: {error}; {_AGAIN}') from error
    if total and done != total:
        raise UserError(f'{url} ended after {done} of {total} bytes; {_AGAIN}')


_AGAIN = 'the same command continues from there'


def _open(request: Request):  # type: ignore[no-untyped-def]
    try:
        return urlopen(request, timeout=_SECONDS)
    except HTTPError as error:
        raise UserError(f'{request.full_url}: {error}') from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, 'reason', error)
        raise UserError(
            f'cannot reach {request.full_url}: {reason}; without a network, '
            'name folders that hold the files with --data and --weights'
        ) from error


def _check(url: str, path: Path) -> None:
    expected = _HASH.search(url)
    if expected is None:
        return
    found = hash_checkpoint(str(path))
    if not found.startswith(expected[1]):
        path.unlink()
        raise UserError(
            f'{path} has another SHA-256 than its name says '
            f'({found[:8]}): removed, start again to fetch it'
        )
