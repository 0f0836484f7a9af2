"""The way of a file into the catalogue: examined, refused or placed, entered, and old pictures dropped."""

import csv
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Import, Limits, Size
from coverproxy.domain.original import LATEST_DATE, QUARANTINED, Original
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
from coverproxy.service.ingest import SAME_BYTES, Aftermath
from coverproxy.service.invalidate import drop_stale

BATCH = 256
"""Files entered in one transaction: what an interruption makes the next run do again."""

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

    *ours*, the data folder, is passed over where it lies in the tree.
    """
    if path.is_dir():
        yield from _tree(path, source, ours.resolve() if ours else None)
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        yield from listed(path, source)
    else:
        yield Candidate(path.stem, path, source, is_file_name=True)


def _tree(path: Path, source: str, ours: Path | None) -> Iterator[Candidate]:
    for folder, folders, names in os.walk(path):
        within = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in within if Path(folder, name).resolve() != ours]
        for name in sorted(names):
            if not name.startswith("."):
                stem = name.rpartition(".")[0] or name
                yield Candidate(stem, Path(folder, name), source, is_file_name=True)


def listed(path: Path, source: str) -> Iterator[Candidate | Refusal]:
    """Yield the rows of a list `isbn,file[,source,date]`; paths count from the list's own folder.

    A first row with the word "isbn" names the columns, in any order. Dates are ISO 8601, or seconds since
    1970. What cannot be read as UTF-8 is kept as the bytes it is: file names may be any.
    """
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline()
        file.seek(0)
        rows = csv.reader(file, delimiter="\t" if "\t" in first else ";" if ";" in first else ",")
        columns = ["isbn", "file", "source", "date"]
        for number, row in enumerate(_readable(rows), 1):
            if isinstance(row, str):
                yield Refusal(f"{path}:{number}", "", "row", row)
                continue
            names = [cell.strip().lower() for cell in row]
            if number == 1 and "isbn" in names:
                columns = names
            elif any(names):
                cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
                yield _row(cells, path, number, source)


def _readable(rows: Iterator[list[str]]) -> Iterator[list[str] | str]:
    """Yield rows, and for a row that is none what is wrong with it."""
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error as exc:
            yield str(exc)


def _row(cells: dict[str, str], path: Path, number: int, source: str) -> Candidate | Refusal:
    isbn, file = cells.get("isbn", ""), cells.get("file", "")
    if not isbn or not file:
        return Refusal(f"{path}:{number}", isbn, "row", "expected isbn,file[,source,date]")
    try:
        date = _seconds(cells["date"]) if cells.get("date") else None
    except (ValueError, OverflowError, OSError):
        detail = f"{cells['date'][:40]!r} is no date; expected 2008-08-04 or seconds since 1970, before 2400"
        return Refusal(f"{path}:{number}", isbn, "date", detail)
    return Candidate(isbn, path.parent / file, cells.get("source") or source, date)


def _seconds(text: str) -> int:
    if text.isascii() and text.isdigit():
        seconds = int(text)
    else:
        moment = datetime.fromisoformat(text)
        seconds = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    if not 0 <= seconds < LATEST_DATE:
        raise ValueError("a time that no file can have")
    return seconds
