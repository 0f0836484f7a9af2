"""The pace of automated clients: how fast each account gets new covers, by its key's role."""

import contextlib
from collections.abc import Callable

from coverproxy.accounts.stores import RateLimiter
from coverproxy.accounts.visitor import Visitor
from coverproxy.config import Automated, Pace, Roles
from coverproxy.domain.api_key import KeyRole
from coverproxy.domain.errors import TooFast, Unavailable

_SCOPE = "automated {role}"
"""Scope of the rate limit for automated clients: each role has its own, so that a new one holds at once."""


class RolePaces:
    """Lets automated clients pass at the pace of their key's role. `now` gives seconds since 1970.

    A rate limiter that cannot be written blocks nobody.
    """

    def __init__(
        self, rates: RateLimiter, automated: Automated, roles: Roles, now: Callable[[], float]
    ) -> None:
        self._rates = rates
        self._now = now
        self._paces: dict[KeyRole, Pace] = {
            "browser": automated, "server": roles.server, "batch": roles.batch,
        }  # fmt: skip

    async def take(self, visitor: Visitor) -> None:
        """Let one new cover pass. Raises TooFast."""
        if not visitor.is_automated:
            return
        account, role = visitor.key.counted_as, visitor.key.role
        pace, wait = self._paces[role], 0.0
        with contextlib.suppress(Unavailable):
            scope = _SCOPE.format(role=role)
            wait = await self._rates.take(scope, account, self._now(), pace.covers_per_second, pace.burst)
        if wait > 0:
            raise TooFast(account, wait)

    async def give_back(self, visitor: Visitor) -> None:
        """Undo one that got nothing."""
        if visitor.is_automated:
            account, role = visitor.key.counted_as, visitor.key.role
            with contextlib.suppress(Unavailable):
                rate = self._paces[role].covers_per_second
                await self._rates.give_back(_SCOPE.format(role=role), account, rate)
