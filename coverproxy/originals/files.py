"""Originals: where each is stored on disk and in the object store, and how it gets there."""

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from coverproxy.domain import schemes
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.objects.base import Objects
from coverproxy.storage import atomic, bounded_read, ownership

ORIGINALS, REMOVED = "originals", "removed"
"""The object store's folders: of originals, and of those that no item had when they were swept aside."""

Mode = Literal["copy", "link", "reference"]


MOST_BYTES = 1 << 30
"""More than any limit of the config for an original."""


class OriginalFiles:
    """The originals' folder, and the object store behind it if there is one. Blocks on both.

    In the object store a key is the digest of the bytes, so that writing one again changes nothing. An
    original is there before its row is in the catalogue; the folder then holds copies of what this node used.
    """

    def __init__(self, root: Path, objects: Objects | None = None) -> None:
        self.objects = objects
        self._root = root
        self._temporary = root / "tmp"

    def open(self) -> None:
        """Make the folder, and sweep files of dead writers."""
        ownership.make_folder(self._temporary)
        atomic.sweep(self._temporary)

    def sync(self) -> None:
        """Have all originals that were placed reach the disk. Raises OSError."""
        atomic.sync_all(self._root)

    def incoming(self) -> Path:
        """Return a name for an incoming file, on the originals' own file system."""
        return atomic.temporary(self._temporary)

    def path(self, original: Original) -> Path:
        """Return the path of an original's file."""
        return Path(self._path_name(original))

    def _path_name(self, original: Original) -> str:
        """The same as text, for what each new cover does."""
        if original.path is not None:
            return original.path
        # A thousand folders, not ten thousand as for derivatives: a first import spends most time creating
        # them.
        name = f"{_stem(original.identifier)}-{original.digest.hex()[:16]}.{original.loader.ending}"
        return f"{self._root}/{''.join(schemes.shard(original.identifier))[1:]}/{name}"

    def read(self, original: Original, max_bytes: int) -> bytes:
        """Read an original, at most one byte more than *max_bytes*. Raises OSError."""
        if original.begins is not None:
            return _part(original, max_bytes)
        try:
            return bounded_read.read(self._path_name(original), max_bytes + 1)[0]
        except FileNotFoundError:
            if self.objects is None or original.path is not None:
                raise
        return self._brought(self.objects, original)

    def _brought(self, objects: Objects, original: Original) -> bytes:
        """Bring an original here from the object store. Raises FileNotFoundError if it is not there."""
        key = object_key(original)
        found = (objects.get(each, MOST_BYTES) for each in _places(original))
        body = next((each for each in found if each is not None), None)
        if body is None:
            raise FileNotFoundError(errno.ENOENT, "the object store has no such original", key)
        if hashlib.sha256(body).digest()[:DIGEST_BYTES] != original.digest:
            raise OSError(errno.EIO, "the object store has other bytes under this digest", key)
        with suppress(OSError):  # usable even if the disk is full
            self._copy(original, body)
        return body

    def _copy(self, original: Original, body: bytes) -> None:
        beside = atomic.temporary(self._temporary)
        try:
            atomic.write(beside, body, mtime=original.date)
            atomic.move(beside, self.path(original))
        finally:
            beside.unlink(missing_ok=True)

    def can_tell(self, original: Original) -> bool:
        """Return whether a missing file means that it was deleted, not that its disk is not mounted."""
        is_remote = self.objects is not None and original.path is None
        return is_remote or self.path(original).parent.is_dir()

    def place(self, original: Original, body: bytes, found: Path, mode: Mode) -> None:
        """Bring the file *found* (with the bytes *body*; b"": read them) to the original's place.

        Raises OSError; StoreUnavailable if the object store cannot take it. A hard link across file systems
        fails with EXDEV; it never falls back to a copy.
        """
        if mode == "reference":
            return
        if self.objects is not None:
            self.objects.put(object_key(original), body or found.read_bytes())
        beside = atomic.temporary(self._temporary)
        try:
            if mode == "link":
                os.link(found.resolve(), beside)  # *found* may be a symlink
            else:
                atomic.write(beside, body, mtime=original.date)
            atomic.move(beside, self.path(original))
        finally:
            beside.unlink(missing_ok=True)  # gone after a move; a link moved onto itself would stay

    def has(self, original: Original) -> bool:
        """Return whether an original's file is in place and complete, here or in the object store."""
        try:
            size = self.path(original).stat().st_size
            if original.begins is not None:
                return size >= original.begins + original.bytes
            if size == original.bytes:
                return True
        except OSError:
            pass
        return self._is_remote(original)

    def _is_remote(self, original: Original) -> bool:
        if self.objects is None or original.path is not None:
            return False
        with suppress(StoreUnavailable):
            return any(map(self.objects.has, _places(original)))
        return False

    def probe(self) -> None:
        """Write a file and remove it. Raises OSError if no original can be stored."""
        written = atomic.temporary(self._temporary)
        try:
            atomic.write(written, b"")
        finally:
            written.unlink(missing_ok=True)

    def is_used(self) -> bool:
        """Return whether the folder contains any original. Stops at the first."""
        folders = (Path(folder) for folder, _, names in os.walk(self._root) if names)
        return any(folder != self._temporary for folder in folders)

    def discard(self, original: Original) -> None:
        """Remove an original's file here, unless it is referenced: those belong to the operator.

        What the object store has stays: another item, or a node that takes in the same bytes at this
        moment, may need it. See forget().
        """
        if original.path is None:
            self.path(original).unlink(missing_ok=True)

    def forget(self, original: Original) -> None:
        """Remove it everywhere: no item may keep these bytes. Raises StoreUnavailable."""
        self.discard(original)
        if self.objects is not None and original.path is None:
            self.objects.delete([object_key(original), removed_key(original)])


def object_key(original: Original) -> str:
    """Return the key of an original in the object store."""
    return key_of(original.digest, original.loader.ending)


def removed_key(original: Original) -> str:
    """Return the key of an original that was swept aside: see service/sweep_originals.py."""
    return object_key(original).replace(ORIGINALS, REMOVED, 1)


def _places(original: Original) -> tuple[str, str, str]:
    """Return the keys to look for it by, in turn: a sweep may bring it back between the first two."""
    return object_key(original), removed_key(original), object_key(original)


def key_of(digest: bytes, ending: str) -> str:
    """Return the key of bytes with this digest."""
    text = digest.hex()
    return f"{ORIGINALS}/{text[:2]}/{text}.{ending}"


def _part(original: Original, max_bytes: int) -> bytes:
    """Read an original that is part of an archive.

    Raises FileNotFoundError if other bytes are there now: the archive was replaced.
    """
    with Path(original.path or "").open("rb") as file:
        file.seek(original.begins or 0)
        body = file.read(min(original.bytes, max_bytes + 1))
    if len(body) <= max_bytes and hashlib.sha256(body).digest()[:DIGEST_BYTES] != original.digest:
        raise FileNotFoundError(errno.ENOENT, "the archive has other bytes there now", original.path)
    return body


def _stem(identifier: Identifier) -> str:
    """Name an item's files: an ISBN by its digits, others with their scheme, so that names stay unique."""
    stem = schemes.stems(identifier)[0]
    return stem if identifier.scheme == ISBN else f"{identifier.scheme}={stem}"
