"""Walks through all derivatives on disk, one small folder at a time, with little memory."""

import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from coverproxy.cache.budget import allocated
from coverproxy.cache.layout import Layout
from coverproxy.domain.formats import Format
from coverproxy.domain.identifier import ISBN

STEP_FILES = 256

_NAME = re.compile(
    rf"(?P<stem>[0-9A-Za-z_=-][0-9A-Za-z._=-]*)\.(?P<ending>{'|'.join(form.value for form in Format)})"
)
_ISBN13 = re.compile("978([0-9]{9})[0-9]")
_ISBN10 = re.compile("([0-9]{9})[0-9X]")


class Stopped(Exception):
    """A walk was stopped before its end."""


class WalkPace:
    """Paces a walk: after each small step, rests to leave the process to requests, and checks *stop*."""

    def __init__(self, stop: threading.Event, rest_seconds: float = 0.0) -> None:
        self._stop = stop
        self._rest = rest_seconds
        self._files = 0

    def step(self) -> None:
        """Count a file. Raises Stopped."""
        self._files += 1
        if self._files % STEP_FILES == 0 and self._stop.wait(self._rest):
            raise Stopped


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the small folders that contain derivatives. `is_live`: of the current revision.

    `format`: the file extension of its derivatives.
    """

    path: str
    size: str
    format: str
    revision: str
    scheme: str
    is_live: bool

    def drop_dead_links(self) -> None:
        """Remove other names of items without a derivative. Names that appear meanwhile lead to one."""
        for entry in _entries(self.path):
            if entry.is_symlink() and not Path(entry.path).exists():
                with suppress(OSError):
                    Path(entry.path).unlink()

    def clear(self) -> int:
        """Remove the folder if it is empty, and parents that become empty; return the bytes freed.

        A live revision's own folder stays: its link points there.
        """
        return _cleared(Path(self.path), 3 if self.is_live else 4)


@dataclass(frozen=True, slots=True)
class WalkedFile:
    """A derivative on disk.

    `other`: the name of its second spelling, if that is next to it. `is_lone`: it is itself a second spelling
    whose canonical file is gone.
    """

    path: str
    stat: os.stat_result
    shard: Shard
    form: Format
    other: str | None
    is_lone: bool

    def remove(self) -> int:
        """Remove it under both spellings; return the bytes freed, 0 if it is gone already.

        The canonical name goes first: where it exists, the others must. An open file stays readable.
        """
        try:
            Path(self.path).unlink()
        except FileNotFoundError:
            return 0
        if self.other:
            other = Path(self.path).with_name(self.other)
            with suppress(FileNotFoundError):
                # another inode: it was just made anew, and is not ours to remove
                if other.lstat().st_ino == self.stat.st_ino:
                    other.unlink()
        return allocated(self.stat)


def shards(layout: Layout) -> Iterator[Shard]:
    """Yield every shard folder, in random order: else the same would always be evicted first."""
    uppers = [
        (upper.path, size, form, revision.name, scheme.name)
        for revision, size, form in _revisions(layout)
        for scheme in _folders(revision.path)
        for upper in _folders(scheme.path)
    ]
    secrets.SystemRandom().shuffle(uppers)
    for upper_path, size, form, revision_name, scheme_name in uppers:
        is_live = layout.is_valid(size, form, revision_name)
        for entry in _folders(upper_path):
            yield Shard(entry.path, size, form, revision_name, scheme_name, is_live)


def _revisions(layout: Layout) -> Iterator[tuple[os.DirEntry[str], str, str]]:
    """Yield the folder of every revision on disk, with its size and format."""
    for size in _folders(str(layout.images)):
        for form in _folders(size.path):
            for revision in _folders(form.path):
                yield revision, size.name, form.name


def clear_old_revisions(layout: Layout) -> int:
    """Remove empty folders of old revisions; return the bytes freed."""
    freed = 0
    for revision, size, form in _revisions(layout):
        if not layout.is_live(size, form, revision.name):
            freed += _cleared(Path(revision.path), 1)
    return freed


def _cleared(folder: Path, levels: int) -> int:
    """Remove a folder and its parents, at most *levels*, while they are empty."""
    freed = 0
    with suppress(OSError):  # not empty, gone, or in use again
        for each in (folder, *folder.parents)[:levels]:
            used = allocated(each.lstat())
            each.rmdir()
            freed += used
    return freed


def derivatives(shard: Shard) -> Iterator[WalkedFile]:
    """Yield each derivative in a folder once, whatever its names.

    One that disappears meanwhile is skipped.
    """
    names = [(entry, found) for entry in _entries(shard.path) if (found := _NAME.fullmatch(entry.name))]
    books = names if shard.scheme == ISBN else []
    thirteens = {_core(_ISBN13, found): None for _, found in books}
    seconds = {core: entry.name for entry, found in books if (core := _core(_ISBN10, found))}
    for entry, found in names:
        ten = _core(_ISBN10, found) if books else ""
        if ten and ten in thirteens:
            continue
        if entry.is_symlink():  # an item's other name: it comes and goes with what it leads to
            continue
        with suppress(FileNotFoundError):
            stat = entry.stat(follow_symlinks=False)
            other = seconds.get(_core(_ISBN13, found)) if books and not ten else None
            yield WalkedFile(entry.path, stat, shard, Format(found["ending"]), other, is_lone=bool(ten))


def _core(pattern: re.Pattern[str], name: re.Match[str]) -> str:
    """Return what a book's two ISBNs share (nine digits), with the extension; "" for other names."""
    found = pattern.fullmatch(name["stem"])
    return f"{found[1]}.{name['ending']}" if found else ""


def beside_derivatives(layout: Layout) -> int:
    """Return the bytes of everything below the cache's folder that is neither a shard nor in one."""
    images = layout.images
    shelves = _taken(str(images), depth=5) if images.is_dir() else 0
    return shelves + _taken(str(layout.root), depth=8, without=str(images))


def _taken(folder: str, depth: int, without: str = "") -> int:
    """Add up a folder and its contents, down to *depth* levels."""
    total = allocated(os.lstat(folder))
    for entry in _entries(folder):
        if entry.path == without:
            continue
        with suppress(FileNotFoundError):
            if not entry.is_dir(follow_symlinks=False):
                total += allocated(entry.stat(follow_symlinks=False))
            elif depth:
                total += _taken(entry.path, depth - 1, without)
    return total


def _folders(path: str) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(path) if entry.is_dir(follow_symlinks=False))


def _entries(path: str) -> list[os.DirEntry[str]]:
    """List a folder; empty if it is gone."""
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
