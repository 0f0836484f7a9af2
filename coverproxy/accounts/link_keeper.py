"""Keeps the key links in line with the keys, and notices when the keys were lost."""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from math import inf

from coverproxy.accounts.nginx_links import KeyLinks
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.storage.ownership import described

_log = logging.getLogger(__name__)

_REPAIR_SECONDS = 30.0


class LinkKeeper:
    """Repairs the links when it is due: after every change, when a key expires, and periodically.

    A revoked key stays in the store, so a store without keys beside links was lost. `lost` says so: then no
    key is unknown for certain, and no link is touched, as nginx serves what it has.
    """

    def __init__(self, links: KeyLinks, now: Callable[[], float]) -> None:
        self.lost = ""
        self.fault = ""
        self._links = links
        self._now = now
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether the links should be repaired."""
        return self._now() >= self._due_at

    def change(self) -> None:
        """Note that keys changed: the links are due."""
        self._due_at = 0.0

    async def look(self, keys: Collection[Key]) -> bool:
        """Return whether keys that were read may be used; not where they were lost."""
        self.lost = "" if keys else await asyncio.to_thread(self._links.lost)
        return not self.lost

    async def repair(self, keys: Collection[Key]) -> None:
        """Make all links match *keys*, unless those were lost."""
        now = self._now()
        ends = (key.expires_at for key in keys if key.expires_at is not None and key.expires_at > now)
        self._due_at = min(now + _REPAIR_SECONDS, min(ends, default=inf))
        if self.lost:
            self._note_fault("keys are lost", self.lost)
            return
        try:
            await asyncio.to_thread(self._links.repair, keys, now)
        except OSError as exc:  # without a link nginx asks the app, so covers are still served
            self._note_fault("links of keys cannot be kept", f"links of keys: {described(exc)}")
            return
        self.fault = ""

    async def keep(self, key: Key) -> None:
        """Set the link of a key that was saved."""
        await asyncio.to_thread(self._links.keep, key, self._now())

    async def close(self) -> None:
        """Take all links away: the keys are not trusted any longer."""
        self._due_at = 0.0
        with suppress(OSError):
            await asyncio.to_thread(self._links.repair, (), self._now())

    async def refuse_if_lost(self) -> None:
        """Raise StoreUnavailable if the keys are lost: with one in the store, all others lose their links."""
        if self.lost and (lost := await asyncio.to_thread(self._links.lost)):
            raise StoreUnavailable(lost)

    def _note_fault(self, event: str, fault: str) -> None:
        if fault and fault != self.fault:
            _log.error(event, extra={"error": fault})
        self.fault = fault
