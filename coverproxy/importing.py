"""The way of a file into the catalogue: examined, refused or placed, entered, and old pictures dropped."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from coverproxy.cache.disk import DiskCache
from coverproxy.cache.flights import Stripes
from coverproxy.config import Import, Limits, Size
from coverproxy.original import Original
from coverproxy.originals.catalogue import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.intake import Candidate, Examined, Refusal, Refused, examine, is_placeholder
from coverproxy.service import purge
from coverproxy.spec import Identifier

BATCH = 256
"""Files entered in one transaction: what an interruption makes the next run do again."""

THREADS = 4
"""Threads that read, hash and write files; at most so many originals are in memory."""

SAME_BYTES = "same-bytes"


@dataclass
class Report:
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
    stripes: Stripes
    sizes: dict[str, Size]
    limits: Limits
    rules: Import
    on_refusal: Callable[[Refusal], None]

    def run(self, candidates: Iterable[Candidate | Refusal], on_batch: Callable[[Report], None]) -> Report:
        """Take in all candidates; blocks. Ctrl-C ends it between two batches, with nothing half done."""
        report = Report()
        waiting = iter(candidates)
        with ThreadPoolExecutor(THREADS, thread_name_prefix="import") as pool:
            try:
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
            original = examined.original
            if reason := self.catalogue.refusal(original.digest):
                raise Refused(SAME_BYTES, reason)
            if self._is_known(original):
                return Entered(original, candidate, is_known=True)
            self._place(examined)
        except Refused as exc:
            return Refusal(str(candidate.path), candidate.isbn, exc.reason, exc.detail)
        return Entered(original, candidate, is_known=False)

    def _is_known(self, original: Original) -> bool:
        """Whether just this is in the catalogue. One with a fault is taken in anew, and so tried again."""
        return any(
            known.digest == original.digest and known.path == original.path and known.fault is None
            for known in self.catalogue.find(original.identifier)
        )

    def _place(self, examined: Examined) -> None:
        try:
            self.files.place(examined.original, examined.body, examined.found, self.rules.mode)
        except OSError as exc:
            raise Refused("unplaced", f"{self.rules.mode}: {exc.strerror}") from None

    def _enter(self, results: list[Entered | Refusal], report: Report) -> None:
        """Write a batch's rows, then drop the derivatives of every book that had another best before."""
        changed: set[Identifier] = set()
        if self.rules.mode == "copy":
            os.sync()  # the files before the rows that promise them; one sync for the batch, not one a file
        with self.catalogue.writing():
            for result in results:
                report.seen += 1
                if isinstance(result, Refusal):
                    self._refuse(result, report)
                elif result.is_known:
                    report.already += 1
                else:
                    changed |= self._add(result, report)
        for identifier in changed:
            purge(self.cache, self.stripes, self.sizes, identifier)

    def _add(self, entered: Entered, report: Report) -> set[Identifier]:
        original = entered.original
        had_others = bool(self.catalogue.find(original.identifier))
        self.catalogue.add(original)
        report.added += 1
        report.bytes += original.bytes
        same = self.catalogue.with_digest(original.digest, most=1000)
        if len(same) > 1 and is_placeholder((each.identifier for each in same), self.rules):
            return self._withdraw(same, report)
        return {original.identifier} if had_others else set()

    def _withdraw(self, same: list[Original], report: Report) -> set[Identifier]:
        """Take back bytes that proved to be "no image" art, from every book that has them."""
        detail = f"the same bytes came for {len(same)} ISBNs: no cover, but a picture that stands for none"
        self.catalogue.refuse(same[0].digest, detail)
        for original in same:
            self.catalogue.remove(original)
            self.files.discard(original)
            where = str(self.files.path(original))
            self._refuse(Refusal(where, original.identifier.value, SAME_BYTES, detail), report)
            report.added -= 1
        return {original.identifier for original in same}

    def _refuse(self, refusal: Refusal, report: Report) -> None:
        report.refused[refusal.reason] += 1
        self.on_refusal(refusal)


def candidates(path: Path, source: str) -> Iterator[Candidate | Refusal]:
    """Yield what PATH offers: a folder tree of images named by ISBN, one such image, or a CSV/TSV list."""
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    yield Candidate(name.rpartition(".")[0] or name, Path(folder, name), source)
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        yield from listed(path, source)
    else:
        yield Candidate(path.stem, path, source)


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
        for number, row in enumerate(rows, 1):
            names = [cell.strip().lower() for cell in row]
            if number == 1 and "isbn" in names:
                columns = names
            elif any(names):
                cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
                yield _row(cells, path, number, source)


def _row(cells: dict[str, str], path: Path, number: int, source: str) -> Candidate | Refusal:
    isbn, file = cells.get("isbn", ""), cells.get("file", "")
    if not isbn or not file:
        return Refusal(f"{path}:{number}", isbn, "row", "expected isbn,file[,source,date]")
    try:
        date = _seconds(cells["date"]) if cells.get("date") else None
    except (ValueError, OverflowError, OSError):
        detail = f"{cells['date']!r} is no date; expected 2008-08-04 or seconds since 1970"
        return Refusal(f"{path}:{number}", isbn, "date", detail)
    return Candidate(isbn, path.parent / file, cells.get("source") or source, date)


def _seconds(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    seconds = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    if seconds < 0:
        raise ValueError("before 1970")
    return seconds
