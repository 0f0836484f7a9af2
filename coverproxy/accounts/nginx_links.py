"""One symlink per key for which nginx may serve hits without asking the app."""

from collections.abc import Iterable
from pathlib import Path

from coverproxy.domain.api_key import Key, is_name
from coverproxy.storage import atomic, ownership

_ALL = "../live"
_NAMED = "../named"
"""The folder of the sizes that keys with named_sizes_only get: nginx finds no rung of the ladder there."""


class KeyLinks:
    """The folder of key links. Methods block on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, key: Key, now: float) -> None:
        """Create, change or remove the link: a key that is active *now* and not bound to sites has one."""
        ownership.make_folder(self._folder)
        if key.is_open(now):
            atomic.link(_target(key), self._folder / key.name)
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
        wanted = {key.name: _target(key) for key in keys if key.is_open(now)}
        # What a living process is about to rename is not wrong: `key create` failed where it was taken away.
        there = (path for path in self._folder.iterdir() if not atomic.is_being_made(path))
        present = {path.name: _led_to(path) for path in there}
        wrong = {name for name in {*wanted, *present} if wanted.get(name) != present.get(name)}
        for name in wrong - wanted.keys():
            (self._folder / name).unlink(missing_ok=True)
        for name in wrong & wanted.keys():
            atomic.link(wanted[name], self._folder / name)
        return len(wrong)


def _target(key: Key) -> str:
    return _NAMED if key.named_sizes_only else _ALL


def _led_to(path: Path) -> str:
    """Return where a link leads; "" if another process has just taken it away, or it is no link."""
    try:
        return str(path.readlink())
    except OSError:
        return ""
