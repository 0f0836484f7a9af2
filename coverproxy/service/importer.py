"""Imports files: examined, refused or placed, entered; then outdated derivatives are removed."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

from coverproxy.config import Config, Import, Limits, Size
from coverproxy.domain.errors import TooMany, Unavailable
from coverproxy.domain.original import QUARANTINED, Original
from coverproxy.imaging.completeness import seems_whole
from coverproxy.imaging.decode import JUDGEMENT
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import Changes, changing
from coverproxy.originals.examine import (
    Candidate,
    Examined,
    OriginalRefused,
    Refusal,
    examine,
    mode_of,
)
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.linking import link
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.entry import enter, known_refusal
from coverproxy.service.import_given import fetched_before, keep_titles, note_record, renew_seen, withdraw
from coverproxy.service.import_new import enter_new
from coverproxy.service.import_results import Entered, ImportReport, Note, Result
from coverproxy.service.import_steps import LinkedItems, Passed, Step, TitledItems, Withdrawal
from coverproxy.service.ingest import Aftermath
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.judge import Judge
from coverproxy.storage.disk_set import DiskSet

BATCH = 256
"""Files entered per transaction: as many an interrupted import repeats at most."""

MOST_FETCHED = 8
"""Files fetched per transaction: at one per second and host, an interruption would lose more."""

DAMAGED = "damaged"
"""Why a picture that seems sound by its header is not shown: it cannot be decoded."""

THREADS = 2
"""Threads that read, hash and write files; as many originals are in memory. More would only contend."""

REMOTE_THREADS = 16
"""The same with an object store, for whose answers they mostly wait."""


class Importer:
    """Imports files in batches. `on_refusal` is called once per refusal, as it happens.

    A file replaces what an earlier run brought for its book under the same path or from the same source, even
    if that was larger: a cover that is sent again is meant to replace. If one run brings several for a book,
    all are kept, and the best is shown.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: OriginalFiles,
        guard: DecodeGuard,
        invalidator: Invalidator,
        limits: Limits,
        rules: Import,
        on_refusal: Callable[[Refusal], None],
        sizes: Iterable[Size] = (),
    ) -> None:
        largest = max(sizes or Config().sizes.values(), key=lambda size: size.width * size.height)
        self._judge = Judge(files, guard, limits, largest)
        self.catalogue = catalogue
        self._files = files
        self._guard = guard
        self._invalidator = invalidator
        self._limits = limits
        self._rules = rules
        self._on_refusal = on_refusal
        self._started = time.time_ns() // 1_000_000

    def run(
        self, steps: Iterable[Step], on_batch: Callable[[ImportReport], None], note: Note | None = None,
        *, started: int | None = None,
    ) -> ImportReport:  # fmt: skip
        """Import all steps; blocks. Ctrl-C ends it between two batches, with nothing half done.

        *note* records the progress in each batch's transaction. *started*: when a resumed import began, in
        milliseconds since 1970; originals added since then are not replaced.
        """
        self._started = self._started if started is None else started
        report = ImportReport()
        threads = THREADS if self._files.objects is None else REMOTE_THREADS
        with DiskSet() as known, ThreadPoolExecutor(threads, thread_name_prefix="import") as pool:
            try:
                self._drop_stale(report)
                for batch in _batches(steps):
                    results = list(pool.map(self._take_in, batch))
                    judging = self._judge.judging(results)
                    self._enter(list(pool.map(judging, results)), known, report, note)
                    on_batch(report)
            except KeyboardInterrupt:
                pool.shutdown(wait=True, cancel_futures=True)
                report.interrupted = True
        return report

    def _take_in(self, step: Step) -> Result:
        """Take in one picture, or the next best of the same that can be. Runs in several threads.

        If none of several is whole, the best damaged one is kept, as a single one is.
        """
        if not isinstance(step, Candidate):
            return step
        choices = (step, *step.alternatives)
        if len(choices) == 1:
            return self._bring(step)
        found: list[Refusal] = []
        for each in choices:
            brought = self._bring(each, only_whole=True)
            if isinstance(brought, Entered):
                return brought
            found.append(brought)
        damaged = (each for each, one in zip(choices, found, strict=True) if one.reason == DAMAGED)
        kept = next(damaged, None)
        return found[0] if kept is None else self._bring(kept)

    def _bring(self, candidate: Candidate, *, only_whole: bool = False) -> Entered | Refusal:
        """Examine one file and bring it to its place. *only_whole*: refuse one that cannot be decoded."""
        try:
            if (same := fetched_before(self.catalogue, candidate)) and self._files.has(same):
                return Entered(same, candidate, is_known=True)
            examined = examine(candidate, self._limits, self._rules, self._guard.lend)
            original = replace(examined.original, added=time.time_ns() // 1_000_000)
            is_rival = False
            if not self.catalogue.unknown([original]):
                if refused := known_refusal(self.catalogue, original, self._rules):
                    raise refused
                held = self.catalogue.find(original.identifier)
                if self._is_known(original, held, is_dated=not candidate.is_fetched):
                    return Entered(original, candidate, is_known=True)
                is_rival = any(each.digest != original.digest for each in held)
            is_doubtful = is_rival or not seems_whole(examined.body, original.loader)
            if only_whole and is_doubtful:
                original = self._whole(original, examined.body)
            self._place(examined, candidate)
        except Unavailable as exc:
            return _refusal(candidate, "unreadable", str(exc))
        except OriginalRefused as exc:
            return _refusal(candidate, exc.reason, exc.detail)
        return Entered(original, candidate, is_known=False, is_doubtful=is_doubtful)

    def _whole(self, original: Original, body: bytes) -> Original:
        """Decode a picture before it is placed. Raises OriginalRefused."""
        judged = self._judge.judged(original, body)
        if judged.fault:
            raise OriginalRefused(DAMAGED, judged.fault)
        return judged

    def _is_known(self, original: Original, held: Sequence[Original], *, is_dated: bool) -> bool:
        """Whether just this is in the catalogue, and its file in its place.

        *is_dated*: its date is its own; what is fetched may have the present one. One with a fault is
        taken in anew, and so tried again; but a quarantined one is released by hand only.
        """
        reason = self.catalogue.quarantined_for(original.digest)
        fault = QUARANTINED + reason if reason else None
        return any(
            each.digest == original.digest
            and (each.date == original.date or not is_dated)
            and (each.source, each.path, each.begins) == (original.source, original.path, original.begins)
            and each.terms == original.terms
            and each.fault == fault
            and self._files.has(each)
            for each in held
        )

    def _place(self, examined: Examined, candidate: Candidate) -> None:
        mode = mode_of(candidate, self._rules)
        try:
            self._files.place(examined.original, examined.body, examined.found, mode)
        except OSError as exc:
            raise OriginalRefused("unplaced", f"{mode}: {exc.strerror}") from None

    def _enter(self, results: list[Result], known: DiskSet, report: ImportReport, note: Note | None) -> None:
        """Write a batch's rows, then remove files and derivatives that they leave without a use."""
        batch = Aftermath()
        if any(self._is_copied(each) for each in results):
            self._files.sync()  # before the rows that promise them; one sync for the batch, not one a file
        with changing(self.catalogue, int(time.time())) as changes:
            keep_titles(changes.tables, results)
            for result in enter_new(changes.tables, results, report):
                report.seen += not isinstance(result, LinkedItems | TitledItems)
                if isinstance(result, Entered):
                    self._enter_one(result, known, changes, batch, report)
                else:
                    self._note_other(result, changes, batch, report)
            if note:
                note(changes.tables, results)
            report.lesser += sum(
                self._lesser(changes.tables.of_item(book)) - self._lesser(before)
                for book, before in changes.before().items()
            )
        for original in batch.discarded:
            self._files.discard(original)
        self._drop_stale(report)

    def _is_copied(self, result: Result) -> bool:
        if not isinstance(result, Entered) or result.is_known:
            return False
        return mode_of(result.candidate, self._rules) == "copy"

    def _enter_one(
        self, result: Entered, known: DiskSet, changes: Changes, batch: Aftermath, report: ImportReport
    ) -> None:
        original = result.original
        if result.is_known:
            known.add(_key(original))
            report.already += 1
            renew_seen(changes.tables, result.candidate, self._started)
        else:
            self._add(result, known, changes, batch, report)
        _link(result, changes)
        is_there = any(each.digest == original.digest for each in changes.watch(original.identifier))
        if result.candidate.record and is_there and not original.fault:
            moved = note_record(changes, result.candidate, original, self._started)
            batch.discarded += moved
            report.replaced += len(moved)

    def _note_other(
        self, result: Refusal | Withdrawal | Passed | LinkedItems | TitledItems, changes: Changes,
        batch: Aftermath, report: ImportReport,
    ) -> None:  # fmt: skip
        """Do what a step asks for that brings no picture."""
        if isinstance(result, Refusal):
            self._refuse(result, report)
        elif isinstance(result, Withdrawal):
            gone = withdraw(changes, result)
            batch.discarded += gone
            report.withdrawn += len(gone)
            report.passed += not gone
        elif isinstance(result, LinkedItems):
            changes.tables.editions.link(result.links)
            changes.tables.editions.join(result.work, result.of_work)
            report.linked += len(result.links) + len(result.of_work)
        elif isinstance(result, Passed):
            report.passed += 1
            if result.remark:
                self._on_refusal(result.remark)

    def _drop_stale(self, report: ImportReport) -> None:
        """Remove the derivatives of every book that had another best before; a killed import's too."""
        report.unremoved = self._invalidator.drop_stale()

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
            refused = entry.refused
            self._refuse(_refusal(entered.candidate, refused.reason, refused.detail), report)
            return
        report.added += 1
        report.bytes += original.bytes
        if original.fault and not entry.withdrawn:
            self._note_damage(entered, original.fault, changes, report)
        for each in entry.withdrawn:
            self._take_back(each, entry.refused, report)

    def _note_damage(self, entered: Entered, fault: str, changes: Changes, report: ImportReport) -> None:
        """Record that it cannot be shown; it is kept, as a later version may be able to."""
        changes.tables.mark_faulty(entered.original, fault, JUDGEMENT)
        report.damaged += 1
        self._on_refusal(_refusal(entered.candidate, DAMAGED, fault))

    def _take_back(self, original: Original, refused: OriginalRefused | None, report: ImportReport) -> None:
        """Report a withdrawn original, by the path of the given file."""
        where = original.origin or str(self._files.path(original))
        if refused:
            self._refuse(Refusal(where, original.identifier.value, refused.reason, refused.detail), report)
        if original.added >= self._started:  # originals of earlier runs were not counted
            report.added -= 1
            report.bytes -= original.bytes

    def _gives_way(self, old: Original, new: Original, known: DiskSet) -> bool:
        """Return whether *new* replaces *old*: not what a person pinned or hid, nor what this run brought.

        A damaged picture replaces nothing.
        """
        is_of_this_run = old.added >= self._started or _key(old) in known
        is_predecessor = old.source == new.source or (old.origin is not None and old.origin == new.origin)
        return is_predecessor and not is_of_this_run and not old.is_decided and new.fault is None

    def _lesser(self, originals: list[Original]) -> int:
        """Return how many of this run's sound originals of a book are not shown."""
        best = next((each for each in originals if each.is_usable), None)
        sound = (each for each in originals if each.fault is None and each.added >= self._started)
        return sum(each is not best for each in sound)

    def _is_moved(self, old: Original, new: Original) -> bool:
        """Return whether *new* replaces *old* but is stored in another file."""
        return old.digest == new.digest and self._files.path(old) != self._files.path(new)

    def _refuse(self, refusal: Refusal, report: ImportReport) -> None:
        report.refused[refusal.reason] += 1
        self._on_refusal(refusal)


def _link(entered: Entered, changes: Changes) -> None:
    """Link the identifiers that a list gives for a book. Too many names are no reason to refuse the cover."""
    if entered.candidate.others:
        with suppress(TooMany):
            link(changes, (entered.original.identifier, *entered.candidate.others))


def _refusal(candidate: Candidate, reason: str, detail: str) -> Refusal:
    return Refusal(candidate.where, candidate.isbn, reason, detail, candidate.place)


def _batches(steps: Iterable[Step]) -> Iterator[list[Step]]:
    """Yield steps by the batch, of which a few may be fetched."""
    batch: list[Step] = []
    fetched = 0
    for each in steps:
        batch.append(each)
        fetched += isinstance(each, Candidate) and each.is_fetched
        if len(batch) == BATCH or fetched == MOST_FETCHED:
            yield batch
            batch, fetched = [], 0
    if batch:
        yield batch


def _key(original: Original) -> bytes:
    """Return a key for one original of one book."""
    return original.digest + str(original.identifier).encode()
