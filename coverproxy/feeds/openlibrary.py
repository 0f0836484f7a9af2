"""Open Library in bulk: its monthly dump of editions, and its public archives of covers, read in place.

Sources: openlibrary's data/dump.py and coverstore/README.md, archive.py and code.py. The name of an archive
follows from a cover's number, so none has to be opened to know its contents.
"""

import struct
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import orjson

from coverproxy.domain.item_title import ItemTitle, item_title
from coverproxy.feeds.record import FeedUnreadable, SentIdentifier

MAX_LINE_BYTES = 4 * 2**20
"""The longest edition in a dump has some 300 kB."""

_FIRST_TAR = 7_140_000
"""Covers before this number are in separate items, `olcoversN`."""
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""The local file header of a zip member (PKWARE's APPNOTE 4.3.7)."""


@dataclass(frozen=True)
class Edition:
    """An edition in the dump that has a cover: identifiers, works, and its covers' numbers, best first."""

    key: str
    identifiers: tuple[SentIdentifier, ...]
    works: tuple[str, ...]
    covers: tuple[int, ...]
    title: ItemTitle | None = None


@dataclass(frozen=True)
class UnreadLine:
    """An unreadable line of the dump, and why."""

    line: int
    why: str


def editions(dump: BinaryIO, skipped: int = 0) -> Iterator[tuple[int, Edition | UnreadLine | None]]:
    """Read a decompressed dump: line numbers, and the edition, None if it has neither cover nor work.

    *skipped*: the number of lines that an earlier run has read.
    Raises FeedUnreadable if a line is longer than MAX_LINE_BYTES: then it is not a dump.
    """
    number = 0
    while line := dump.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise FeedUnreadable(f"line {number}: more than {MAX_LINE_BYTES:,} bytes")
        if number > skipped:
            yield number, _edition(number, line)


def _edition(number: int, line: bytes) -> Edition | UnreadLine | None:
    """Parse type, key, revision, time and JSON, separated by tabs. Values are as people typed them."""
    fields = line.split(b"\t", 4)
    if len(fields) != 5:
        return UnreadLine(number, f"expected five fields separated by tabs, found {len(fields)}")
    if fields[0] != b"/type/edition" or not (b'"covers"' in fields[4] or b'"works"' in fields[4]):
        return None
    try:
        found = orjson.loads(fields[4])
    except orjson.JSONDecodeError as exc:
        return UnreadLine(number, f"its JSON cannot be read: {exc}")
    if not isinstance(found, dict):
        return UnreadLine(number, "its JSON is not an object")
    covers = tuple(each for each in _list(found, "covers") if type(each) is int and each > 0)
    key = str(found.get("key") or fields[1].decode(errors="replace"))
    works = tuple(
        each["key"]
        for each in _list(found, "works")
        if isinstance(each, dict) and isinstance(each.get("key"), str)
    )
    if not covers and not works:
        return None
    names = (*_identifiers(found), SentIdentifier("olid", key.rpartition("/")[2]))
    return Edition(key, names, works, covers, _title(found))


def _title(found: dict[str, object]) -> ItemTitle | None:
    """Authors are in other records, under a key."""
    parts = (found.get("title"), found.get("subtitle"))
    return item_title(": ".join(each for each in parts if isinstance(each, str) and each.strip()))


def _identifiers(found: dict[str, object]) -> Iterator[SentIdentifier]:
    for name, scheme in (
        ("isbn_13", "isbn"),
        ("isbn_10", "isbn"),
        ("oclc_numbers", "oclc"),
        ("lccn", "lccn"),
    ):
        for each in _list(found, name):
            if (isinstance(each, str) and each.strip()) or type(each) is int:
                yield SentIdentifier(scheme, str(each))


def _list(found: dict[str, object], name: str) -> list[object]:
    value = found.get(name)
    return value if isinstance(value, list) else []


def archive_names(cover: int) -> tuple[str, ...]:
    """Return the file names of the archives that may contain a cover, the original before the large size."""
    if cover < _FIRST_TAR:
        return f"olcovers{cover // 10_000}.zip", f"olcovers{cover // 10_000}-L.zip"
    digits = f"{cover:010d}"
    name = f"covers_{digits[:4]}_{digits[4:6]}"
    return f"{name}.zip", f"{name}.tar", f"l_{name}.zip", f"l_{name}.tar"


def cover_number(member: str) -> int | None:
    """Return the cover number of an archive member: `0012345678.jpg`, `12345.jpg`, `0012345678-L.jpg`."""
    stem, _, ending = member.rpartition("/")[2].partition(".")
    digits = stem.removesuffix("-L")
    return (
        int(digits)
        if ending == "jpg" and digits.isascii() and digits.isdigit() and len(digits) <= 12
        else None
    )


@dataclass(frozen=True)
class DumpPart:
    """The position of a cover's bytes in its archive."""

    offset: int
    length: int


def parts(archive: Path) -> dict[int, DumpPart]:
    """Return the position of each cover in an archive, by its number. Reads no covers.

    Zip members are stored, not deflated; a deflated one cannot be read in place and is skipped. Raises
    FeedUnreadable if the file is neither zip nor tar; of a truncated tar, returns what precedes the cut.
    """
    try:
        return dict(_of_zip(archive) if archive.suffix == ".zip" else _of_tar(archive))
    except (zipfile.BadZipFile, tarfile.TarError, OSError, ValueError, struct.error) as exc:
        raise FeedUnreadable(f"{archive}: {exc}") from None


def _of_zip(archive: Path) -> Iterator[tuple[int, DumpPart]]:
    size = archive.stat().st_size
    with archive.open("rb") as file, zipfile.ZipFile(file) as found:
        for info in found.infolist():
            cover = cover_number(info.filename)
            if cover is None or info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 0x1:
                continue
            file.seek(info.header_offset)
            header = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
            # use the lengths in the local header: those in the directory may be shorter
            offset = info.header_offset + _LOCAL_HEADER.size + header[9] + header[10]
            if header[0] == b"PK\x03\x04" and offset + info.file_size <= size:
                yield cover, DumpPart(offset, info.file_size)


def _of_tar(archive: Path) -> Iterator[tuple[int, DumpPart]]:
    size = archive.stat().st_size
    with tarfile.open(archive, "r:") as found:
        for info in found:
            cover = cover_number(info.name)
            if cover is not None and info.isreg() and info.offset_data + info.size <= size:
                yield cover, DumpPart(info.offset_data, info.size)


def covers_of(name: str) -> range | None:
    """Return the range of cover numbers in an archive of this name; None if it has no covers."""
    stem = name.rpartition(".")[0].removeprefix("l_").removesuffix("-L")
    if stem.startswith("olcovers") and stem[8:].isdigit():
        first = int(stem[8:]) * 10_000
        return range(first, min(first + 10_000, _FIRST_TAR))
    pieces = stem.split("_")
    is_block = len(pieces) == 3 and pieces[0] == "covers" and (len(pieces[1]), len(pieces[2])) == (4, 2)
    if is_block and (digits := pieces[1] + pieces[2]).isdigit():
        return range(int(digits) * 10_000, (int(digits) + 1) * 10_000)
    return None
