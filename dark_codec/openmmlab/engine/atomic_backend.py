"""Atomic writing of local files."""

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

_UNFINISHED = '.unfinished'


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, written atomically.

    Content is written to a file beside the target, named ``*.unfinished``,
    which replaces the target when it is on the disk: a process that is killed
    while it writes leaves the target as it was.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes.

        Args:
            obj: The content.
            filepath: The target; its folder is made if need be.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + _UNFINISHED)
        try:
            with open(unfinished, 'wb') as file:
                file.write(obj)
                file.flush()
                # else a power failure may leave the new name without content
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text.

        Args:
            obj: The content.
            filepath: The target; its folder is made if need be.
            encoding: Encoding of the text.
        """
        self.put(obj.encode(encoding), filepath)


register_backend('atomic_local', AtomicLocalBackend)


def remove_unfinished(folder: str | Path) -> list[Path]:
    """Remove unfinished files from a folder, and return their paths."""
    leftovers = sorted(Path(folder).glob(f'*{_UNFINISHED}'))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers
