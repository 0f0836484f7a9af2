"""Originals that people contribute: examined, decoded and entered; shown at once, or after a review."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from coverproxy.config import Import
from coverproxy.domain.decisions import Act, Deed
from coverproxy.domain.errors import BadPicture, Unavailable
from coverproxy.domain.notice import Notice, NoticeKind, facts_of
from coverproxy.domain.original import NO_TERMS, Original, OriginalState, Terms
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.decoder import Decoder
from coverproxy.imaging.render_pool import INTERNAL
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import Changes, changing
from coverproxy.originals.examine import OriginalRefused, sketched
from coverproxy.originals.files import OriginalFiles
from coverproxy.originals.item_decisions import ItemDecisions
from coverproxy.service.curate import state_of
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.entry import enter
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.ingest import Ingestor
from coverproxy.service.invalidate import Invalidator
from coverproxy.service.notice_post import NO_POST, NoticePost
from coverproxy.storage import atomic, bounded_read

SOURCE = "upload"
"""The source of contributions that name none."""


_PREVIEW_SECONDS = 120.0
"""How long a pending picture causes no notice: its sender may still look at it, and take it back."""


class ContributionResult(StrEnum):
    """The result of a contribution."""

    SHOWN = "shown"
    LESSER = "lesser"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Contribution:
    """The details of a contributed picture: by whom, from where, under which terms, and why.

    `is_trusted`: show it at once; otherwise it waits for a review. `is_choice`: show it whatever else the
    book has, as a person's choice.
    """

    who: str
    source: str = SOURCE
    origin: str | None = None
    terms: Terms = NO_TERMS
    note: str = ""
    is_trusted: bool = False
    is_choice: bool = True


class Contributor:
    """Ingests contributions. Blocks, except take()."""

    def __init__(
        self,
        catalogue: Catalogue,
        files: OriginalFiles,
        invalidator: Invalidator,
        ingestor: Ingestor,
        rules: Import,
        most_bytes: int,
        now: Callable[[], float] = time.time,
        post: NoticePost = NO_POST,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._invalidator = invalidator
        self._ingestor = ingestor
        self._rules = rules
        self._most_bytes = most_bytes
        self._now = now
        self._post = post

    def read(self, path: Path, identifier: Identifier, said: Contribution) -> tuple[Original, bytes]:
        """Read a file and describe it without a decoder. Raises OriginalRefused, OSError."""
        limit = self._most_bytes
        body, _ = bounded_read.read(path, limit + 1)
        if len(body) > limit:
            raise OriginalRefused("bytes", f"more than {limit} bytes")
        now = self._now()
        original = replace(
            sketched(body, identifier, self._rules), date=int(now), added=int(now * 1000),
            source=said.source, origin=said.origin, who=said.who, terms=said.terms,
            state=None if said.is_trusted else OriginalState.PENDING,
        )  # fmt: skip
        return original, body

    def examine(self, sketch: Original, body: bytes, decoder: Decoder) -> Original:
        """Measure it, and decode all of it. Raises OriginalRefused, Unavailable."""
        try:
            return self._ingestor.examine(sketch, body, decoder)
        except OriginalRefused as exc:
            if exc.reason != "decode":
                raise
            why = f"the picture is damaged or cut off: save or send it again ({exc.detail})"
            raise OriginalRefused(exc.reason, why, exc.kind) from None

    def incoming(self) -> Path:
        """Return a name for an incoming file."""
        return self._files.incoming()

    def enter(self, original: Original, found: Path, said: Contribution) -> ContributionResult:
        """Store an examined original: its file, then its row; return the outcome.

        It replaces what the same person sent for the book before. Raises OriginalRefused, Unavailable.
        """
        try:
            self._files.place(original, b"", found, "link")
        except OSError as exc:
            raise Unavailable(f"an original cannot be stored: {exc.strerror}") from exc
        with changing(self._catalogue, int(self._now())) as changes:
            refused, discarded = self._write(changes, original, said)
            outcome = _outcome(changes, original)
            if outcome is ContributionResult.PENDING:
                self._post.put(changes.tables, _waits(original, said), hold=_PREVIEW_SECONDS)
        for each in discarded:
            self._files.discard(each)
        self._invalidator.drop_stale()
        if refused:
            raise refused
        return outcome

    def _write(
        self, changes: Changes, original: Original, said: Contribution
    ) -> tuple[OriginalRefused | None, list[Original]]:
        tables, book = changes.tables, original.identifier
        was = state_of(tables, book, changes.watch(book), new=original.digest)
        if said.is_trusted:  # a person's explicit act: it unhides the book, and these bytes
            decisions = ItemDecisions(tables, book)
            decisions.unhide(None)
            decisions.unhide(original.digest)
        entry = enter(changes, original, self._rules, partial(_is_own_earlier, new=original))
        if entry.refused:
            return entry.refused, entry.discarded
        if said.is_trusted:
            for each in tables.of_item(book):
                if each.digest == original.digest:
                    tables.decide(each, None, is_pinned=said.is_choice)
                elif said.is_choice and each.is_pinned:
                    tables.decide(each, each.state, is_pinned=False)
        can_undo = said.is_trusted and not entry.replaced  # what was replaced is gone
        deed = Deed(
            int(self._now()), said.who, Act.ADD, book, original.digest, said.source, said.origin, said.note,
            was if can_undo else None,
        )  # fmt: skip
        tables.decisions.log(deed)
        return None, entry.discarded


def _waits(original: Original, said: Contribution) -> Notice:
    """Return the notice for operators of a picture that waits for a review."""
    item, digest = original.identifier.listed, original.digest.hex()
    facts = facts_of(item=item, digest=digest, who=said.who, note=said.note or "–", path="/admin/review")
    once = f"{NoticeKind.UPLOAD_PENDING} {item} {digest} {original.added}"
    return Notice(NoticeKind.UPLOAD_PENDING, once, original.date, facts)


def _is_own_earlier(old: Original, *, new: Original) -> bool:
    """Return whether *old* is what the same person sent before; a shown original never makes way for a
    pending one.
    """
    is_own = (old.source, old.who) == (new.source, new.who)
    return is_own and (old.state is OriginalState.PENDING or (new.state is None and old.state is None))


def _outcome(changes: Changes, original: Original) -> ContributionResult:
    found = changes.tables.of_item(original.identifier)
    best = next((each for each in found if each.is_usable), None)
    mine = next((each for each in found if each.digest == original.digest), None)
    if mine is not None and mine.state is OriginalState.PENDING:
        return ContributionResult.PENDING
    return (
        ContributionResult.SHOWN
        if best is not None and best.digest == original.digest
        else ContributionResult.LESSER
    )


def add_file(
    contributor: Contributor, guard: DecodeGuard, path: Path, identifier: Identifier, said: Contribution
) -> ContributionResult:
    """Ingest a copy of the file at *path*; blocks. Raises OriginalRefused, OSError, Unavailable."""
    sketch, body = contributor.read(path, identifier, said)
    original = guard.decode_here(sketch, partial(contributor.examine, sketch, body))
    copy = contributor.incoming()
    try:
        atomic.write(copy, body, sync=True)
        return contributor.enter(original, copy, said)
    finally:
        copy.unlink(missing_ok=True)


async def take(
    contributor: Contributor, fetcher: OriginalFetcher, path: Path, identifier: Identifier, said: Contribution
) -> tuple[Original, ContributionResult]:
    """Ingest the file at *path*, decoding on the render threads. Raises BadPicture, Busy, Unavailable."""
    try:
        sketch, body = await fetcher.off_loop(partial(contributor.read, path, identifier, said))
        original = await fetcher.examine(INTERNAL, sketch, body)
        outcome = await fetcher.off_loop(partial(contributor.enter, original, path, said))
    except OriginalRefused as exc:
        raise BadPicture(exc.reason, exc.detail, exc.kind) from None
    except OSError as exc:
        raise Unavailable(f"an upload cannot be read: {exc.strerror}") from exc
    return original, outcome
