"""One symlink per key for which nginx may serve hits without asking the app."""

from collections.abc import Iterable
from pathlib import Path

from coverproxy.domain.api_key import Key
from coverproxy.storage import atomic, ownership

_TARGET = "../live"


class KeyLinks:
    """The folder of key links. Methods block on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: Key, now: float) -> None:
        """Create or remove the link: it exists exactly if the key is active *now* and not bound to sites."""
        ownership.make_folder(self._folder)
        if key.is_open(now):
            atomic.link(_TARGET, self._folder / key.name)
        else:
            (self._folder / key.name).unlink(missing_ok=True)

    def count(self) -> int:
        """Return the number of links."""
        return sum(1 for _ in self._folder.iterdir()) if self._folder.is_dir() else 0

    def repair(self, keys: Iterable[Key], now: float) -> int:
        """Make all links match *keys* as they are *now*; return how many were wrong."""
        ownership.make_folder(self._folder)
        wanted = {key.name for key in keys if key.is_open(now)}
        present = {path.name for path in self._folder.iterdir()}
        for name in present - wanted:
            (self._folder / name).unlink(missing_ok=True)
        for name in wanted - present:
            atomic.link(_TARGET, self._folder / name)
        return len(present ^ wanted)
