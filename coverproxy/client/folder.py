"""The download folder: a file per book, and a journal of what is known about each."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from coverproxy.storage import atomic

OWN = ".coverproxy-fetch"
"""Our subfolder: the journal, and incomplete files."""


class InUse(OSError):
    """Another process is downloading into this folder."""


@dataclass(frozen=True, slots=True)
class FolderEntry:
    """What is known of a file: its book, its length, and the validators for a conditional request.

    `of`: server, size and format. `checked`: when the server last confirmed it, seconds since 1970. `etag`,
    `modified`: the headers as received; empty if there were none.
    """

    isbn: str
    file: str
    bytes: int
    of: str
    checked: float
    etag: str = ""
    modified: str = ""


class Folder:
    """The folder. Blocks on the disk.

    Files appear complete or not at all, and a file's line in the journal after it: if a process is killed in
    between, the cover is fetched once more, which costs no quota. A truncated line is skipped.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / OWN / "tmp"
        self._journal = root / OWN / "journal.jsonl"
        self._entries: dict[str, FolderEntry] = {}

    @contextmanager
    def opened(self) -> Iterator["Folder"]:
        """Make and lock the folder, sweep leftovers of killed processes. Raises InUse, OSError."""
        self._temporary.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._root / OWN / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUse(None, "another fetch is filling this folder", str(self._root)) from None
            atomic.sweep(self._temporary)
            self._read()
            yield self
        finally:
            os.close(handle)  # and with it the lock

    def find(self, isbn: str, of: str) -> FolderEntry | None:
        """Return the entry of a book's file, if the file is complete and matches *of*."""
        entry = self._entries.get(isbn)
        if entry is None or entry.of != of:
            return None
        try:
            is_whole = (self._root / entry.file).stat().st_size == entry.bytes
        except FileNotFoundError:
            return None
        return entry if is_whole else None

    def store(self, entry: FolderEntry, body: bytes, mtime: int | None) -> None:
        """Write a cover, replacing an older one of the same book. Raises OSError."""
        beside = atomic.temporary(self._temporary)
        try:
            atomic.write(beside, body, mtime=mtime)
            atomic.move(beside, self._root / entry.file)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        old = self._entries.get(entry.isbn)
        self.note(entry)
        if old and old.file != entry.file:  # it was in another format
            (self._root / old.file).unlink(missing_ok=True)

    def note(self, entry: FolderEntry) -> None:
        """Record an entry."""
        self._entries[entry.isbn] = entry
        with self._journal.open("ab", buffering=0) as file:
            file.write(_line(entry))

    def _read(self) -> None:
        """Read the journal, and rewrite it if lines are outdated or truncated."""
        try:
            lines = self._journal.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            if entry := _entry(line):
                self._entries[entry.isbn] = entry
        if len(lines) != len(self._entries):
            beside = atomic.temporary(self._temporary)
            atomic.write(beside, b"".join(map(_line, self._entries.values())))
            atomic.move(beside, self._journal)


def _line(entry: FolderEntry) -> bytes:
    return orjson.dumps(asdict(entry), option=orjson.OPT_APPEND_NEWLINE)


def _entry(line: bytes) -> FolderEntry | None:
    try:
        entry = FolderEntry(**orjson.loads(line))
        is_ours = Path(entry.file).name == entry.file and entry.checked >= 0 and entry.bytes >= 0
    except (orjson.JSONDecodeError, TypeError):
        return None
    return entry if is_ours else None  # never a path that leads elsewhere
