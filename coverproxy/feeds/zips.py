"""Zip files of covers: members named by ISBN, or with Koha's link files.

A name inside a zip is never used as a path: members are read in place, and nothing is unpacked to disk.
"""

import csv
import io
import lzma
import posixpath
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from coverproxy.domain import list_text
from coverproxy.feeds.record import FeedUnreadable

MAX_MEMBERS = 100_000
MAX_INFLATED = 20 * 2**30
MAX_RATIO = 100
"""Inflated ÷ stored bytes of one member. Pictures are already compressed: theirs is about 1."""

_KOHA_LISTS = ("idlink.txt", "datalink.txt")
_MAX_LIST_BYTES = 16 * 2**20
_END = struct.Struct("<4s4H2LH")
"""The end of central directory record (PKWARE's APPNOTE 4.3.16)."""
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
"""The same for zip64, and what says where it begins (4.3.15, 4.3.14)."""
_UTF_8 = 0x800
"""The flag of a member whose name is UTF-8 (4.4.4)."""
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, OSError,
    RuntimeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A readable file in a zip: its name as the sender wrote it, and its inflated size in bytes."""

    name: str
    length: int


@dataclass(frozen=True)
class RefusedMember:
    """A skipped member, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class KohaLink:
    """A line of Koha's list: a biblionumber and the picture's member; `line` counts within that list."""

    number: str
    name: str
    list_name: str
    line: int


class Zip:
    """A zip opened for reading. Raises FeedUnreadable if it is not a zip, or looks like a bomb."""

    def __init__(self, path: Path) -> None:
        self._check_count(path)
        try:
            self._file = zipfile.ZipFile(path)
        except _DAMAGES as exc:
            raise FeedUnreadable(f"it cannot be read as a zip: {exc}") from None
        self._infos = self._file.infolist()
        self._check(path.stat().st_size)
        self._by_name = {_utf_8_name(each): each for each in self._infos}
        self._by_name |= {each.filename: each for each in self._infos}

    @staticmethod
    def _check_count(path: Path) -> None:
        """Refuse by the count in the file's end record, before any entry is held in memory."""
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(0, size - 65_557))
            tail = file.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) - at < _END.size:
            raise FeedUnreadable("it cannot be read as a zip: its end is missing")
        count, directory = _counted(path, max(0, size - len(tail)) + at, _END.unpack_from(tail, at)[4:6])
        if count > MAX_MEMBERS or directory > MAX_MEMBERS * 1024:  # an entry has 46 bytes, and its name
            raise FeedUnreadable(f"it has more than {MAX_MEMBERS:,} members")

    def _check(self, size: int) -> None:
        if len(self._infos) > MAX_MEMBERS:
            raise FeedUnreadable(f"it has more than {MAX_MEMBERS:,} members")
        if sum(each.file_size for each in self._infos) > MAX_INFLATED:
            raise FeedUnreadable(f"its members inflate to more than {MAX_INFLATED // 2**30} GiB")
        if sum(each.compress_size for each in self._infos) > size:
            raise FeedUnreadable("its members overlap")

    def __enter__(self) -> "Zip":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def members(self) -> Iterator[Member | RefusedMember]:
        """Yield every file, in directory order; folders are skipped silently."""
        for each in self._infos:
            if each.is_dir():
                continue
            why = _unfit(each)
            yield RefusedMember(each.filename, why) if why else Member(each.filename, each.file_size)

    def read(self, name: str, at_most: int) -> bytes:
        """Return a member's bytes.

        Raises FeedUnreadable if it is missing, damaged, not allowed, or longer than *at_most*.
        """
        info = self._by_name.get(name)
        if info is None:
            raise FeedUnreadable(f"it has no file {name!r}")
        if why := _unfit(info):
            raise FeedUnreadable(why)
        try:
            with self._file.open(info) as file:
                found = file.read(at_most + 1)
        except _DAMAGES as exc:
            raise FeedUnreadable(f"it is damaged: {exc}") from None
        if len(found) > at_most:
            raise FeedUnreadable(f"it is longer than {at_most:,} bytes")
        return found

    def modified(self, name: str) -> int | None:
        """Return a member's time in seconds since 1970; zips say no time zone, so it is taken for UTC."""
        try:
            return int(datetime(*self._by_name[name].date_time, tzinfo=UTC).timestamp())
        except (KeyError, ValueError):
            return None

    def koha_links(self) -> Iterator[KohaLink | RefusedMember]:
        """Yield every line of Koha's lists, in any folder; nothing without a list.

        A picture is searched in the folder of its list. Koha separates names by tabs, else by commas.
        """
        for info in self._infos:
            if PurePosixPath(info.filename).name.lower() in _KOHA_LISTS:
                yield from self._links_of(info.filename)

    def _links_of(self, list_name: str) -> Iterator[KohaLink | RefusedMember]:
        try:
            body = self.read(list_name, _MAX_LIST_BYTES)
            text = body.decode(list_text.encoding(body[: list_text.HEAD_BYTES]), errors="replace")
        except (FeedUnreadable, list_text.NotAList) as exc:
            yield RefusedMember(list_name, str(exc))
            return
        folder = list_name[: -len(PurePosixPath(list_name).name)]
        for line, row in enumerate(text.splitlines(), start=1):
            if not row.strip():
                continue
            where = f"{list_name}, line {line}"
            cells = next(csv.reader([row.strip()], delimiter="\t" if "\t" in row else ","), [])
            cells = [each.strip().strip("\"'") for each in cells]
            if len(cells) < 2 or not cells[0] or not cells[1]:
                yield RefusedMember(
                    where, "expected a biblionumber and a file name, separated by a tab or comma"
                )
            elif _leads_out(cells[1]):
                yield RefusedMember(
                    where, f"expected the name of a file in the list's folder, found {cells[1]!r}"
                )
            elif (member := self._by_name.get(posixpath.normpath(folder + cells[1]))) is None:
                yield RefusedMember(where, f"the zip has no file {cells[1]!r} beside the list")
            else:
                yield KohaLink(cells[0], member.filename, list_name, line)


def _counted(path: Path, at: int, told: tuple[int, int]) -> tuple[int, int]:
    """Return how many entries the directory has, and its bytes; *told* by the end record at *at*.

    A zip64 has further numbers before it, which count whatever the end record says.
    """
    with path.open("rb") as file:
        file.seek(max(0, at - _LOCATOR.size))
        locator = file.read(_LOCATOR.size)
        if len(locator) < _LOCATOR.size or not locator.startswith(b"PK\x06\x07"):
            return told
        # as Python's zipfile reads it: right before the locator, whatever offset that gives
        file.seek(max(0, at - _LOCATOR.size - _END_64.size))
        end = file.read(_END_64.size)
    if len(end) < _END_64.size or not end.startswith(b"PK\x06\x06"):
        return told
    numbers = _END_64.unpack(end)
    return numbers[7], numbers[8]


def _utf_8_name(info: zipfile.ZipInfo) -> str:
    """Return a member's name read as UTF-8: many programs write that without its flag."""
    if info.flag_bits & _UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _leads_out(name: str) -> bool:
    return name.startswith("/") or "\\" in name or ".." in name.split("/")


def _unfit(info: zipfile.ZipInfo) -> str:
    """Return why a member must not be read; empty if it may be."""
    parts = re.split(r"[/\\]", info.filename)
    if ".." in parts or info.filename.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", info.filename):
        return "its name leads out of the zip"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return f"it inflates to more than {MAX_RATIO} times its bytes"
    return ""
