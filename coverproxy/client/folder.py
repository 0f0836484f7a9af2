"""The folder that covers are fetched into: a file per book, and beside them what is known of each."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from coverproxy.storage import atomic

OWN = ".coverproxy-fetch"
"""The folder of ours within it: the journal, and files that are not whole yet."""


class InUse(OSError):
    """Another process is fetching into this folder."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a file: whose cover it is, its length, and what to ask with whether it is still right.

    `of`: where it comes from, and in which size and format. `checked`: when the server last said that it is
    right, seconds since 1970. `etag`, `modified`: the headers as they came; empty where there were none.
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

    Files appear whole or not at all, and a file's line in the journal after it: a process killed in between
    leaves a cover that is fetched once more, which costs no quota. A line torn by it is passed over.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temporary = root / OWN / "tmp"
        self._journal = root / OWN / "journal.jsonl"
        self._entries: dict[str, Entry] = {}

    @contextmanager
    def opened(self) -> Iterator["Folder"]:
        """Make and lock the folder, sweep what killed processes left. Raises InUse, OSError."""
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

    def find(self, isbn: str, of: str) -> Entry | None:
        """Return what is known of a book's file, if it lies here with all its bytes and is *of* that."""
        entry = self._entries.get(isbn)
        if entry is None or entry.of != of:
            return None
        try:
            is_whole = (self._root / entry.file).stat().st_size == entry.bytes
        except FileNotFoundError:
            return None
        return entry if is_whole else None

    def store(self, entry: Entry, body: bytes, mtime: int | None) -> None:
        """Write a cover, in place of an older one of the same book. Raises OSError."""
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

    def note(self, entry: Entry) -> None:
        """Remember what is known of a file."""
        self._entries[entry.isbn] = entry
        with self._journal.open("ab", buffering=0) as file:
            file.write(_line(entry))

    def _read(self) -> None:
        """Read the journal, and write it anew where lines of it are outdated or torn."""
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


def _line(entry: Entry) -> bytes:
    return orjson.dumps(asdict(entry), option=orjson.OPT_APPEND_NEWLINE)


def _entry(line: bytes) -> Entry | None:
    try:
        entry = Entry(**orjson.loads(line))
        is_ours = Path(entry.file).name == entry.file and entry.checked >= 0 and entry.bytes >= 0
    except (orjson.JSONDecodeError, TypeError):
        return None
    return entry if is_ours else None  # never a path that leads elsewhere
