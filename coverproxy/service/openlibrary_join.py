"""Open Library's dump of editions joined with its archives of covers: numbers first, then pictures."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from coverproxy.domain import schemes
from coverproxy.domain.errors import NotAnIdentifier, UnknownScheme
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.item_title import ItemTitle
from coverproxy.feeds.openlibrary import (
    DumpPart,
    Edition,
    UnreadLine,
    archive_names,
    covers_of,
    editions,
    parts,
)
from coverproxy.feeds.record import FeedUnreadable
from coverproxy.originals.base import Catalogue
from coverproxy.originals.examine import Candidate, OriginalRefused, Refusal
from coverproxy.originals.wanted_covers import CoverWish, DumpProgress, WantedCovers
from coverproxy.service.feed_run import stamp_of
from coverproxy.service.import_folder import files
from coverproxy.service.import_records import MOST_TITLED
from coverproxy.service.import_steps import Step

SOURCE = "openlibrary"
BATCH = 5_000
"""Lines of the dump in one transaction: what an interruption makes the next run read again."""

MOST_COVERS = 2
"""Of an edition's covers, so many are wanted: the second where the first is not to be had."""


class WantedItems(Protocol):
    """The items that are wanted."""

    def __contains__(self, key: bytes) -> bool: ...


@dataclass
class JoinReport:
    """The result of reading the dump. `bytes`: read from the file on disk."""

    lines: int = 0
    editions: int = 0
    wanted: int = 0
    unread: int = 0
    bytes: int = 0


class DumpReader:
    """Reads a dump into wishes for covers, and links editions by their works.

    `only`: the items that are wanted, by `str(identifier)`; None: all. `chosen_by`: names that list, so that
    another one is read anew. `on_refusal` gets lines that cannot be read.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        wanted: WantedCovers,
        on_refusal: Callable[[Refusal], None],
        only: WantedItems | None = None,
        chosen_by: str = "",
    ) -> None:
        self._catalogue = catalogue
        self._wanted = wanted
        self._on_refusal = on_refusal
        self._only = only
        self._chosen_by = chosen_by
        self.report = JoinReport()

    def read(self, dump: Path, on_batch: Callable[[JoinReport], None]) -> JoinReport:
        """Read a dump, on from where it was left. Raises OSError, FeedUnreadable, StoreUnavailable."""
        stamp = f"{stamp_of(dump)} {self._chosen_by}".strip()
        known = self._wanted.progress(dump.name)
        begun = known if known and known.stamp == stamp else DumpProgress(dump.name, stamp)
        if begun.is_read:
            return self.report
        with _opened(dump) as (unpacked, packed):
            lines = editions(unpacked, begun.lines)
            while batch := list(islice(lines, BATCH)):
                begun = self._enter(dump, batch, begun)
                self.report.bytes = packed.tell()
                on_batch(self.report)
        self._wanted.note([], replace(begun, is_read=True))
        return self.report

    def _enter(
        self, dump: Path, batch: list[tuple[int, Edition | UnreadLine | None]], begun: DumpProgress
    ) -> DumpProgress:
        """Link works and keep titles, then write wishes with the progress: doing it twice changes nothing."""
        wishes: list[CoverWish] = []
        before = self.report.editions
        works: list[tuple[str, tuple[Identifier, ...]]] = []
        titles: dict[Identifier, ItemTitle] = {}
        for number, found in batch:
            if isinstance(found, UnreadLine):
                self.report.unread += 1
                self._on_refusal(Refusal(str(dump), "", "line", found.why, f"{dump}:{number}"))
            elif found is not None and (named := self._named(found)):
                self.report.editions += 1
                wishes += _wishes(found, *named)
                works += [(f"{SOURCE}:{work.rpartition('/')[2]}", named[0]) for work in found.works[:1]]
                if found.title:
                    titles |= dict.fromkeys(named[0][:MOST_TITLED], found.title)
        if works or titles:
            with self._catalogue.writing() as tables:
                tables.titles.keep(titles)
                for work, items in works:
                    tables.editions.join(work, items)
        self.report.lines += len(batch)
        self.report.wanted += len(wishes)
        new = self.report.editions - before
        done = replace(begun, lines=begun.lines + len(batch), editions=begun.editions + new)
        self._wanted.note(wishes, done)
        return done

    def _named(self, edition: Edition) -> tuple[tuple[Identifier, ...], tuple[Identifier, ...]] | None:
        """Return an edition's items, and what else names them; None where the operator wants none of it."""
        names = list(dict.fromkeys(_read(edition)))
        if self._only is not None and not any(str(each).encode() in self._only for each in names):
            return None
        isbns = tuple(each for each in names if each.scheme == ISBN)
        items = isbns or tuple(names[:1])
        return (items, tuple(each for each in names if each not in items)) if items else None


def _read(edition: Edition) -> Iterator[Identifier]:
    """Read identifiers as people typed them, and leave out invalid ones, which are many."""
    for each in edition.identifiers:
        try:
            sure = schemes.parse(each.scheme, each.text).sure
        except (NotAnIdentifier, UnknownScheme):
            continue
        if sure is not None:
            yield sure


def _wishes(
    edition: Edition, items: tuple[Identifier, ...], others: tuple[Identifier, ...]
) -> Iterator[CoverWish]:
    """Each ISBN of an edition is an item; what else names the edition is linked to the first."""
    for place, cover in enumerate(edition.covers[:MOST_COVERS]):
        for number, item in enumerate(items):
            yield CoverWish(cover, item, () if number else others, place)


@contextmanager
def _opened(dump: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Open a dump, packed or not: return the unpacked stream, and the file itself."""
    with dump.open("rb") as packed:
        is_gzip = packed.read(2) == b"\x1f\x8b"
        packed.seek(0)
        if not is_gzip:
            yield packed, packed
            return
        with gzip.open(packed) as unpacked:
            yield cast(BinaryIO, unpacked), packed


def archives(folder: Path) -> dict[str, Path]:
    """Return the archives of covers below a folder, by name; other files are ignored."""
    found = (each for each in files(folder, None) if isinstance(each, Path))
    return {each.name: each for each in found if covers_of(each.name) is not None}


def archive_stamp(archive: Path, progress: DumpProgress) -> str:
    """Return a fingerprint: an archive is tried again when its bytes or the wishes have changed."""
    return f"{stamp_of(archive)} {progress.stamp}"


class ArchiveReader:
    """Yields the wanted covers of archives as pictures at their places within them.

    `present`: the archives that are here, by name. `is_copied`: pictures are copied out of their archives,
    which may then go.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        wanted: WantedCovers,
        present: dict[str, Path],
        is_copied: bool = False,
    ) -> None:
        self._catalogue = catalogue
        self._wanted = wanted
        self._present = present
        self._is_copied = is_copied

    def steps(self, archive: Path) -> Iterator[Step]:
        """Yield the wanted covers of an archive, in the order of its bytes."""
        try:
            found = parts(archive)
        except FeedUnreadable as exc:
            yield Refusal(str(archive), "", "unreadable", str(exc), str(archive))
            return
        wishes = self._wanted.of(covers_of(archive.name) or range(0))
        here = ((found[each.cover], each) for each in wishes if each.cover in found)
        for part, wish in sorted(here, key=lambda pair: (pair[0].offset, pair[1].place)):
            candidate = self._candidate(archive, part, wish)
            if self._is_first(archive, wish.cover) and not self._has(candidate, wish):
                yield candidate

    def _is_first(self, archive: Path, cover: int) -> bool:
        """Whether no better archive of this cover is here: one of originals, before one of large sizes."""
        return next((name for name in archive_names(cover) if name in self._present), "") == archive.name

    def _has(self, candidate: Candidate, wish: CoverWish) -> bool:
        """Whether just this picture is in, or one before it in the edition's own order."""
        own = [each for each in self._catalogue.find(wish.identifier) if each.source == SOURCE]
        place = (candidate.origin, candidate.begins)
        is_in = any((each.origin, each.begins) == place for each in own)
        return is_in or (wish.place > 0 and bool(own))

    def _candidate(self, archive: Path, part: DumpPart, wish: CoverWish) -> Candidate:
        return Candidate(
            str(wish.identifier), archive, SOURCE, place=f"{archive}:{wish.cover:010d}.jpg",
            read=partial(_of_part, archive, part), address=f"{archive}/{wish.cover:010d}.jpg",
            begins=None if self._is_copied else part.offset, others=wish.others,
        )  # fmt: skip


def _of_part(archive: Path, part: DumpPart, most: int) -> tuple[bytes, int | None]:
    """Read a picture at its place, with the archive's own time."""
    try:
        with archive.open("rb") as file:
            file.seek(part.offset)
            body = file.read(min(part.length, most + 1))
    except OSError as exc:
        raise OriginalRefused("unreadable", exc.strerror or str(exc)) from None
    return body, int(archive.stat().st_mtime)
