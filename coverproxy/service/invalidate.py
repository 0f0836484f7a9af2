"""Removes derivatives, in step with processes that make them."""

import logging
from collections.abc import Iterable

from coverproxy import log
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.counted import counted
from coverproxy.domain.formats import Format
from coverproxy.domain.original import shown
from coverproxy.domain.shown_change import ChangeKind, ShownChange
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.originals.base import Catalogue
from coverproxy.storage.ownership import described

_log = logging.getLogger(__name__)

_BATCH = 1000
_MOST_STUCK = 10_000
"""If this many cannot be removed, none can: the cache is another user's, or read-only."""


class Invalidator:
    """Removes derivatives of the given *sizes*. Every method blocks."""

    def __init__(
        self, catalogue: Catalogue, cache: DiskCache, stripes: FileLocks, sizes: Iterable[str]
    ) -> None:
        self._catalogue = catalogue
        self._cache = cache
        self._stripes = stripes
        self._sizes = tuple(sizes)

    def _purge(self, identifier: Identifier) -> int:
        """Remove every derivative of *identifier*, in step with makers.

        MUST hold each spec's lock once: a maker that looked up the originals before they changed has stored
        its file by the time we get the lock, so it is removed too.
        """
        for size in self._sizes:
            for form in Format:
                with self._stripes.held(str(Spec(identifier, size, form))):
                    pass
        return self._cache.purge(identifier)

    def purge_item(self, identifier: Identifier) -> int:
        """Remove every derivative of the item that *identifier* names, under all its names.

        It is noted first, so that other nodes remove theirs, and one that is interrupted is finished later.
        """
        names = self._catalogue.aliases.names(identifier)
        for name in names:
            self._catalogue.mark_stale(name)
        removed = sum(self._purge(name) for name in names)
        self._catalogue.unmark_stale(names)
        return removed

    def purge_by_hand(self, identifier: Identifier, at: int) -> int:
        """Do what purge_item() does at a person's request, and report it to clients that keep covers.

        Return how many files went. *at*: seconds since 1970.
        """
        # local files first, to count them: once the purge is noted, the follower removes them as well
        removed = sum(map(self._cache.purge, self._catalogue.aliases.names(identifier)))
        removed += self.purge_item(identifier)
        with self._catalogue.writing() as tables:
            best = next(iter(shown(tables.of_item(identifier))), None)
            digest = best.digest if best else None
            tables.changed.note(ShownChange(at, tables.aliases.item(identifier), ChangeKind.PURGED, digest))
        return removed

    def drop_stale(self) -> str:
        """Remove the derivatives of every book that the catalogue has marked stale.

        Return what could not be removed, or "". Such a book stays marked and is retried next time; until then
        its old cover is shown. It stops neither the others nor the caller, and is logged once a minute.
        """
        stuck: dict[Identifier, str] = {}
        while len(stuck) < _MOST_STUCK:
            stale = [each for each in self._catalogue.stale(_BATCH + len(stuck)) if each not in stuck]
            if not stale:
                break
            for identifier in stale:
                try:
                    self.purge_item(identifier)
                except OSError as exc:
                    stuck[identifier] = described(exc)
            self._catalogue.unmark_stale(each for each in stale if each not in stuck)
        if not stuck:
            return ""
        identifier, why = next(iter(stuck.items()))
        books = counted(len(stuck), "book")
        told = f"old covers of {books} cannot be removed, such as {identifier.value}: {why}"
        log.fault(_log, "old covers cannot be removed", why, of="stale", books=len(stuck))
        return told
