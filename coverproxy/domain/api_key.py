"""A developer key: whom covers are counted for, and what it may do."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

NoCoverChoice = Literal["gif", "card", "own"]
"""What is shown where there is no cover: the pixel, a drawn card, or the operator's own picture."""

NO_COVER_CHOICES: tuple[NoCoverChoice, ...] = get_args(NoCoverChoice)

KeyRole = Literal["browser", "server", "batch"]
"""What kind of client uses a key: readers' browsers, a catalogue's server for them all, a program in bulk."""

KEY_ROLES: tuple[KeyRole, ...] = get_args(KeyRole)

MAX_HOST = 253
"""Characters of a host's name (RFC 1035 §2.3.4)."""

_NAME = re.compile(r"[a-z0-9]{8,64}")
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Key:
    """A developer key. Times are seconds since 1970; `sites` empty means any site.

    A key is no secret: it stands in every page that shows a cover. So whoever wants to change it also needs
    its `owner` word, of which only the hash is kept ("": nobody can, but the operator). `is_waiting`: asked
    for, and not yet approved. `account`: the name that its covers are counted under where that is not its
    own, as a key that takes another's place shares its quota. `contact`, `site`: how its owner can be
    reached, and where it is used, as told. `role`: sets the pace of its automated clients and how long they
    wait; `asked_role`: what its owner asked for, until the operator decides ("": nothing).
    `named_sizes_only`: a wish in pixels leads to small, medium or large, not to a rung of the ladder.
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

    @property
    def counted_as(self) -> str:
        """The name that its covers are counted under."""
        return self.account or self.name

    def is_owned_with(self, word: str) -> bool:
        """Say whether *word* is the one that its owner was given."""
        return bool(self.owner) and hmac.compare_digest(self.owner, hashed(word))

    def is_active(self, now: float) -> bool:
        """Say whether it may be used at all."""
        is_over = self.expires_at is not None and now >= self.expires_at
        return self.revoked_at is None and not is_over and not self.is_waiting

    def is_open(self, now: float) -> bool:
        """Say whether a web server may hand out files for it without asking: active, and from any site."""
        return self.is_active(now) and not self.sites

    def admits(self, host: str | None) -> bool:
        """Say whether a page on *host* (None: the request names none) may use it.

        `example.org` means that host, `*.example.org` every host below it. A request that names no site is
        refused for a bound key: else the binding would bind nobody.
        """
        return not self.sites or (host is not None and any(_matches(site, host) for site in self.sites))


def _matches(site: str, host: str) -> bool:
    if site.startswith("*."):
        return host.endswith(site[1:])  # with its dot: evilexample.org is not below example.org
    return host == site


_NAME_LENGTH = 26


def new_name() -> str:
    """Make a key's name, or an owner's word: 130 random bits in letters and digits.

    A URL and a file name both take it.
    """
    return name_from(secrets.token_bytes(_NAME_LENGTH))


def name_from(seed: bytes) -> str:
    """Make the name that belongs to *seed*, 26 random bytes or more: five bits of each are used."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "".join(alphabet[byte & 31] for byte in seed[:_NAME_LENGTH])


def hashed(word: str) -> str:
    """Return what is kept of an owner's word. It is random, so that one fast hash is enough."""
    return hashlib.sha256(word.strip().lower().encode()).hexdigest()


def is_host(text: str) -> bool:
    """Say whether *text* is a host a key can be bound to: `catalogue.example.org`, or `*.example.org`."""
    return _HOST.fullmatch(text) is not None and len(text) <= MAX_HOST


def is_name(text: str) -> bool:
    """Say whether *text* can be a key's name at all, and so be looked up or used as a file name."""
    return _NAME.fullmatch(text) is not None


def abridged(name: str) -> str:
    """Return a key as logs may show it: its first four characters."""
    return f"{name[:4]}…"
