"""Commands about developer keys: create, show, limit, bind, approve, rotate, revoke."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.config import Config
from coverproxy.domain.api_key import Key, hashed, is_host, new_name
from coverproxy.domain.editions import Relation
from coverproxy.domain.errors import KeyRequestRefused

if TYPE_CHECKING:
    from coverproxy.accounts.accounts import Accounts

T = TypeVar("T")

EXAMPLE = "9780141439518"
"""An existing book (Pride and Prejudice), for a URL to try."""

_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - shown, not bound to


class Moment(click.DateTime):
    """A date and time in UTC as seconds since 1970; `never`: None."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """See click.ParamType; what was converted stays as it is."""
        if value == "never":
            return None
        found = super().convert(value, param, ctx)
        return int(found.replace(tzinfo=UTC).timestamp())


@click.group()
def key() -> None:
    """Create and manage developer keys.

    Every cover URL contains a key. A key counts the covers that had to be made from their original today;
    covers that exist cost nothing.
    """


@key.command()
@options
@click.option("--label", required=True, help="Its user: a catalogue, a shop, a person.")
@click.option(
    "--daily-limit", type=click.IntRange(0), help="New covers per day (default: quota.daily_limit)."
)
@click.option(
    "--allow-site",
    "sites",
    multiple=True,
    metavar="HOST",
    help="Restrict it to pages on HOST (*.HOST: all below it).",
)
@click.option("--strict", is_flag=True, help="Answer with 404, 429 and so on, not with the pixel.")
def create(
    config: Config, as_json: bool, label: str, daily_limit: int | None, sites: tuple[str, ...], strict: bool
) -> None:
    """Create a key and print it, with a URL to try."""
    limit = config.quota.daily_limit if daily_limit is None else daily_limit
    hosts = _hosts(sites)
    made = with_accounts(config, lambda accounts: created(accounts, label, limit, hosts, strict=strict))
    url = f"{base_url(config)}/devkey/{made.name}/medium/isbn/{EXAMPLE}"
    tell(as_json, {"key": made.name, "label": made.label, "url": url}, f"{made.name}\n\n{url}")


def base_url(config: Config) -> str:
    """Return the address of the service, as far as the config says."""
    if config.front.public_url:
        return config.front.public_url
    host = _LOOPBACK.get(config.server.host, config.server.host)
    return f"http://[{host}]:{config.server.port}" if ":" in host else f"http://{host}:{config.server.port}"


async def created(
    accounts: "Accounts", label: str, daily_limit: int, sites: tuple[str, ...], *, strict: bool
) -> Key:
    """Create a key and store it."""
    made = Key(new_name(), label, daily_limit, strict, sites, int(time.time()))
    await accounts.save(made)
    return made


def _hosts(sites: tuple[str, ...]) -> tuple[str, ...]:
    """Parse sites as the key page does: a host, *.HOST, or the address of a page."""
    from coverproxy.accounts.self_service import site_as_typed

    hosts = tuple(map(site_as_typed, sites))
    for site, host in zip(sites, hosts, strict=True):
        if not is_host(host):
            raise click.BadParameter(
                f"{site!r}: expected a host, like catalogue.example.org or *.example.org"
            )
    return hosts


@key.command("list")
@options
@needs_data
def list_(config: Config, as_json: bool) -> None:
    """List all keys, with what each has made today."""
    told = with_accounts(config, _all_as_json)
    lines = [f"{'KEY':26}  {'TODAY':>11}  {'STATE':8}  LABEL"]
    for each in told:
        today = f"{each['made_today']}/{each['daily_limit']}"
        lines.append(f"{each['key']:26}  {today:>11}  {each['state']:8}  {each['label']}")
    none = "There are no keys yet: coverproxy key create --label NAME"
    tell(as_json, told, "\n".join(lines) if told else none)


async def _all_as_json(accounts: "Accounts") -> list[dict[str, Any]]:
    return [await _as_json(accounts, each) for each in accounts.all()]


async def _as_json(accounts: "Accounts", each: Key) -> dict[str, Any]:
    days = await accounts.usage(each)
    return {
        "key": each.name,
        "label": each.label,
        "state": _state(each),
        "daily_limit": each.daily_limit,
        "made_today": list(days.values())[-1],
        "strict": each.strict,
        "sites": list(each.sites),
        "no_cover": "404" if each.strict else each.no_cover,
        "fallback": each.fallback or None,
        "contact": each.contact,
        "site": each.site,
        "counted_as": each.counted_as,
        "created_at": _iso(each.created_at),
        "revoked_at": _iso(each.revoked_at),
        "expires_at": _iso(each.expires_at),
        "days": [{"day": day.isoformat(), "made": made} for day, made in days.items()],
    }


def _state(each: Key) -> str:
    if each.revoked_at is not None:
        return "revoked"
    if each.is_waiting:
        return "waiting"
    return "active" if each.is_active(time.time()) else "expired"


def _iso(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@key.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def show(config: Config, as_json: bool, name: str) -> None:
    """Show one key: its limits, its sites, and what it made in the last 30 days."""
    told = with_accounts(config, lambda accounts: _one_as_json(accounts, name))
    days = {each["day"]: each["made"] for each in told["days"] if each["made"]}
    lines = [f"{field:12} {_shown(told[field])}" for field in told if field != "days"]
    made = [f"{'made on':12} {day}  {count}" for day, count in days.items()] or ["nothing made in 30 days"]
    tell(as_json, told, "\n".join(lines + made))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "any"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


async def _one_as_json(accounts: "Accounts", name: str) -> dict[str, Any]:
    return await _as_json(accounts, _find(accounts, name))


@key.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("covers", type=click.IntRange(0))
@needs_data
def limit(config: Config, as_json: bool, name: str, covers: int) -> None:
    """Let KEY make COVERS new covers a day. Running servers follow within a second."""
    _change(config, as_json, name, lambda found: replace(found, daily_limit=covers), "may make {limit} a day")


@key.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("sites", metavar="[HOST]...", nargs=-1)
@needs_data
def bind(config: Config, as_json: bool, name: str, sites: tuple[str, ...]) -> None:
    """Restrict KEY to pages on HOST (*.HOST: all below it); without HOST, allow any site."""
    hosts = _hosts(sites)
    told = f"is bound to {', '.join(hosts)}" if hosts else "may be used from any site"
    _change(config, as_json, name, lambda found: replace(found, sites=hosts), told)


@key.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("moment", metavar="DATE|never", type=Moment())
@needs_data
def expire(config: Config, as_json: bool, name: str, moment: int | None) -> None:
    """Let KEY expire at DATE: 2027-01-31 (its first moment, UTC) or 2027-01-31T18:00:00."""
    told = "never ends" if moment is None else f"ends at {_iso(moment)}"
    _change(config, as_json, name, lambda found: replace(found, expires_at=moment), told)


@key.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def approve(config: Config, as_json: bool, name: str) -> None:
    """Activate a KEY that was requested on the key page."""
    _change(config, as_json, name, lambda found: replace(found, is_waiting=False), "is approved")


@key.command("no-cover")
@options
@click.argument("name", metavar="KEY")
@click.argument("choice", type=click.Choice(["gif", "404", "card", "own"]))
@needs_data
def no_cover(config: Config, as_json: bool, name: str, choice: str) -> None:
    """Choose what KEY shows for a missing cover.

    gif: a transparent pixel. 404: errors are errors. card: a drawn card, with ?title= and ?author= from the
    URL. own: the picture of site.placeholder.
    """
    from coverproxy.accounts.self_service import with_choice

    _change(config, as_json, name, lambda found: with_choice(found, choice), f"shows: {choice}")


@key.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("relation", type=click.Choice([*Relation, "none"]))
@needs_data
def fallback(config: Config, as_json: bool, name: str, relation: str) -> None:
    """Let another edition stand in where KEY asks for a missing cover.

    format: the same text in another form. edition: also another edition of the work. translation: also a
    translation or its original. none: nothing stands in (the default).
    """
    chosen: Relation | Literal[""] = Relation(relation) if relation != "none" else ""
    _change(config, as_json, name, lambda found: replace(found, fallback=chosen), f"stands in: {relation}")


@key.command()
@options
@click.argument("name", metavar="KEY")
@click.option("--keep", "days", type=click.IntRange(0, 90), default=7, show_default=True, help="Days.")
@needs_data
def rotate(config: Config, as_json: bool, name: str, days: int) -> None:
    """Create a replacement for KEY, and print it; both work for some days, on one quota."""
    from coverproxy.accounts.self_service import DAY_SECONDS, rotated

    async def apply(accounts: "Accounts") -> dict[str, Any]:
        new = await rotated(accounts, _find(accounts, name), days * DAY_SECONDS)
        return await _as_json(accounts, new)

    try:
        told = with_accounts(config, apply)
    except KeyRequestRefused as exc:
        why = {"inactive": "does not work now", "rotated": "was replaced already, and both still work"}
        raise click.ClickException(f"{name} {why.get(exc.reason, exc.reason)}") from None
    tell(as_json, told, f"{told['key']}\n\n{name} works for {days} more days, on the same quota.")


@key.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def word(config: Config, as_json: bool, name: str) -> None:
    """Create and print a new owner's word for KEY, with which its page can change it. Shown only now."""
    made = new_name()

    async def apply(accounts: "Accounts") -> None:
        await accounts.save(replace(_find(accounts, name), owner=hashed(made)))

    with_accounts(config, apply)
    tell(as_json, {"key": name, "word": made}, made)


@key.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def revoke(config: Config, as_json: bool, name: str) -> None:
    """Revoke KEY: its URLs answer 403 within a second."""
    now = int(time.time())

    def revoked(found: Key) -> Key:
        return replace(found, revoked_at=found.revoked_at or now)

    _change(config, as_json, name, revoked, "is revoked")


@key.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def restore(config: Config, as_json: bool, name: str) -> None:
    """Reactivate a revoked KEY."""
    _change(config, as_json, name, lambda found: replace(found, revoked_at=None), "is active")


def _change(config: Config, as_json: bool, name: str, change: Callable[[Key], Key], text: str) -> None:
    async def apply(accounts: "Accounts") -> dict[str, Any]:
        found = change(_find(accounts, name))
        await accounts.save(found)
        return await _as_json(accounts, found)

    told = with_accounts(config, apply)
    tell(as_json, told, f"{name} ({told['label']}) {text.format(limit=told['daily_limit'])}")


def _find(accounts: "Accounts", name: str) -> Key:
    found = next((each for each in accounts.all() if each.name == name), None)
    if found is None:
        raise click.ClickException(f"{name!r} is not a key here; see coverproxy key list")
    return found


def with_accounts(config: Config, work: "Callable[[Accounts], Awaitable[T]]") -> T:
    """Run *work* on the accounts of the data folder."""
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
