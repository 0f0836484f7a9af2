"""One symlink per key that a web server may serve hits for without asking."""

from collections.abc import Iterable
from pathlib import Path

from coverproxy.domain.api_key import Key
from coverproxy.storage import atomic, ownership

_TARGET = "../live"


class KeyLinks:
    """The folder of key links. Blocks on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: Key, now: float) -> None:
        """Make the link stand exactly if the key is active *now* and bound to no site."""
        ownership.make_folder(self._folder)
        if key.is_open(now):
            atomic.link(_TARGET, self._folder / key.name)
        else:
            (self._folder / key.name).unlink(missing_ok=True)

    def count(self) -> int:
        """Return how many links there are."""
        return sum(1 for _ in self._folder.iterdir()) if self._folder.is_dir() else 0

    def repair(self, keys: Iterable[Key], now: float) -> int:
        """Bring all links in line with *keys* as they are *now*; return how many were wrong."""
        ownership.make_folder(self._folder)
        wanted = {key.name for key in keys if key.is_open(now)}
        present = {path.name for path in self._folder.iterdir()}
        for name in present - wanted:
            (self._folder / name).unlink(missing_ok=True)
        for name in wanted - present:
            atomic.link(_TARGET, self._folder / name)
        return len(present ^ wanted)
