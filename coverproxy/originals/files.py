"""Originals on disk: where each is stored, and how it gets there."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Literal

from coverproxy.domain import schemes
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.storage import atomic, bounded_read, ownership

Mode = Literal["copy", "link", "reference"]


class OriginalFiles:
    """The originals' folder. Blocks on the disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / "tmp"

    def open(self) -> None:
        """Make the folder, and sweep files of dead writers."""
        ownership.make_folder(self._temporary)
        atomic.sweep(self._temporary)

    def incoming(self) -> Path:
        """Return a name for an incoming file, on the originals' own file system."""
        return atomic.temporary(self._temporary)

    def path(self, original: Original) -> Path:
        """Return the path of an original's file."""
        if original.path is not None:
            return Path(original.path)
        # A thousand folders, not ten thousand as for derivatives: a first import spends most time creating
        # them.
        name = f"{_stem(original.identifier)}-{original.digest.hex()[:16]}.{original.loader.ending}"
        return self._root / "".join(schemes.shard(original.identifier))[1:] / name

    def read(self, original: Original, max_bytes: int) -> bytes:
        """Read an original, at most one byte more than *max_bytes*. Raises OSError."""
        if original.begins is not None:
            return _part(original, max_bytes)
        return bounded_read.read(self.path(original), max_bytes + 1)[0]

    def place(self, original: Original, body: bytes, found: Path, mode: Mode) -> None:
        """Bring the file *found* (with the bytes *body*) to the original's place. Raises OSError.

        A hard link across file systems fails with EXDEV; it never falls back to a copy.
        """
        if mode == "reference":
            return
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
        """Return whether an original's file is in place and complete."""
        try:
            size = self.path(original).stat().st_size
            if original.begins is not None:
                return size >= original.begins + original.bytes
            return size == original.bytes
        except OSError:
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
        """Remove an original's file, unless it is referenced: those belong to the operator."""
        if original.path is None:
            self.path(original).unlink(missing_ok=True)


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
