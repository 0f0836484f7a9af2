"""What keeps the service from giving out covers: a lost catalogue, a disk that is not there, a full one."""

from dataclasses import dataclass

from coverproxy.cache.disk import DiskCache
from coverproxy.concurrency.file_locks import FileLocks
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.originals.base import Catalogue
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.decode_guard import DecodeGuard
from coverproxy.service.fetch_original import OriginalFetcher
from coverproxy.service.invalidate import drop_stale
from coverproxy.storage.ownership import described

_LOOKED_AT = 5
"""How many originals' files are looked for, to say whether their disk is there."""


@dataclass(frozen=True)
class Faults:
    """Looks for faults of the machine. Every method blocks."""

    cache: DiskCache
    stripes: FileLocks
    catalogue: Catalogue
    files: OriginalFiles
    guard: DecodeGuard
    asking: OriginalFetcher
    sizes: tuple[str, ...]

    def lost(self) -> str:
        """Report an empty catalogue next to originals: it was lost, so its books are not "missing"."""
        if self.catalogue.totals()[0] or not self.files.is_used():
            return ""
        return "it is empty, but originals exist: restore it and restart, or import the originals' folder"

    def _gone(self) -> str:
        """Report if a sample of originals has no files: their disk is not mounted."""
        some = self.catalogue.sample(_LOOKED_AT)
        if not some or any(self.files.has(each) for each in some):
            return ""
        if self.files.objects is not None and self.files.objects.fault:
            return ""  # reported as such
        return (
            f"none of {len(some)} checked exist, such as {self.files.path(some[0])}: is a disk not mounted?"
        )

    def found(self) -> dict[str, str]:
        """Return faults by component. Blocks."""
        faults: dict[str, str] = {}
        try:
            self.catalogue.ping()
            found = {
                "catalogue": self.lost(),
                "originals": self._gone() or self._not_taken_in(),
                "replaced": self._not_removed(),
            }
            faults |= {name: what for name, what in found.items() if what}
        except StoreUnavailable as exc:
            faults["catalogue"] = str(exc)
        try:
            self.cache.probe()
        except OSError as exc:
            faults["cache"] = f"it cannot be written: {described(exc)}"
        if fault := self.guard.fault():
            faults["render"] = fault
        if fault := self._away():
            faults["objects"] = fault
        return faults

    def _away(self) -> str:
        """Report an object store that does not answer. One that is left alone is asked when it is time."""
        if self.files.objects is None:
            return ""
        try:
            self.files.objects.probe()
        except StoreUnavailable as exc:
            return str(exc)
        return ""

    def _not_removed(self) -> str:
        """Retry removals that failed when their book changed; report those that still fail."""
        if not self.catalogue.stale(most=1):
            return ""
        return drop_stale(self.catalogue, self.cache, self.stripes, self.sizes)

    def _not_taken_in(self) -> str:
        """Report if originals from sources cannot be stored."""
        if not self.asking.states():  # without sources, an original is only read
            return ""
        try:
            self.files.probe()
        except OSError as exc:
            return f"none can be stored: {described(exc)}"
        return ""
