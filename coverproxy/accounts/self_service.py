"""How people get keys: requested on the key page, approved, changed and replaced."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from coverproxy.accounts.accounts import Accounts
from coverproxy.accounts.stores import KeyStore, RateLimiter
from coverproxy.config import Signup
from coverproxy.domain.api_key import (
    KEY_ROLES,
    Key,
    KeyRole,
    NoCoverChoice,
    NoCoverWord,
    abridged,
    hashed,
    is_host,
    name_from,
    new_name,
    new_secret,
    secret_from,
)
from coverproxy.domain.errors import KeyRequestReason, KeyRequestRefused, UnknownKey
from coverproxy.domain.item_title import tidy

MOST_LABEL, MOST_CONTACT, MOST_SITES = 80, 120, 20

DAY_SECONDS = 86_400
MOST_KEPT_SECONDS = 90 * DAY_SECONDS
"""Longest time that an old key keeps working after its replacement."""

_NOBODY = "nobody@example.invalid"
"""Stands for no contact while the other fields of an administrator's wish are read."""

_log = logging.getLogger(__name__)

_CONTACT = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[^\s@<>\"']+|https?://[^\s<>\"']+\.[^\s<>\"']+")


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key request, raw or validated by read()."""

    label: str
    contact: str
    site: str = ""
    is_bound: bool = False
    role: str = "browser"

    def read(self) -> "KeyWish":
        """Return it validated and normalised. Raises KeyRequestRefused("field", which) for invalid values."""
        label, contact, site = tidy(self.label), tidy(self.contact), host_of(self.site)
        if not label or len(label) > MOST_LABEL:
            raise KeyRequestRefused(KeyRequestReason.FIELD, "label")
        if not _CONTACT.fullmatch(contact) or len(contact) > MOST_CONTACT:
            raise KeyRequestRefused(KeyRequestReason.FIELD, "contact")
        if (tidy(self.site) or self.is_bound) and not is_host(site):
            raise KeyRequestRefused(KeyRequestReason.FIELD, "site")
        if self.role not in KEY_ROLES:
            raise KeyRequestRefused(KeyRequestReason.FIELD, "role")
        return KeyWish(label, contact, site, self.is_bound, self.role)

    @property
    def asked_role(self) -> KeyRole | Literal[""]:
        """The role that the operator is to decide on; "": the usual one, which nobody needs to allow."""
        return next((role for role in KEY_ROLES if role == self.role != "browser"), "")


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """An issued key. `word` is its owner's secret, shown only now."""

    key: Key
    word: str


class KeySelfService:
    """Issues and changes keys. `now` returns seconds since 1970."""

    def __init__(
        self,
        accounts: Accounts,
        keys: KeyStore,
        rates: RateLimiter,
        config: Signup,
        daily_limit: int,
        now: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._keys = keys
        self._rates = rates
        self._daily_limit = daily_limit
        self._now = now
        self.config = config

    async def give(self, wish: KeyWish, address: str, seeds: tuple[bytes, bytes] | None = None) -> KeyRequest:
        """Issue a key for a request from *address*: usable at once, or waiting for approval.

        *seeds*: random bytes from which the names of the key and of its owner's secret derive, so that a form
        sent twice yields one key. Raises KeyRequestRefused: "closed", "field", "address", "contact", "day";
        and Unavailable.
        """
        if self.config.mode == "closed":
            raise KeyRequestRefused(KeyRequestReason.CLOSED)
        asked = wish.read()
        name, word = _names(seeds)
        if seeds and (known := await self._given(name, word)):
            return KeyRequest(known, word)
        if await self.wait("signup", address):
            raise KeyRequestRefused(KeyRequestReason.ADDRESS)
        await self._enter(name, asked.contact)
        key = replace(
            _key(name, word, asked, self._daily_limit, self._now()),
            is_waiting=self.config.mode == "approve",
            asked_role=asked.asked_role,
        )
        await self._accounts.save(key)
        _log.info("a key was requested", extra={"key": abridged(name), "mode": self.config.mode})
        return KeyRequest(key, word)

    async def _enter(self, name: str, contact: str) -> None:
        """Enter a request, within the bounds of a day and of a contact. Raises KeyRequestRefused."""
        now = self._now()
        full = await self._keys.enter(
            name, contact.casefold(), now, now - DAY_SECONDS, self.config.keys_per_day,
            self.config.keys_per_contact,
        )  # fmt: skip
        if full:
            raise KeyRequestRefused(KeyRequestReason(full))

    async def create(self, wish: KeyWish, daily_limit: int, seeds: tuple[bytes, bytes] | None) -> KeyRequest:
        """Issue a key as an administrator wishes: it works at once, in its role, whatever `signup` says.

        The contact may be left out. *seeds*: as in give(). Raises KeyRequestRefused("field"), Unavailable.
        """
        asked = wish.read() if wish.contact.strip() else replace(wish, contact=_NOBODY).read()
        name, word = _names(seeds)
        if seeds and (known := await self._given(name, word)):
            return KeyRequest(known, word)
        key = replace(
            _key(name, word, asked, daily_limit, self._now()),
            contact="" if asked.contact == _NOBODY else asked.contact,
            role=asked.asked_role or "browser",
        )
        await self._accounts.save(key)
        _log.info("an administrator created a key", extra={"key": abridged(name)})
        return KeyRequest(key, word)

    async def _given(self, name: str, word: str) -> Key | None:
        """Return the key that the same form has yielded before."""
        try:
            key = await self._accounts.known(name)
        except UnknownKey:
            return None
        return key if key.is_owned_with(word) else None

    async def wait(self, scope: str, address: str) -> float:
        """Allow one more try, with a limit per hour and address: 0.0, or the seconds until the next."""
        tries = self.config.tries_per_hour
        return await self._rates.take(scope, address, self._now(), tries / 3600, tries)

    async def owned(self, name: str, word: str, address: str) -> Key:
        """Return the key if *word* is its owner's secret.

        Raises KeyRequestRefused("address", "owner"), UnknownKey.
        """
        key = await self._accounts.known(name)
        if await self.wait("owner", address):
            raise KeyRequestRefused(KeyRequestReason.ADDRESS)
        if not key.is_owned_with(word):
            raise KeyRequestRefused(KeyRequestReason.OWNER)
        return key

    async def settle(self, key: Key, sites: tuple[str, ...], no_cover: str) -> Key:
        """Bind a key to sites, and set what it shows where a book has no cover.

        Raises KeyRequestRefused("field").
        """
        if len(sites) > MOST_SITES or not all(map(is_host, sites)):
            raise KeyRequestRefused(KeyRequestReason.FIELD, "sites")
        changed = with_choice(replace(key, sites=sites), no_cover)
        await self._accounts.save(changed)
        return changed

    async def rotate(self, key: Key, keep_seconds: int) -> Key:
        """Issue a replacement: both keys work for *keep_seconds*, and share one quota.

        Raises KeyRequestRefused: "inactive", or "rotated" while a key replaced earlier still works.
        """
        return await rotated(self._accounts, key, keep_seconds)

    async def refuse(self, key: Key) -> None:
        """Reject a waiting key; its contact may ask again."""
        await self._accounts.save(replace(key, revoked_at=key.revoked_at or int(self._now())))
        await self._keys.leave(key.name)


def _names(seeds: tuple[bytes, bytes] | None) -> tuple[str, str]:
    """Return the name of a key and its owner's secret: new ones, or those that *seeds* always yield."""
    return (name_from(seeds[0]), secret_from(seeds[1])) if seeds else (new_name(), new_secret())


def _key(name: str, word: str, asked: KeyWish, daily_limit: int, now: float) -> Key:
    """Return a new key as it was asked for."""
    return Key(
        name, asked.label, daily_limit, sites=(asked.site,) if asked.is_bound else (), created_at=int(now),
        contact=asked.contact, owner=hashed(word), site=asked.site,
    )  # fmt: skip


async def rotated(accounts: Accounts, key: Key, keep_seconds: int) -> Key:
    """See KeySelfService.rotate()."""
    now = accounts.now()
    if not key.is_active(now):
        raise KeyRequestRefused(KeyRequestReason.INACTIVE)
    alike = [each for each in accounts.all() if each.counted_as == key.counted_as]
    if sum(each.is_active(now) for each in alike) > 1:
        raise KeyRequestRefused(KeyRequestReason.ROTATED)
    new = replace(key, name=new_name(), account=key.counted_as, created_at=int(now))
    ends = int(now) + min(max(keep_seconds, 0), MOST_KEPT_SECONDS)
    await accounts.save(new)  # first: a crash in between leaves two working keys, not none
    await accounts.save(replace(key, expires_at=min(ends, key.expires_at or ends)))
    return new


def approved(key: Key, role: KeyRole | None = None) -> Key:
    """Return the key as it is approved: in *role*, else in the one that was asked for."""
    return replace(
        key, is_waiting=False, revoked_at=None, role=role or key.asked_role or key.role, asked_role=""
    )


def with_choice(key: Key, choice: str) -> Key:
    """Return the key with another choice for books without a cover.

    "404" makes the key strict: errors are errors. Raises KeyRequestRefused("field").
    """
    if choice == "404":
        return replace(key, strict=True, no_cover="gif")
    picture: dict[str, NoCoverChoice] = {"gif": "gif", "card": "card", "own": "own"}
    if choice not in picture:
        raise KeyRequestRefused(KeyRequestReason.FIELD, "no_cover")
    return replace(key, strict=False, no_cover=picture[choice])


def choice_of(key: Key) -> NoCoverWord:
    """Return the choice in the form that with_choice() takes."""
    return "404" if key.strict else key.no_cover


def host_of(text: str) -> str:
    """Return the host of a site, typed as a host or as the address of a page."""
    site = tidy(text).lower()
    try:
        host = urlsplit(site if "//" in site else f"//{site}").hostname or ""
        return host if host.isascii() else host.encode("idna").decode()
    except ValueError:  # UnicodeError is one
        return ""


def site_as_typed(text: str) -> str:
    """Normalise a site as typed; an invalid one is returned unchanged, to be refused."""
    wild = text.startswith("*.")
    host = host_of(text.removeprefix("*."))
    return (f"*.{host}" if wild else host) if host else text[:100]
