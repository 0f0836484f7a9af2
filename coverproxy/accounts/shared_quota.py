"""A quota that strangers share, as the home page's: one address gets a part of it, and leaves the rest."""

import contextlib
from collections.abc import Callable

from coverproxy.accounts.stores import RateLimiter
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import QuotaExceeded, Unavailable

_SCOPE = "shared"
_DAY_SECONDS = 86_400


def part_of(limit: int) -> int:
    """Return how much of a day's quota one address may use: a tenth, three covers at least, never all."""
    return max(1, min(limit - 1, max(3, limit // 10)))


class SharedQuota:
    """Holds each address to its part. `now` gives seconds since 1970.

    The empty address has no bound: it is that of visitors who have keys of their own. A store that cannot be
    written holds nobody back, as the quota itself still does.
    """

    def __init__(self, rates: RateLimiter, now: Callable[[], float]) -> None:
        self._rates = rates
        self._now = now

    async def take(self, key: Key, address: str) -> None:
        """Count one. Raises QuotaExceeded, which concerns this address alone."""
        if not address:
            return
        name, part, wait = f"{key.counted_as} {address}", part_of(key.daily_limit), 0.0
        with contextlib.suppress(Unavailable):
            wait = await self._rates.take(_SCOPE, name, self._now(), part / _DAY_SECONDS, part)
        if wait > 0:
            raise QuotaExceeded(name, wait)

    async def give_back(self, key: Key, address: str) -> None:
        """Uncount one that came to nothing."""
        if address:
            with contextlib.suppress(Unavailable):
                rate = part_of(key.daily_limit) / _DAY_SECONDS
                await self._rates.give_back(_SCOPE, f"{key.counted_as} {address}", rate)

    async def is_used_up(self, key: Key, address: str) -> bool:
        """Say whether this address has used its part."""
        try:
            await self.take(key, address)
        except QuotaExceeded:
            return True
        await self.give_back(key, address)
        return False
