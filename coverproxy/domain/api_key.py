"""A developer key: the account that covers are counted for, and what it may do."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from coverproxy.domain.editions import Relation

NoCoverChoice = Literal["gif", "card", "own"]
"""What to show where a book has no cover: the 1×1 GIF, a drawn card, or the operator's own picture."""

NoCoverWord = Literal["gif", "404", "card", "own"]
"""The same as a person says it: "404" stands for a strict key."""

NO_COVER_CHOICES: tuple[NoCoverChoice, ...] = get_args(NoCoverChoice)

KeyRole = Literal["browser", "server", "batch"]
"""The kind of client: readers' browsers, a catalogue's server on their behalf, or a bulk program."""

KEY_ROLES: tuple[KeyRole, ...] = get_args(KeyRole)

KeyState = Literal["active", "waiting", "revoked", "expired"]
"""Whether a key may be used, or why not."""

MAX_HOST = 253
"""Maximum length of a host name, in characters (RFC 1035 §2.3.4)."""

KEY_PREFIX = "cp_"
"""How new keys begin; keys of earlier versions have no prefix, and stay valid."""

SECRET_PREFIX = "cp_sec_"  # noqa: S105 - how secrets begin, not one
"""How new owners' secrets begin, so that people and scanners of leaked secrets know them from a key."""

NAME_PATTERN = f"(?:{KEY_PREFIX})?[a-z0-9]{{8,64}}"
"""A key's name as a regular expression, for Python, nginx and JSON Schema alike."""

_NAME = re.compile(NAME_PATTERN)
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Key:
    """A developer key. Times are seconds since 1970; empty `sites` means any site.

    A key is not a secret: every page that shows a cover contains it. Changing it therefore needs its `owner`
    word as well. Only the hash of that word is stored; with "" only the operator can change the key.
    `is_waiting`: requested, not yet approved. `account`: the name that its covers are counted under, if not
    its own; a replacement key shares the quota of the old one. `contact`, `site`: how to reach the owner and
    where the key is used, as the owner wrote it. `role`: sets the rate of its automated
    clients and how long they wait; `asked_role`: the role its owner requested, until the operator decides
    ("": none). `named_sizes_only`: a size in pixels leads to small, medium or large, not to a rung of the
    ladder. `fallback`: how far another edition may be that stands in for a missing cover; "": none does.
    """

    name: str
    label: str
    daily_limit: int
    strict: bool = False
    sites: tuple[str, ...] = ()
    created_at: int = 0
    revoked_at: int | None = None
    expires_at: int | None = None
    is_waiting: bool = False
    no_cover: NoCoverChoice = "gif"
    contact: str = ""
    account: str = ""
    owner: str = ""
    site: str = ""
    role: KeyRole = "browser"
    asked_role: KeyRole | Literal[""] = ""
    named_sizes_only: bool = False
    fallback: Relation | Literal[""] = ""

    @property
    def counted_as(self) -> str:
        """The name that its covers are counted under."""
        return self.account or self.name

    def is_owned_with(self, word: str) -> bool:
        """Return whether *word* is the owner's secret."""
        return bool(self.owner) and hmac.compare_digest(self.owner, hashed(word))

    def is_active(self, now: float) -> bool:
        """Return whether the key may be used at all."""
        is_over = self.expires_at is not None and now >= self.expires_at
        return self.revoked_at is None and not is_over and not self.is_waiting

    def state(self, now: float) -> KeyState:
        """Return in a word whether the key may be used, or why not."""
        if self.revoked_at is not None:
            return "revoked"
        if self.is_waiting:
            return "waiting"
        return "active" if self.is_active(now) else "expired"

    def is_open(self, now: float) -> bool:
        """Return whether nginx may serve files for it without asking the app: active, and for any site."""
        return self.is_active(now) and not self.sites

    def admits(self, host: str | None) -> bool:
        """Return whether a page on *host* may use it. None: the request names no site.

        `example.org` means that host, `*.example.org` every host below it. A key bound to sites refuses
        requests that name none; otherwise omitting the header would get around the binding.
        """
        return not self.sites or (host is not None and any(_matches(site, host) for site in self.sites))


def _matches(site: str, host: str) -> bool:
    if site.startswith("*."):
        return host.endswith(site[1:])  # with its dot: evilexample.org is not below example.org
    return host == site


_NAME_LENGTH = 26


def new_name() -> str:
    """Return a new key name: its prefix and 130 random bits. Safe in URLs and as a file name."""
    return name_from(secrets.token_bytes(_NAME_LENGTH))


def new_secret() -> str:
    """Return a new owner's secret: its prefix and 130 random bits."""
    return secret_from(secrets.token_bytes(_NAME_LENGTH))


def name_from(seed: bytes) -> str:
    """Derive the key name for *seed*, 26 random bytes or more: five bits of each are used."""
    return KEY_PREFIX + _letters(seed)


def secret_from(seed: bytes) -> str:
    """Derive the owner's secret for *seed*, as name_from() does."""
    return SECRET_PREFIX + _letters(seed)


def _letters(seed: bytes) -> str:
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "".join(alphabet[byte & 31] for byte in seed[:_NAME_LENGTH])


def hashed(word: str) -> str:
    """Return the stored form of an owner's secret. The word is random, so one fast hash is enough."""
    return hashlib.sha256(word.strip().lower().encode()).hexdigest()


def is_host(text: str) -> bool:
    """Return whether a key can be bound to *text*: `catalogue.example.org`, or `*.example.org`."""
    return _HOST.fullmatch(text) is not None and len(text) <= MAX_HOST


def is_name(text: str) -> bool:
    """Return whether *text* has the form of a key name, so it is safe to look up and as a file name."""
    return _NAME.fullmatch(text) is not None


def is_secret(text: str) -> bool:
    """Return whether *text* is an owner's secret by its prefix; those of earlier versions have none."""
    return text.strip().lower().startswith(SECRET_PREFIX)


def abridged(name: str) -> str:
    """Return a key as logs may show it: its first four characters after the prefix; of a secret, none."""
    if is_secret(name):
        return f"{SECRET_PREFIX}…"
    shown = len(KEY_PREFIX) if name.startswith(KEY_PREFIX) else 0
    return f"{name[: shown + 4]}…"
