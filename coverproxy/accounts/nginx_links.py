"""One symlink per key for which nginx may serve hits without asking the app."""

from collections.abc import Iterable
from pathlib import Path

from coverproxy.domain.api_key import Key, is_name
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

    def lost(self) -> str:
        """Return that keys are gone of which links are left, and what to do; "" if there are no links.

        A revoked key stays in the store, so a store without any key is not the one that made the links.
        """
        links = [path.name for path in self._folder.glob("*") if is_name(path.name)]
        if not links:
            return ""
        are = "link of a key is" if len(links) == 1 else "links of keys are"
        return (
            f"the keys are lost, but {len(links)} {are} left in {self._folder}: restore state.db from a"
            " backup (coverproxy restore FOLDER); nginx serves finished covers by these links meanwhile. To"
            " begin anew, delete them"
        )

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
