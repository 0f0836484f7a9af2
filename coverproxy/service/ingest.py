"""The way of what a source gave into the catalogue: examined, decoded, entered, or withdrawn as art."""

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.config import Import, Limits, Size, SourceConfig
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.formats import Format
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.render import render
from coverproxy.originals.base import Catalogue, CatalogueTables
from coverproxy.originals.examine import OriginalRefused, is_placeholder, measured, sketched
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.provenance import Provenance
from coverproxy.service.invalidate import drop_stale
from coverproxy.sources.base import Fetched, Validators

SAME_BYTES = "same-bytes"
DAY_SECONDS = 86_400

MOMENT_SECONDS = 60
"""How long an original stays that may not be kept: the sizes of a page, and other workers, need it once."""

_MOST_SAME = 1000
_JITTER = 0.1


@dataclass
class Aftermath:
    """What is left to do once the rows are committed: files go only after the rows that named them."""

    discarded: list[Original] = field(default_factory=list)
    stale: set[Identifier] = field(default_factory=set)


@dataclass(frozen=True)
class Ingestor:
    """Takes in what sources give. Every method blocks, and is safe in several threads and processes.

    `sources`: their settings by name. `decoding`: stands around every decode (Guard.decoding). `now`:
    seconds since 1970. `chance`: a number from 0 to 1.
    """

    catalogue: Catalogue
    files: OriginalFiles
    cache: DiskCache
    stripes: FileLocks
    sizes: Mapping[str, Size]
    limits: Limits
    rules: Import
    sources: Mapping[str, SourceConfig]
    decoding: Callable[[Original], AbstractContextManager[Callable[..., None]]]
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    def has(self, identifier: Identifier) -> bool:
        """Say whether a book has an original here that may be usable. Raises Unavailable."""
        return any(each.fault is None for each in self.catalogue.find(identifier))

    def sketch(self, identifier: Identifier, source: str, got: Fetched) -> Original:
        """Say what can be said of it without a decoder. Raises Refused, Unavailable."""
        original = sketched(got.body, identifier, self.rules)
        if reason := self.catalogue.refusal(original.digest):
            raise OriginalRefused(SAME_BYTES, reason)
        now = self.now()
        date = int(now) if got.date is None else got.date
        return replace(original, source=source, date=date, added=int(now * 1000))

    def is_same(self, row: Provenance, got: Fetched) -> bool:
        """Say whether a source gave again what it gave before."""
        return hashlib.sha256(got.body).digest()[:DIGEST_BYTES] == row.digest

    def examine(self, sketch: Original, body: bytes) -> Original:
        """Measure it, and decode all of it: what breaks off in the middle is never kept.

        It is rendered, and that thrown away: so just what would be refused later is refused now. Runs where
        renders run, and as guarded. Raises Refused, Unavailable.
        """
        largest = max(self.sizes.values(), key=lambda size: size.width * size.height)
        try:
            with self.decoding(sketch) as hold:
                original = measured(sketch, body, self.sources[sketch.source].limits(self.limits))
                render(body, largest, Format.JPEG, self.limits, hold)
        except UnusableOriginal as exc:
            raise OriginalRefused(exc.reason, str(exc)) from None
        return original

    def enter(self, original: Original, got: Fetched) -> Original:
        """Keep it: its file, then its row, in place of what the same source gave before.

        What the book's derivatives were made from is another one then, so they go. Raises Refused for what
        proves to stand for "no image" now that one more book has it; Unavailable.
        """
        aftermath = Aftermath()
        before = self.catalogue.provenance.of(original.identifier, original.source)
        original = self._dated(original, before, got.validators)
        self._place(original, got.body)
        with self.catalogue.writing() as tables:
            reason = self._write(tables, original, before, got.validators, aftermath)
        self._finish(aftermath)
        if reason:
            raise OriginalRefused(SAME_BYTES, reason)
        return original

    def _dated(self, original: Original, before: Provenance | None, now: Validators) -> Original:
        """Give a changed picture a date of its own where its source did not: an ETag is made from it."""
        is_changed = before is not None and before.digest != original.digest
        if is_changed and before is not None and before.modified == now.modified:
            return replace(original, date=int(self.now()))
        return original

    def _place(self, original: Original, body: bytes) -> None:
        try:
            self.files.place(original, body, Path(), "copy")
        except OSError as exc:
            raise Unavailable(f"an original cannot be kept: {exc.strerror}") from exc

    def _write(
        self,
        tables: CatalogueTables,
        original: Original,
        before: Provenance | None,
        said: Validators,
        aftermath: Aftermath,
    ) -> str | None:
        """Write the rows; return why the bytes are refused, if they are."""
        if reason := tables.refusal(original.digest):  # found out since it was examined
            aftermath.discarded.append(original)
            return reason
        tables.provenance.put(self.provenance(original.identifier, original.source, original.digest, said))
        reason = self._refuse_art(tables, original, aftermath)
        if reason is None:
            others = tables.find(original.identifier)
            if others or (before is not None and before.digest != original.digest):
                aftermath.stale.add(original.identifier)
            aftermath.discarded += self._replaced(tables, original, others, before)
            tables.add(original)
        for identifier in aftermath.stale:
            tables.mark_stale(identifier)
        return reason

    def _replaced(
        self, tables: CatalogueTables, new: Original, others: list[Original], before: Provenance | None
    ) -> list[Original]:
        """Strike out what the source gave before; return it."""
        if before is None or before.digest == new.digest:
            return []
        old = [each for each in others if (each.digest, each.source) == (before.digest, new.source)]
        for each in old:
            tables.remove(each)
        return old

    def _refuse_art(self, tables: CatalogueTables, original: Original, aftermath: Aftermath) -> str | None:
        """Withdraw bytes that one source gave for many books: its way to say "no image"."""
        same = tables.provenance.with_digest(original.digest, original.source, _MOST_SAME)
        if len(same) < 2 or not is_placeholder((each.identifier for each in same), self.rules):
            return None
        reason = f"{original.source} gave the same bytes for {len(same)} ISBNs: they stand for no cover"
        tables.refuse(original.digest, reason)
        for row in same:
            tables.provenance.remove(row)
        held = tables.with_digest(original.digest, _MOST_SAME)
        for each in held:
            tables.remove(each)
        aftermath.discarded += [original, *held]
        aftermath.stale |= {row.identifier for row in same} | {each.identifier for each in held}
        return reason

    def _finish(self, aftermath: Aftermath) -> None:
        for original in aftermath.discarded:
            self.files.discard(original)
        if aftermath.stale:
            drop_stale(self.catalogue, self.cache, self.stripes, self.sizes)

    def provenance(self, identifier: Identifier, source: str, digest: bytes, said: Validators) -> Provenance:
        """Say when it is to be asked for again, and to be gone, as its source's settings have it."""
        settings, now = self.sources[source], int(self.now())
        after = settings.recheck_after_seconds * (1 + _JITTER * (2 * self.chance() - 1))
        kept = {"always": None, "never": MOMENT_SECONDS}
        keep = settings.keep
        stay = kept[keep] if isinstance(keep, str) else keep * DAY_SECONDS
        return Provenance(
            identifier, source, digest, said.etag, said.modified,
            due=now + max(int(after), 1) if settings.recheck_after_seconds else None,
            keep_until=None if stay is None else now + stay,
        )  # fmt: skip

    def remove_outstayed(self, most: int = 100) -> int:
        """Remove originals that their source lets nobody keep any longer; return how many there were.

        Derivatives stay, and so does the row that tells whether the source has another picture since.
        """
        rows = self.catalogue.provenance.outstayed(int(self.now()), most)
        for row in rows:
            with self.catalogue.writing() as tables:
                found = tables.find(row.identifier)
                old = [each for each in found if (each.digest, each.source) == (row.digest, row.source)]
                for each in old:
                    tables.remove(each)
                tables.provenance.let_go(row)
            for each in old:
                self.files.discard(each)
        return len(rows)
