"""Shared by the commands about keys: the data folder's accounts, and a key as JSON."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from coverproxy.cli.common import faults_told
from coverproxy.config import Config
from coverproxy.domain.api_key import Key, is_host, is_secret, new_name
from coverproxy.domain.errors import SecretAsKey, Unavailable
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.moment import iso

if TYPE_CHECKING:
    from coverproxy.accounts.accounts import Accounts

T = TypeVar("T")

_CLASSIC = "9780141439518"
"""A book that exists (Pride and Prejudice), for a URL to try."""

STATE = "state.db"
"""The file of keys, as in service.databases; that is imported late, as commands must start fast."""

NO_KEYS = "there are no keys yet: coverproxy key create --label NAME"

_SAMPLED = 20
"""Originals looked at for one that can be shown."""

_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound to


class Moment(click.DateTime):
    """A date and time in UTC as seconds since 1970; `never`: None."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """See click.ParamType; what was converted stays as it is."""
        if value == "never":
            return None
        found = super().convert(value, param, ctx)
        return int(found.replace(tzinfo=UTC).timestamp())


def base_url(config: Config) -> str:
    """Return the address that the service is reached at, as far as the config says."""
    if config.front.public_url:
        return config.front.public_url
    host = _LOOPBACK.get(config.server.host, config.server.host)
    return f"http://[{host}]:{config.server.port}" if ":" in host else f"http://{host}:{config.server.port}"


async def created(accounts: "Accounts", label: str, daily_limit: int) -> Key:
    """Make a key and keep it."""
    made = Key(new_name(), label, daily_limit, created_at=int(time.time()))
    await accounts.save(made)
    return made


def hosts_of(sites: tuple[str, ...]) -> tuple[str, ...]:
    """Read sites as the key page does: a host, *.HOST, or the address of a page."""
    from coverproxy.accounts.self_service import site_as_typed

    hosts = tuple(map(site_as_typed, sites))
    for site, host in zip(sites, hosts, strict=True):
        if not is_host(host):
            raise click.BadParameter(
                f"{site!r}: expected a host, like catalogue.example.org or *.example.org"
            )
    return hosts


def example(config: Config) -> str:
    """Return what stands behind the size in a URL to try: a book with a cover here, else a card's."""
    from coverproxy.wiring.data_folder import open_shelf

    classic = Identifier(ISBN, _CLASSIC)
    with suppress(Unavailable, OSError), open_shelf(config, to_write=False) as shelf:
        some = [*shelf.catalogue.find(classic), *shelf.catalogue.sample(_SAMPLED)]
        if found := next((each.identifier for each in some if each.is_usable), None):
            return f"{found.scheme}/{found.value}"
    return f"{ISBN}/{_CLASSIC}?default=card"


async def as_json_value(accounts: "Accounts", each: Key) -> dict[str, Any]:
    days = await accounts.usage(each)
    return {
        "key": each.name,
        "label": each.label,
        "state": each.state(time.time()),
        "daily_limit": each.daily_limit,
        "made_today": list(days.values())[-1],
        "strict": each.strict,
        "sites": list(each.sites),
        "no_cover": "404" if each.strict else each.no_cover,
        "fallback": each.fallback or None,
        "role": each.role,
        "asked_role": each.asked_role or None,
        "named_sizes_only": each.named_sizes_only,
        "contact": each.contact,
        "site": each.site,
        "counted_as": each.counted_as,
        "created_at": iso(each.created_at),
        "revoked_at": iso(each.revoked_at),
        "expires_at": iso(each.expires_at),
        "days": [{"day": day.isoformat(), "made": made} for day, made in days.items()],
    }


def find(accounts: "Accounts", name: str) -> Key:
    found = next((each for each in accounts.all() if each.name == name), None)
    if found is None and is_secret(name):
        raise click.ClickException(str(SecretAsKey()))
    if found is None:
        raise click.ClickException(f"{name!r} is not a key here; `coverproxy key list` shows all keys")
    return found


def lost_keys(config: Config) -> str:
    """Return that the keys were lost, if only their links are left, with the way out; else ""."""
    from coverproxy.wiring.data_folder import DataFolder

    return DataFolder(config).links.lost()


def has_keys(config: Config) -> bool:
    """Return whether the store of keys was made. A look must not make an empty one beside a cache alone."""
    return config.store.is_shared or (Path(config.data.dir) / STATE).exists()


def with_accounts(config: Config, work: "Callable[[Accounts], Awaitable[T]]", *, creates: bool = False) -> T:
    """Run *work* on the accounts of the data folder; only what *creates* a key makes a missing store."""
    if not creates and not has_keys(config):
        raise click.ClickException(lost_keys(config) or NO_KEYS)
    from coverproxy.wiring.accounts import open_accounts
    from coverproxy.wiring.data_folder import DataFolder

    async def run() -> T:
        shelf = DataFolder(config)
        try:
            async with open_accounts(config, shelf) as accounts:
                return await work(accounts)
        finally:
            shelf.close()

    with faults_told():
        return asyncio.run(run())
