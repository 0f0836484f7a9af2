"""Derivatives removed, in step with whoever is making one."""

from collections.abc import Iterable

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.originals.base import Catalogue


def purge(cache: DiskCache, stripes: FileLocks, sizes: Iterable[str], identifier: Identifier) -> int:
    """Remove every derivative of *identifier*, in step with whoever is making one. Blocks.

    MUST hold each spec's stripe once: a maker that looked the originals up before they changed has stored
    its file by the time we get the lock, so it is removed too.
    """
    for size in sizes:
        for form in Format:
            with stripes.held(str(Spec(identifier, size, form))):
                pass
    return cache.purge(identifier)


def drop_stale(catalogue: Catalogue, cache: DiskCache, stripes: FileLocks, sizes: Iterable[str]) -> None:
    """Remove the derivatives of every book that the catalogue has marked as changed. Blocks."""
    while stale := catalogue.stale(most=1000):
        for identifier in stale:
            purge(cache, stripes, sizes, identifier)
        catalogue.unmark_stale(stale)
