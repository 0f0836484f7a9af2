"""The secret that signs forms and sessions: one for all processes."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from coverproxy.accounts.stores import KeyStore
from coverproxy.concurrency.background import beside
from coverproxy.domain.errors import Unavailable

_EVERY_SECONDS = 1.0


class SigningSecret:
    """The secret from the store, or this process's own until the store can be read.

    Until then other processes reject a form that this one signed. That does no harm: without the store no
    form can be processed.
    """

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self.value = secrets.token_bytes(32)

    async def load(self) -> None:
        """Take the stored secret, or store ours if there is none. Raises Unavailable."""
        self.value = await self._store.secret(self.value)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Load it now, or as soon as the store can be read."""
        try:
            await self.load()
        except Unavailable:
            async with beside(self._load_later()):
                yield
        else:
            yield

    async def _load_later(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            with contextlib.suppress(Unavailable):
                return await self.load()
