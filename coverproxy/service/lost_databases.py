"""What shows that a database was in use: a new one in its place would hide the loss, and answer wrongly.

With no keys all keys are refused, and with no catalogue every book is "missing", for hours in others' caches.
"""

import os
from pathlib import Path

from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.storage import sqlite_creation

_RESTORE = "restore it from a backup (coverproxy restore FOLDER)"


def state_lost(path: Path, links: KeyLinks) -> str:
    """Return why the database of keys may not be begun anew, or ""."""
    return links.lost() or _emptied(path)


def catalogue_lost(path: Path, images: Path) -> str:
    """Return why the catalogue may not be begun anew, or "": originals, or covers made of some, are there."""
    data = path.parent.absolute()
    originals = data / "originals"
    what = "it is empty" if sqlite_creation.is_emptied(path) else "it is gone"
    if holds_files(originals, but="tmp"):
        way = f"read them in again: coverproxy import --data {data} {originals}"
        return f"{what}, but originals exist: {_RESTORE}, or {way}"
    if holds_files(images):
        return f"{what}, but covers were made: {_RESTORE}; to begin anew, delete {path} and {images}"
    return _emptied(path)


def _emptied(path: Path) -> str:
    if not sqlite_creation.is_emptied(path):
        return ""
    return f"it is empty: {_RESTORE}; to begin anew, delete {path}"


def holds_files(root: Path, but: str = "") -> bool:
    """Return whether a folder has any file below it, except in its folder *but*. Stops at the first."""
    folders = (Path(folder) for folder, _, names in os.walk(root) if names)
    return any(folder != root / but for folder in folders) if but else any(True for _ in folders)
