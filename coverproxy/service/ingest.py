"""Ingests what a source returned: examined, decoded and entered, or withdrawn as art."""

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from coverproxy.config import Import, Limits, Size, SourceConfig
from coverproxy.config.sizes import largest
from coverproxy.domain.errors import Unavailable, UnusableOriginal
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.decoder import Decoder
from coverproxy.originals.base import Catalogue, CatalogueTables
from coverproxy.originals.changes import Changes, changing
from coverproxy.originals.examine import OriginalRefused, measured, same_bytes, sketched
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.provenance import Provenance
from coverproxy.service.entry import SAME_BYTES, enter, known_refusal, without_row
from coverproxy.service.invalidate import Invalidator
from coverproxy.sources.base import Fetched, Validators

DAY_SECONDS = 86_400

MOMENT_SECONDS = 60
"""How long an original that must not be kept stays: other sizes on the page, and other workers, need it."""


_MOST_SAME = 1000
_JITTER = 0.1


@dataclass
class Aftermath:
    """What remains to do after the commit: files are removed only after the rows that name them."""

    discarded: list[Original] = field(default_factory=list)


class Ingestor:
    """Ingests what sources return. Every method blocks; safe in several threads and processes.

    `sources`: their settings by name. `now`: returns seconds since 1970. `chance`: returns a number from 0 to
    1.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        files: OriginalFiles,
        invalidator: Invalidator,
        sizes: Mapping[str, Size],
        limits: Limits,
        rules: Import,
        sources: Mapping[str, SourceConfig],
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._invalidator = invalidator
        self._sizes = sizes
        self._limits = limits
        self._rules = rules
        self._sources = sources
        self._now = now
        self._chance = chance

    def has(self, identifier: Identifier) -> bool:
        """Return whether an item has an original here that may be usable. Raises Unavailable."""
        return any(each.is_usable for each in self._catalogue.of_item(identifier))

    def sketch(self, identifier: Identifier, source: str, got: Fetched) -> Original:
        """Describe it without a decoder. Raises OriginalRefused, Unavailable."""
        original = sketched(got.body, identifier, self._rules)
        if refused := known_refusal(self._catalogue, original, self._rules):
            raise refused
        now = self._now()
        date = int(now) if got.date is None else got.date
        settings = self._sources.get(source)
        terms = settings.terms if settings else original.terms
        if terms.until is not None and terms.until <= now:
            raise OriginalRefused("terms", f"the pictures of {source} may not be shown any more")
        return replace(original, source=source, date=date, added=int(now * 1000), terms=terms)

    def is_same(self, row: Provenance, got: Fetched) -> bool:
        """Return whether a source returned the same bytes as before."""
        return hashlib.sha256(got.body).digest()[:DIGEST_BYTES] == row.digest

    def examine(self, sketch: Original, body: bytes, decoder: Decoder) -> Original:
        """Measure it, and decode all of it, once: truncated pictures are never kept.

        Refuses exactly what rendering would refuse later; nothing is scaled or encoded for it.
        Raises OriginalRefused, Unavailable.
        """
        try:
            source = self._sources.get(sketch.source)
            limits = source.limits(self._limits) if source else self._limits
            original = measured(sketch, body, decoder, limits)
            found = decoder.verify(body, largest(self._sizes.values()), self._limits)
        except UnusableOriginal as exc:
            raise OriginalRefused(exc.reason, str(exc)) from None
        return replace(original, detail=found.detail, content=found.content)

    def enter(self, original: Original, got: Fetched) -> Original:
        """Store it: its file, then its row, replacing what the same source returned before.

        Then the book's derivatives are outdated, so they are removed. Raises OriginalRefused if it proves to
        be "no image" art now that one more book has it; Unavailable.
        """
        aftermath = Aftermath()
        before = self._catalogue.provenance.of(original.identifier, original.source)
        self._place(original, got.body)
        with changing(self._catalogue, int(self._now())) as changes:
            refused = self._write(changes, original, before, got.validators, aftermath)
        self._finish(aftermath)
        if refused:
            raise refused
        return original

    def _place(self, original: Original, body: bytes) -> None:
        try:
            self._files.place(original, body, Path(), "copy")
        except OSError as exc:
            raise Unavailable(f"an original cannot be stored: {exc.strerror}") from exc

    def _write(
        self, changes: Changes, original: Original, before: Provenance | None, said: Validators,
        aftermath: Aftermath,
    ) -> OriginalRefused | None:  # fmt: skip
        """Write the rows; return why the bytes are refused, if they are."""
        tables = changes.tables
        if refused := known_refusal(tables, original, self._rules):  # found since it was examined
            aftermath.discarded += without_row(changes, original)
            return refused
        tables.provenance.put(self.provenance(original.identifier, original.source, original.digest, said))
        if refused := self._refuse_art(changes, original, aftermath):
            return refused
        others = changes.watch(original.identifier)
        _note_what_outstayed(tables, original, others, before)
        entry = enter(changes, original, self._rules, lambda old: _is_predecessor(old, original, before))
        aftermath.discarded += entry.discarded
        return entry.refused

    def _refuse_art(
        self, changes: Changes, original: Original, aftermath: Aftermath
    ) -> OriginalRefused | None:
        """Withdraw bytes that one source returned for many books: its way to say "no image"."""
        tables, most = changes.tables, max(_MOST_SAME, self._rules.same_bytes_isbns)
        same = tables.provenance.with_digest(original.digest, original.source, most)
        if len(same) < 2 or tables.decisions.is_admitted(original.digest):
            return None
        refused = same_bytes((each.identifier for each in same), self._rules, original.source)
        if refused is None:
            return None
        tables.refuse(original.digest, refused)
        held = tables.with_digest(original.digest, most)
        for book in {row.identifier for row in same} | {each.identifier for each in held}:
            changes.watch(book)
        for row in same:
            tables.provenance.remove(row)
        for each in held:
            tables.remove(each)
        aftermath.discarded += [original, *held]
        return OriginalRefused(SAME_BYTES, refused.reason)

    def _finish(self, aftermath: Aftermath) -> None:
        for original in aftermath.discarded:
            self._files.discard(original)
        self._invalidator.drop_stale()

    def provenance(self, identifier: Identifier, source: str, digest: bytes, said: Validators) -> Provenance:
        """Return when to revalidate it, and when to delete it, by its source's settings."""
        settings, now = self._sources[source], int(self._now())
        after = settings.recheck_after_seconds * (1 + _JITTER * (2 * self._chance() - 1))
        kept = {"always": None, "never": MOMENT_SECONDS}
        keep = settings.keep
        stay = kept[keep] if isinstance(keep, str) else keep * DAY_SECONDS
        return Provenance(
            identifier, source, digest, said.etag, said.modified,
            due=now + max(int(after), 1) if settings.recheck_after_seconds else None,
            keep_until=None if stay is None else now + stay,
        )  # fmt: skip

    def remove_outstayed(self, most: int = 100) -> int:
        """Remove originals that their source does not allow to keep any longer; return how many there were.

        Derivatives stay, and so does the row for checking whether the source has another picture.
        """
        rows = self._catalogue.provenance.outstayed(int(self._now()), most)
        for row in rows:
            with changing(self._catalogue, int(self._now()), keep_derivatives=True) as changes:
                tables, found = changes.tables, changes.watch(row.identifier)
                old = [each for each in found if (each.digest, each.source) == (row.digest, row.source)]
                for each in old:
                    tables.remove(each)
                tables.provenance.let_go(row)
            for each in old:
                self._let_go(each)
        return len(rows)

    def _let_go(self, original: Original) -> None:
        """Remove an original that must not be kept, everywhere unless another item has the same bytes."""
        if self._catalogue.with_digest(original.digest, 1):
            self._files.discard(original)
        else:
            self._files.forget(original)


def _is_predecessor(old: Original, new: Original, before: Provenance | None) -> bool:
    """Return whether a source returned *old* before, and no person chose or hid it."""
    is_what_it_gave = before is not None and (old.digest, old.source) == (before.digest, new.source)
    return is_what_it_gave and not old.is_decided


def _note_what_outstayed(
    tables: CatalogueTables, new: Original, others: list[Original], before: Provenance | None
) -> None:
    """Record that a book shows another picture; earlier versions removed the old one without a record."""
    if before is None or before.digest == new.digest or others:
        return
    if tables.last_shown(new.identifier) is None:
        tables.note_last_shown(new.identifier, before.digest, 0)
