"""Watches keys, quotas, sources and the service's health, and sends notices of what changed."""

import asyncio
import logging
import platform
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import date

from coverproxy import log
from coverproxy.accounts.accounts import Accounts
from coverproxy.domain.api_key import Key, abridged
from coverproxy.domain.errors import CoverError, StoreUnavailable
from coverproxy.domain.notice import Notice, NoticeKind, facts_of
from coverproxy.originals.base import Catalogue
from coverproxy.service.notice_post import NoticePost

_log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
HEALTH_EVERY = 5
"""Health and sources are looked at in every fifth look."""

RECENT_SECONDS = 90 * 86_400
"""Keys that were asked for longer ago cause no notice."""

_MOST_SEEN = 100_000

Told = tuple[Notice, str]
"""A notice, and the address of the person whom it concerns."""


class NoticeWatch:
    """Looks, in each process. `health`: the faults by component. `sources`: the breakers' states by source.

    `is_leader`: whether this process watches its machine's health. `direct`: notifies operators without the
    list, whose store may be the fault, and returns whether anybody took it.
    """

    def __init__(
        self, post: NoticePost, catalogue: Catalogue, accounts: Accounts,
        health: Callable[[], Awaitable[dict[str, str]]], sources: Callable[[], Mapping[str, str]],
        is_leader: Callable[[], bool], direct: Callable[[Notice], Awaitable[bool]],
    ) -> None:  # fmt: skip
        self._post, self._catalogue, self._accounts = post, catalogue, accounts
        self._health, self._sources, self._is_leader, self._direct = health, sources, is_leader, direct
        self._seen: set[str] = set()
        self._settled: set[str] = set()
        self._down_since: dict[str, float] = {}
        self._told_down: set[str] = set()
        self._node = platform.node() or "this machine"
        self._bad_since: float | None = None
        self._was_direct = False

    async def run(self) -> None:
        """Run forever; without recipients it does nothing."""
        if not self._post.is_on:
            await asyncio.Event().wait()
        look = 0
        while True:
            try:
                await self.look_at_keys()
                if look % HEALTH_EVERY == 0:
                    await self.look_at_sources()
                    await self.look_at_health()
            except (CoverError, OSError) as exc:
                log.fault(_log, "notices cannot be entered", exc)
            look += 1
            await asyncio.sleep(LOOK_SECONDS)

    async def look_at_keys(self) -> None:
        """Tell of keys that were asked for or approved, and of quotas. Raises StoreUnavailable."""
        now, today = self._accounts.now(), self._accounts.today()
        for key in self._accounts.all():
            for notice, mail in self._of_quota(key, today):
                await self._tell(notice, mail)
            if key.contact and not key.account and now - key.created_at < RECENT_SECONDS:
                await self._look_at_request(key, int(now))

    def _of_quota(self, key: Key, today: date) -> Iterator[Told]:
        accounts = self._accounts
        if not key.is_active(accounts.now()) or accounts.counted_today(key) is None:
            return
        kind = quota_kind(accounts.made_today(key), key.daily_limit)
        once = f"{kind} {key.counted_as} {today}"
        if kind and once not in self._seen:  # every key is looked at every two seconds
            facts = facts_of(
                label=key.label, key=abridged(key.name), limit=key.daily_limit,
                path=f"/devkey/{key.name}/usage",
                resets=f"{accounts.allowance(key).resets_at:%Y-%m-%d %H:%M %Z}",
            )  # fmt: skip
            yield Notice(kind, once, int(accounts.now()), facts), key.contact

    async def _look_at_request(self, key: Key, now: int) -> None:
        """Tell the operators that a key was asked for, and its owner that it was approved."""
        is_waiting, name = key.is_waiting and key.revoked_at is None, f"key {key.name}"
        if key.name in self._settled or (is_waiting and name in self._seen):
            return
        facts = facts_of(
            label=key.label, key=abridged(key.name), contact=key.contact, site=key.site or "–",
            state="waiting" if key.is_waiting else "issued", role=key.asked_role or key.role, path="/admin",
        )  # fmt: skip
        await self._tell(Notice(NoticeKind.KEY_ASKED, f"key-asked {key.name}", now, facts), "")
        turn = self._catalogue.notices.turn
        if is_waiting:
            await asyncio.to_thread(turn, name, "waiting")
            self._seen.add(name)
            return
        if key.is_active(now) and await asyncio.to_thread(turn, name, "approved", "approved"):
            facts |= {"path": f"/devkey/{key.name}/usage"}
            approved = Notice(NoticeKind.KEY_APPROVED, f"key-approved {key.name}", now, facts)
            await self._tell(approved, key.contact)
        self._settled.add(key.name)

    async def _tell(self, notice: Notice, mail: str) -> None:
        if notice.once in self._seen:
            return
        await asyncio.to_thread(lambda: self._post.put(self._catalogue, notice, mail=mail))
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        self._seen.add(notice.once)

    async def look_at_sources(self) -> None:
        """Tell that a source is down for a while, and that it is back. Raises StoreUnavailable.

        Each process has its own breakers: the first that sees a source down tells it, and one that had seen
        it down tells that it is back.
        """
        now = time.monotonic()
        for name, state in self._sources().items():
            if state == "closed":
                self._down_since.pop(name, None)
                if name in self._told_down:
                    await self._turn_source(name, "up", NoticeKind.SOURCE_BACK)
                    self._told_down.discard(name)
                continue
            since = self._down_since.setdefault(name, now)
            if now - since >= self._post.rules.after_seconds and name not in self._told_down:
                await self._turn_source(name, "down", NoticeKind.SOURCE_DOWN)
                self._told_down.add(name)

    async def _turn_source(self, name: str, state: str, kind: NoticeKind) -> None:
        if await asyncio.to_thread(self._catalogue.notices.turn, f"source {name}", state, "up"):
            now = int(self._accounts.now())
            facts = facts_of(source=name, path="/status")
            await self._tell(Notice(kind, f"{kind} {name} {now}", now, facts), "")

    async def look_at_health(self) -> None:
        """Tell that this machine is not ready for a while, and that it is ready again."""
        if not self._is_leader():
            return
        faults, now = await self._health(), time.monotonic()
        self._bad_since = (self._bad_since or now) if faults else None
        is_bad = self._bad_since is not None and now - self._bad_since >= self._post.rules.after_seconds
        if is_bad or not faults:
            await self._turn_health(faults)

    async def _turn_health(self, faults: Mapping[str, str]) -> None:
        """Tell what changed; without the list where that cannot be written."""
        now, kind = int(self._accounts.now()), NoticeKind.NOT_READY if faults else NoticeKind.READY
        why = "; ".join(f"{name}: {text}" for name, text in faults.items())
        facts = facts_of(node=self._node, why=why, path="/status")
        notice = Notice(kind, f"{kind} {self._node} {now}", now, facts)
        state = "no" if faults else "yes"
        try:
            turned = await asyncio.to_thread(
                self._catalogue.notices.turn, f"ready {self._node}", state, "yes"
            )
            if turned or (self._was_direct and not faults):
                await self._tell(notice, "")
            self._was_direct = self._was_direct and bool(faults)
        except StoreUnavailable:
            if faults and not self._was_direct:
                self._was_direct = await self._direct(notice)


def quota_kind(made: int, limit: int) -> NoticeKind | None:
    """Return the notice for a key by the covers that it has made, and may make."""
    if not limit:
        return None  # it may make none at all, as its owner knows
    if made >= limit:
        return NoticeKind.QUOTA_100
    return NoticeKind.QUOTA_80 if made * 100 >= limit * 80 else None
