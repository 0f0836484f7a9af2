"""The way of a file into the catalogue: examined, refused or placed, entered, and old pictures dropped."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Import, Limits
from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIsbn, TooMany, Unavailable
from coverproxy.domain.formats import sniff
from coverproxy.domain.list_text import NotAList
from coverproxy.domain.original import QUARANTINED, Original
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import Changes, changing
from coverproxy.originals.examine import (
    Candidate,
    Examined,
    OriginalRefused,
    Refusal,
    examine,
)
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.linking import link
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.entry import enter, known_refusal
from coverproxy.service.import_list import listed, open_list
from coverproxy.service.ingest import Aftermath
from coverproxy.service.invalidate import drop_stale
from coverproxy.storage import bounded_read
from coverproxy.storage.disk_set import DiskSet

BATCH = 256
"""Files entered in one transaction: what an interruption makes the next run do again."""

LISTS = (".csv", ".tsv", ".tab", ".txt")
"""How the names of lists end."""

THREADS = 2
"""Threads that read, hash and write files; at most so many originals are in memory. More only contend."""


@dataclass
class ImportReport:
    """What an import did so far. `lesser`: how many that it added are not what their book shows.

    `unremoved`: which covers of before cannot be removed, and why.
    """

    seen: int = 0
    added: int = 0
    already: int = 0
    replaced: int = 0
    lesser: int = 0
    bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False
    unremoved: str = ""


@dataclass(frozen=True, slots=True)
class Entered:
    """A file that is in its place and only needs its row. `is_known`: that row is there already."""

    original: Original
    candidate: Candidate
    is_known: bool


class Importer:
    """Takes files in, in batches. `on_refusal` gets every refusal once, as it happens.

    A file takes the place of what came for its book in an earlier run under the same path or from the same
    source, also if that was larger: a cover that is sent again is meant to replace. Of several that one run
    brings for a book all are kept, and the best is shown.
    """

    def __init__(
        self, catalogue: Catalogue, files: OriginalFiles, guard: DecodeGuard, cache: DiskCache,
        stripes: FileLocks, sizes: tuple[str, ...], limits: Limits, rules: Import,
        on_refusal: Callable[[Refusal], None],
    ) -> None:  # fmt: skip
        self._catalogue = catalogue
        self._files = files
        self._guard = guard
        self._cache = cache
        self._stripes = stripes
        self._sizes = sizes
        self._limits = limits
        self._rules = rules
        self._on_refusal = on_refusal
        self._started = time.time_ns() // 1_000_000

    def run(
        self, candidates: Iterable[Candidate | Refusal], on_batch: Callable[[ImportReport], None]
    ) -> ImportReport:
        """Take in all candidates; blocks. Ctrl-C ends it between two batches, with nothing half done."""
        report = ImportReport()
        waiting = iter(candidates)
        with DiskSet() as known, ThreadPoolExecutor(THREADS, thread_name_prefix="import") as pool:
            try:
                self._drop_stale(report)
                while batch := list(islice(waiting, BATCH)):
                    self._enter(list(pool.map(self._take_in, batch)), known, report)
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
            examined = examine(candidate, self._limits, self._rules, self._guard.lend)
            original = replace(examined.original, added=time.time_ns() // 1_000_000)
            if refused := known_refusal(self._catalogue, original, self._rules):
                raise refused
            if self._is_known(original):
                return Entered(original, candidate, is_known=True)
            self._place(examined)
        except Unavailable as exc:
            return Refusal(str(candidate.path), candidate.isbn, "unreadable", str(exc))
        except OriginalRefused as exc:
            return Refusal(str(candidate.path), candidate.isbn, exc.reason, exc.detail)
        return Entered(original, candidate, is_known=False)

    def _is_known(self, original: Original) -> bool:
        """Whether just this is in the catalogue, and its file in its place.

        One with a fault is taken in anew, and so tried again; but a quarantined one is released by hand only.
        """
        reason, _ = self._catalogue.standing(original.digest)
        fault = QUARANTINED + reason if reason else None
        return any(
            each.digest == original.digest
            and (each.date, each.source, each.path) == (original.date, original.source, original.path)
            and each.fault == fault
            and self._files.has(each)
            for each in self._catalogue.find(original.identifier)
        )

    def _place(self, examined: Examined) -> None:
        try:
            self._files.place(examined.original, examined.body, examined.found, self._rules.mode)
        except OSError as exc:
            raise OriginalRefused("unplaced", f"{self._rules.mode}: {exc.strerror}") from None

    def _enter(self, results: list[Entered | Refusal], known: DiskSet, report: ImportReport) -> None:
        """Write a batch's rows, then remove files and derivatives that they leave without a use."""
        batch = Aftermath()
        if self._rules.mode == "copy":
            os.sync()  # the files before the rows that promise them; one sync for the batch, not one a file
        with changing(self._catalogue, int(time.time())) as changes:
            for result in results:
                report.seen += 1
                if isinstance(result, Refusal):
                    self._refuse(result, report)
                    continue
                if result.is_known:
                    known.add(_key(result.original))
                    report.already += 1
                else:
                    self._add(result, known, changes, batch, report)
                _link(result, changes)
            report.lesser += sum(
                self._lesser(changes.tables.of_item(book)) - self._lesser(before)
                for book, before in changes.before().items()
            )
        for original in batch.discarded:
            self._files.discard(original)
        self._drop_stale(report)

    def _drop_stale(self, report: ImportReport) -> None:
        """Remove the derivatives of every book that had another best before; a killed import's too."""
        report.unremoved = drop_stale(self._catalogue, self._cache, self._stripes, self._sizes)

    def _add(
        self, entered: Entered, known: DiskSet, changes: Changes, batch: Aftermath, report: ImportReport
    ) -> None:
        original = entered.original
        others = changes.watch(original.identifier)
        batch.discarded += [each for each in others if self._is_moved(each, original)]
        entry = enter(changes, original, self._rules, lambda old: self._gives_way(old, original, known))
        batch.discarded += entry.discarded
        report.replaced += len(entry.replaced)
        if entry.refused and not entry.withdrawn:  # found out since it was examined
            where, isbn = str(entered.candidate.path), entered.candidate.isbn
            self._refuse(Refusal(where, isbn, entry.refused.reason, entry.refused.detail), report)
            return
        report.added += 1
        report.bytes += original.bytes
        for each in entry.withdrawn:
            self._take_back(each, entry.refused, report)

    def _take_back(self, original: Original, refused: OriginalRefused | None, report: ImportReport) -> None:
        """Report that an original was withdrawn, by the path of the file that was given."""
        where = original.origin or str(self._files.path(original))
        if refused:
            self._refuse(Refusal(where, original.identifier.value, refused.reason, refused.detail), report)
        if original.added >= self._started:  # an earlier run's was never counted in this one
            report.added -= 1
            report.bytes -= original.bytes

    def _gives_way(self, old: Original, new: Original, known: DiskSet) -> bool:
        """Whether *new* replaces *old*: what a person pinned or hid stays, and what this run brought too."""
        is_of_this_run = old.added >= self._started or _key(old) in known
        is_predecessor = old.source == new.source or (old.origin is not None and old.origin == new.origin)
        return is_predecessor and not is_of_this_run and not old.is_decided

    def _lesser(self, originals: list[Original]) -> int:
        """Count what this run added to a book and is not shown."""
        best = next((each for each in originals if each.is_usable), None)
        return sum(each is not best and each.added >= self._started for each in originals)

    def _is_moved(self, old: Original, new: Original) -> bool:
        """Whether *new* takes the place of *old*, but not its file's."""
        return old.digest == new.digest and self._files.path(old) != self._files.path(new)

    def _refuse(self, refusal: Refusal, report: ImportReport) -> None:
        report.refused[refusal.reason] += 1
        self._on_refusal(refusal)


def _link(entered: Entered, changes: Changes) -> None:
    """Link what a list calls a book, unless that is too many names: its cover is taken in all the same."""
    if entered.candidate.others:
        with suppress(TooMany):
            link(changes, (entered.original.identifier, *entered.candidate.others))


def _key(original: Original) -> bytes:
    """What tells one original of one book from all others."""
    return original.digest + str(original.identifier).encode()


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
