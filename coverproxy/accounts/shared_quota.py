"""A quota shared by strangers, such as the home page's: each address gets only a part of it."""

import contextlib
from collections.abc import Callable

from coverproxy.accounts.stores import RateLimiter
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import QuotaUsedUp, Unavailable

_SCOPE = "shared"
_DAY_SECONDS = 86_400


def part_of(limit: int) -> int:
    """Return the share of a day's quota for one address: a tenth, at least three covers, never all."""
    return max(1, min(limit - 1, max(3, limit // 10)))


class SharedQuota:
    """Limits each address to its share. `now` returns seconds since 1970.

    The empty address is unlimited: it stands for visitors with keys of their own. If the store cannot be
    written, nobody is limited here; the quota itself still applies.
    """

    def __init__(self, rates: RateLimiter, now: Callable[[], float]) -> None:
        self._rates = rates
        self._now = now

    async def take(self, key: Key, address: str) -> None:
        """Count one. Raises QuotaUsedUp, which concerns this address alone."""
        if not address:
            return
        name, part, wait = f"{key.counted_as} {address}", part_of(key.daily_limit), 0.0
        with contextlib.suppress(Unavailable):
            wait = await self._rates.take(_SCOPE, name, self._now(), part / _DAY_SECONDS, part)
        if wait > 0:
            raise QuotaUsedUp(name, wait)

    async def give_back(self, key: Key, address: str) -> None:
        """Uncount one that was not made."""
        if address:
            with contextlib.suppress(Unavailable):
                rate = part_of(key.daily_limit) / _DAY_SECONDS
                await self._rates.give_back(_SCOPE, f"{key.counted_as} {address}", rate)

    async def is_used_up(self, key: Key, address: str) -> bool:
        """Return whether this address has used its share."""
        try:
            await self.take(key, address)
        except QuotaUsedUp:
            return True
        await self.give_back(key, address)
        return False
