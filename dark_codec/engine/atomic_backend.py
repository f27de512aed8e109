"""Local files that are there as a whole or not at all."""

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

_UNFINISHED = '.unfinished'


class AtomicLocalBackend(LocalBackend):
    """MMEngine's local files, but a process killed while it writes does no
    harm.

    What is written goes to a file beside the one that is meant, named
    ``*.unfinished``, and takes its place when it is on the disk.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes.

        Args:
            obj: What to write.
            filepath: Where to; its folder is made if need be.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + _UNFINISHED)
        try:
            with open(unfinished, 'wb') as file:
                file.write(obj)
                file.flush()
                # else a power failure may leave the new name with no content
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
            obj: What to write.
            filepath: Where to; its folder is made if need be.
            encoding: Of the text.
        """
        self.put(obj.encode(encoding), filepath)


register_backend('atomic_local', AtomicLocalBackend)


def remove_unfinished(folder: str | Path) -> list[Path]:
    """Remove what killed processes left in a folder; return the paths."""
    leftovers = sorted(Path(folder).glob(f'*{_UNFINISHED}'))
    for path in leftovers:
        path.unlink(missing_ok=True)
    return leftovers
