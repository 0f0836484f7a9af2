"""Which derivatives of this node are not in the object store yet: on disk, so that a crash loses none."""

import os
from contextlib import suppress
from pathlib import Path

from coverproxy.storage import atomic, ownership

MOST_KEPT = 20_000
"""Beyond these, what waits is not kept: their files' bytes stay on disk even when the cache evicts them."""

_SLASH = "~"
"""In place of the slashes of a key, which has no such character."""


class Unwritten:
    """A folder with a hard link to each derivative that waits, named by its process and its key.

    Every method is safe between threads and processes. Without hard links, nothing is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = 0

    def note(self, key: str, path: Path) -> bool:
        """Keep that the file at *path* waits to be written; return whether it is kept."""
        if self._kept >= MOST_KEPT:
            return False
        try:
            self._link(path, self._name(key))
        except FileExistsError:
            return True
        except OSError:
            return False
        self._kept += 1
        return True

    def _link(self, path: Path, name: Path) -> None:
        try:
            os.link(path, name)
        except FileNotFoundError:
            ownership.make_folder(self._folder)
            os.link(path, name)

    def forget(self, key: str) -> None:
        """Record that a derivative is written, or cannot be."""
        with suppress(OSError):
            self._name(key).unlink()
            self._kept -= 1

    def left(self) -> list[tuple[str, Path]]:
        """Return the keys and files that this process or a dead one left here; now they are ours."""
        found = []
        with suppress(OSError):
            for path in list(self._folder.iterdir()):
                owner = atomic.maker(path)
                if owner is not None and (owner == os.getpid() or not atomic.lives(owner)):
                    key = path.name.partition("-")[2].replace(_SLASH, "/")
                    with suppress(OSError):
                        found.append((key, path.rename(self._name(key))))
        self._kept = len(found)
        return found

    def _name(self, key: str) -> Path:
        return self._folder / f"{os.getpid()}-{key.replace('/', _SLASH)}"
