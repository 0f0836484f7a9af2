"""Links between identifiers: made and removed by people and lists, and mirrored on disk."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from coverproxy import log
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.errors import TooMany
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.originals import linking
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import changing
from coverproxy.service.invalidate import Invalidator

_log = logging.getLogger(__name__)

_BATCH = 1000

_ROWS = 256
"""Rows linked per transaction: other writers wait no longer than these take."""


def lead(catalogue: Catalogue, cache: DiskCache, stripes: FileLocks, name: Spec, item: Spec) -> None:
    """Link a name to its item's derivative on disk, so that nginx finds it there. Blocks.

    MUST check again under the name's lock: unlinking purges under it, after writing the catalogue.
    """
    try:
        with stripes.held(str(name)):
            if catalogue.aliases.item(name.identifier) == item.identifier:
                cache.lead(name, item)
    except OSError as exc:  # the app still answers
        log.fault(_log, "a cover's other name cannot be written", exc, spec=str(name))


class Linker:
    """Links identifiers for people and lists. Every method blocks, and takes effect in all processes at once.

    Raises StoreUnavailable.
    """

    def __init__(
        self, catalogue: Catalogue, invalidator: Invalidator, now: Callable[[], float] = time.time
    ) -> None:
        self._catalogue = catalogue
        self._invalidator = invalidator
        self._now = now

    def names(self, identifier: Identifier) -> tuple[Identifier, ...]:
        """Return all names of the item that *identifier* names."""
        return self._catalogue.aliases.names(identifier)

    def link(self, identifiers: Sequence[Identifier]) -> Identifier:
        """Make identifiers name one item; return it. Raises TooMany."""
        with changing(self._catalogue, int(self._now())) as changes:
            item = linking.link(changes, identifiers)
        self._invalidator.drop_stale()
        return item

    def unlink(self, name: Identifier) -> tuple[Identifier, ...]:
        """Unlink an identifier, so that it names only itself; return what it was linked to."""
        with changing(self._catalogue, int(self._now())) as changes:
            others = linking.unlink(changes, name)
        self._invalidator.drop_stale()
        return others

    def links(self) -> Iterator[tuple[Identifier, Identifier]]:
        """Yield every link, as (name, item)."""
        last: Identifier | None = None
        while batch := self._catalogue.aliases.after(last, _BATCH):
            yield from batch
            last = batch[-1][0]

    def link_all(self, rows: Iterable[Sequence[Identifier]]) -> Iterator[str]:
        """Link the identifiers of each row, many rows per transaction; yield per row why not, or ""."""
        waiting = iter(rows)
        while batch := list(islice(waiting, _ROWS)):
            told: list[str] = []
            with changing(self._catalogue, int(self._now())) as changes:
                for row in batch:
                    try:
                        linking.link(changes, row)
                        told.append("")
                    except TooMany as exc:
                        told.append(str(exc))
            self._invalidator.drop_stale()
            yield from told
