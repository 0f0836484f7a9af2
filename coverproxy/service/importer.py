"""The way of a file into the catalogue: examined, refused or placed, entered, and old pictures dropped."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Import, Limits, Size
from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIsbn
from coverproxy.domain.formats import sniff
from coverproxy.domain.list_text import NotAList
from coverproxy.domain.original import QUARANTINED, Original
from coverproxy.originals.base import Catalogue, CatalogueTables
from coverproxy.originals.examine import (
    Candidate,
    Examined,
    OriginalRefused,
    Refusal,
    examine,
    is_placeholder,
)
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.import_list import listed, open_list
from coverproxy.service.ingest import SAME_BYTES, Aftermath
from coverproxy.service.invalidate import drop_stale
from coverproxy.storage import bounded_read

BATCH = 256
"""Files entered in one transaction: what an interruption makes the next run do again."""

LISTS = (".csv", ".tsv", ".tab", ".txt")
"""How the names of lists end."""

THREADS = 2
"""Threads that read, hash and write files; at most so many originals are in memory. More only contend."""


@dataclass
class ImportReport:
    """What an import did so far."""

    seen: int = 0
    added: int = 0
    already: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Entered:
    """A file that is in its place and only needs its row. `is_known`: that row is there already."""

    original: Original
    candidate: Candidate
    is_known: bool


@dataclass(frozen=True)
class Importer:
    """Takes files in, in batches. `on_refusal` gets every refusal once, as it happens."""

    catalogue: Catalogue
    files: OriginalFiles
    cache: DiskCache
    stripes: FileLocks
    sizes: Mapping[str, Size]
    limits: Limits
    rules: Import
    on_refusal: Callable[[Refusal], None]
    started: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def run(
        self, candidates: Iterable[Candidate | Refusal], on_batch: Callable[[ImportReport], None]
    ) -> ImportReport:
        """Take in all candidates; blocks. Ctrl-C ends it between two batches, with nothing half done."""
        report = ImportReport()
        waiting = iter(candidates)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="import") as pool:
            try:
                self._drop_stale()
                while batch := list(islice(waiting, BATCH)):
                    self._enter(list(pool.map(self._take_in, batch)), report)
                    on_batch(report)
            except KeyboardInterrupt:
                pool.shutdown(wait=True, cancel_futures=True)
                report.interrupted = True
        return report

    def _take_in(self, candidate: Candidate | Refusal) -> Entered | Refusal:
        """Examine one file and bring it to its place. Runs in several threads."""
        if isinstance(candidate, Refusal):
            return candidate
        try:
            examined = examine(candidate, self.limits, self.rules)
            if reason := self.catalogue.refusal(examined.original.digest):
                raise OriginalRefused(SAME_BYTES, reason)
            original = replace(examined.original, added=time.time_ns() // 1_000_000)
            if self._is_known(original):
                return Entered(original, candidate, is_known=True)
            self._place(examined)
        except OriginalRefused as exc:
            return Refusal(str(candidate.path), candidate.isbn, exc.reason, exc.detail)
        return Entered(original, candidate, is_known=False)

    def _is_known(self, original: Original) -> bool:
        """Whether just this is in the catalogue, and its file in its place.

        One with a fault is taken in anew, and so tried again; but a quarantined one is released by hand only.
        """
        reason, _ = self.catalogue.standing(original.digest)
        entered = replace(original, fault=QUARANTINED + reason) if reason else original
        known = (each for each in self.catalogue.find(original.identifier) if each.digest == original.digest)
        return any(replace(each, added=entered.added) == entered and self.files.has(each) for each in known)

    def _place(self, examined: Examined) -> None:
        try:
            self.files.place(examined.original, examined.body, examined.found, self.rules.mode)
        except OSError as exc:
            raise OriginalRefused("unplaced", f"{self.rules.mode}: {exc.strerror}") from None

    def _enter(self, results: list[Entered | Refusal], report: ImportReport) -> None:
        """Write a batch's rows, then remove files and derivatives that they leave without a use."""
        batch = Aftermath()
        if self.rules.mode == "copy":
            os.sync()  # the files before the rows that promise them; one sync for the batch, not one a file
        with self.catalogue.writing() as tables:
            for result in results:
                report.seen += 1
                if isinstance(result, Refusal):
                    self._refuse(result, report)
                elif result.is_known:
                    report.already += 1
                else:
                    self._add(tables, result, batch, report)
            for identifier in batch.stale:
                tables.mark_stale(identifier)
        for original in batch.discarded:
            self.files.discard(original)
        self._drop_stale()

    def _drop_stale(self) -> None:
        """Remove the derivatives of every book that had another best before; a killed import's too."""
        drop_stale(self.catalogue, self.cache, self.stripes, self.sizes)

    def _add(self, tables: CatalogueTables, entered: Entered, batch: Aftermath, report: ImportReport) -> None:
        original = entered.original
        if reason := tables.refusal(original.digest):  # found out since it was examined
            batch.discarded.append(original)
            where, isbn = str(entered.candidate.path), entered.candidate.isbn
            self._refuse(Refusal(where, isbn, SAME_BYTES, reason), report)
            return
        others = tables.find(original.identifier)
        batch.discarded += [each for each in others if self._is_moved(each, original)]
        batch.stale |= {each.identifier for each in others}
        tables.add(original)
        report.added += 1
        report.bytes += original.bytes
        same = tables.with_digest(original.digest, most=1000)
        if len(same) > 1 and is_placeholder((each.identifier for each in same), self.rules):
            self._withdraw(tables, same, entered, batch, report)

    def _is_moved(self, old: Original, new: Original) -> bool:
        """Whether *new* takes the place of *old*, but not its file's."""
        return old.digest == new.digest and self.files.path(old) != self.files.path(new)

    def _withdraw(
        self,
        tables: CatalogueTables,
        same: list[Original],
        last: Entered,
        batch: Aftermath,
        report: ImportReport,
    ) -> None:
        """Take back bytes that proved to be "no image" art, from every book that has them."""
        detail = f"the same bytes came for {len(same)} ISBNs: no cover, but a picture that stands for none"
        tables.refuse(same[0].digest, detail)
        for original in same:
            tables.remove(original)
            is_last = original.identifier == last.original.identifier
            where = last.candidate.path if is_last else self.files.path(original)
            self._refuse(Refusal(str(where), original.identifier.value, SAME_BYTES, detail), report)
            if original.added >= self.started:  # an earlier run's was never counted in this one
                report.added -= 1
                report.bytes -= original.bytes
        batch.discarded += same
        batch.stale |= {original.identifier for original in same}

    def _refuse(self, refusal: Refusal, report: ImportReport) -> None:
        report.refused[refusal.reason] += 1
        self.on_refusal(refusal)


def candidates(path: Path, source: str, ours: Path | None = None) -> Iterator[Candidate | Refusal]:
    """Yield what PATH offers: a folder tree of images named by ISBN, one such image, or a CSV/TSV list.

    *ours*, the data folder, is passed over where it lies in the tree. Linked folders are followed, and each
    folder is gone through once. Raises OSError, NotAList.
    """
    if path.is_dir():
        return _tree(path, source, ours)
    if path.suffix.lower() in LISTS:
        open_list(path)  # what is no list is noticed here, not with the first row
        return listed(path, source)
    if sniff(bounded_read.read(path, 32)[0]) or _is_named_by_isbn(path):
        return iter([Candidate(path.stem, path, source, is_file_name=True)])
    open_list(path)
    raise NotAList(f"it is neither a picture nor a list (the name of a list ends in {', '.join(LISTS)})")


def _is_named_by_isbn(path: Path) -> bool:
    try:
        isbn.parse_file_name(path.stem)
    except NotAnIsbn:
        return False
    return True


def _tree(path: Path, source: str, ours: Path | None) -> Iterator[Candidate | Refusal]:
    """Go through a folder tree, and into linked folders.

    A folder is known by its device and inode, so a link that leads back, or a second one to the same place,
    adds nothing.
    """
    unread: list[Refusal] = []
    seen = {_place(ours)} if ours and not _is_within(path, ours) else set()
    for folder, folders, names in os.walk(
        path, onerror=lambda exc: unread.append(_unread(exc)), followlinks=True
    ):
        yield from unread
        unread.clear()
        place = _place(Path(folder))
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                stem = name.rpartition(".")[0] or name
                yield Candidate(stem, Path(folder, name), source, is_file_name=True)
    yield from unread


def _place(folder: Path) -> tuple[int, int] | None:
    """Return what names a folder whatever leads there; None where it is not there."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _unread(exc: OSError) -> Refusal:
    return Refusal(str(exc.filename), "", "unreadable", exc.strerror or str(exc))
