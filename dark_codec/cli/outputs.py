"""Check before a run that its output can be written."""

import os

from .errors import UserError


def check_output(option: str, path: str, suffixes: tuple[str, ...]) -> None:
    """Check that `path` can be written when the run is over."""
    if not path.endswith(suffixes):
        raise UserError(
            f'{option} {path}: the name must end in ' + ', '.join(suffixes)
        )
    check_folder(option, path, os.path.dirname(path))
    writable = not os.path.exists(path) or os.access(path, os.W_OK)
    if os.path.isdir(path) or not writable:
        raise UserError(f'{option} {path}: cannot be written')


def check_folder(option: str, path: str, folder: str | None = None) -> None:
    """Make a folder, and check that it is writable.

    Args:
        option: The option that names it.
        path: The path as the user has written it.
        folder: The folder, if it is not `path` itself.
    """
    folder = os.path.abspath(path if folder is None else folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f'{option} {path}: {error}') from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f'{option} {path}: cannot be written')
