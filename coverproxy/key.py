"""A developer key: whom covers are counted for, and what it may do."""

import re
import secrets
from dataclasses import dataclass

_NAME = re.compile(r"[a-z0-9]{8,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """A developer key. Times are seconds since 1970; `sites` empty means any site."""

    name: str
    label: str
    daily_limit: int
    strict: bool = False
    sites: tuple[str, ...] = ()
    created_at: int = 0
    revoked_at: int | None = None
    expires_at: int | None = None

    def is_active(self, now: float) -> bool:
        """Say whether it may be used at all."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

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


def new_name() -> str:
    """Make a key's name: 130 random bits in letters and digits that a URL and a file name both take."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
    return "".join(secrets.choice(alphabet) for _ in range(26))


def is_name(text: str) -> bool:
    """Say whether *text* can be a key's name at all, and so be looked up or used as a file name."""
    return _NAME.fullmatch(text) is not None


def abridged(name: str) -> str:
    """Return a key as logs may show it: its first four characters."""
    return f"{name[:4]}…"
