"""What keeps the service from giving out covers: a lost catalogue, a disk that is not there, a full one."""

from collections.abc import Callable

from coverproxy.accounts.accounts import Accounts
from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.threads import WorkerThreads
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.base import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.databases import DatabaseFiles
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.invalidate import Invalidator
from coverproxy.storage.ownership import described

_LOOKED_AT = 5
"""How many originals' files are looked for, to say whether their disk is there."""


class Health:
    """Looks for faults of the machine, in *threads*.

    *unheard*: says why other nodes' changes are not heard, or "".
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        files: OriginalFiles,
        cache: DiskCache,
        invalidator: Invalidator,
        guard: DecodeGuard,
        fetcher: OriginalFetcher,
        accounts: Accounts,
        databases: DatabaseFiles,
        unheard: Callable[[], str],
        threads: WorkerThreads,
    ) -> None:
        self._catalogue = catalogue
        self._files = files
        self._cache = cache
        self._invalidator = invalidator
        self._guard = guard
        self._fetcher = fetcher
        self._accounts = accounts
        self._databases = databases
        self._unheard = unheard
        self._threads = threads

    async def faults(self) -> dict[str, str]:
        """Return health faults by component; empty when healthy."""
        faults = await self._threads.run(self._found)
        if fault := await self._accounts.check():
            faults["keys"] = fault
        if fault := self._unheard():
            faults["nodes"] = fault
        return faults

    def lost(self) -> str:
        """Report an empty catalogue next to originals: it was lost, so its books are not "missing".

        Blocks. Raises StoreUnavailable.
        """
        if self._catalogue.totals()[0] or not self._files.is_used():
            return ""
        return "it is empty, but originals exist: restore it and restart, or import the originals' folder"

    def _gone(self) -> str:
        """Report if a sample of originals has no files: their disk is not mounted."""
        some = self._catalogue.sample(_LOOKED_AT)
        if not some or any(self._files.has(each) for each in some):
            return ""
        if self._files.objects is not None and self._files.objects.fault:
            return ""  # reported as such
        return (
            f"none of {len(some)} checked exist, such as {self._files.path(some[0])}: is a disk not mounted?"
        )

    def _found(self) -> dict[str, str]:
        faults: dict[str, str] = {}
        try:
            self._catalogue.ping()
            found = {
                "catalogue": self.lost(),
                "originals": self._gone() or self._not_taken_in(),
                "replaced": self._not_removed(),
            }
            faults |= {name: what for name, what in found.items() if what}
        except StoreUnavailable as exc:
            faults["catalogue"] = str(exc)
        try:
            self._cache.probe()
        except OSError as exc:
            faults["cache"] = f"it cannot be written: {described(exc)}"
        if fault := self._guard.fault():
            faults["render"] = fault
        faults |= self._databases.faults()
        if fault := self._away():
            faults["objects"] = fault
        return faults

    def _away(self) -> str:
        """Report an object store that does not answer. One that is left alone is asked when it is time."""
        if self._files.objects is None:
            return ""
        try:
            self._files.objects.probe()
        except StoreUnavailable as exc:
            return str(exc)
        return ""

    def _not_removed(self) -> str:
        """Retry removals that failed when their book changed; report those that still fail."""
        if not self._catalogue.stale(most=1):
            return ""
        return self._invalidator.drop_stale()

    def _not_taken_in(self) -> str:
        """Report if originals from sources cannot be stored."""
        if not self._fetcher.has_sources:  # without sources, an original is only read
            return ""
        try:
            self._files.probe()
        except OSError as exc:
            return f"none can be stored: {described(exc)}"
        return ""
