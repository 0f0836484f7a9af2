"""Commands that change a developer key: limited, bound, approved, given a role, replaced, ended."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import click

from coverproxy.cli.common import needs_data, options, tell
from coverproxy.cli.key_store import Moment, as_json_value, find, hosts_of, with_accounts
from coverproxy.config import Config
from coverproxy.domain.api_key import KEY_ROLES, Key, KeyRole, hashed, new_secret
from coverproxy.domain.counted import counted
from coverproxy.domain.editions import Relation
from coverproxy.domain.errors import KeyRequestRefused
from coverproxy.domain.moment import iso

if TYPE_CHECKING:
    from coverproxy.accounts.accounts import Accounts


@click.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("covers", type=click.IntRange(0))
@needs_data
def limit(config: Config, as_json: bool, name: str, covers: int) -> None:
    """Let KEY make COVERS new covers a day. Running servers follow within a second."""
    _change(
        config,
        as_json,
        name,
        lambda found: replace(found, daily_limit=covers),
        "may make {daily_limit} a day",
    )


@click.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("sites", metavar="[HOST]...", nargs=-1)
@needs_data
def bind(config: Config, as_json: bool, name: str, sites: tuple[str, ...]) -> None:
    """Restrict KEY to pages on HOST (*.HOST: all below it); without HOST, allow any site."""
    hosts = hosts_of(sites)
    told = f"is bound to {', '.join(hosts)}" if hosts else "may be used from any site"
    _change(config, as_json, name, lambda found: replace(found, sites=hosts), told)


@click.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("moment", metavar="DATE|never", type=Moment())
@needs_data
def expire(config: Config, as_json: bool, name: str, moment: int | None) -> None:
    """Let KEY expire at DATE: 2027-01-31 (its first moment, UTC) or 2027-01-31T18:00:00."""
    told = "never ends" if moment is None else f"ends at {iso(moment)}"
    _change(config, as_json, name, lambda found: replace(found, expires_at=moment), told)


@click.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
@click.option("--role", type=click.Choice(KEY_ROLES), help="Its role (default: the requested one).")
def approve(config: Config, as_json: bool, name: str, role: KeyRole | None) -> None:
    """Let a KEY that was asked for on the key page work, in the role that was asked for."""
    from coverproxy.accounts.self_service import approved

    _change(config, as_json, name, lambda found: approved(found, role), "is approved, in the role {role}")


@click.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("role", type=click.Choice(KEY_ROLES))
@needs_data
def role(config: Config, as_json: bool, name: str, role: KeyRole) -> None:
    """Say what kind of client uses KEY, which sets its pace and how long it waits for a new cover.

    browser: readers' browsers; programs get new covers slowly ([automated]). server: a catalogue's server
    that fetches covers for its readers ([roles.server]). batch: a program that fetches many covers and has
    time ([roles.batch]). Running servers follow within a second.
    """
    told = f"has the role {role}"
    _change(config, as_json, name, lambda found: replace(found, role=role, asked_role=""), told)


@click.command()
@options
@click.argument("name", metavar="KEY")
@click.argument("which", type=click.Choice(["all", "named"]))
@needs_data
def sizes(config: Config, as_json: bool, name: str, which: str) -> None:
    """Let KEY use all sizes, or the named ones only: a size in pixels then leads to the next named one."""
    is_named = which == "named"
    told = "gets the named sizes only" if is_named else "gets all sizes"
    _change(config, as_json, name, lambda found: replace(found, named_sizes_only=is_named), told)


@click.command("no-cover")
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


@click.command()
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


@click.command()
@options
@click.argument("name", metavar="KEY")
@click.option("--keep", "days", type=click.IntRange(0, 90), default=7, show_default=True, help="Days.")
@needs_data
def rotate(config: Config, as_json: bool, name: str, days: int) -> None:
    """Create a replacement for KEY, and print it; both work for some days, on one quota."""
    from coverproxy.accounts.self_service import DAY_SECONDS, rotated

    async def apply(accounts: "Accounts") -> dict[str, Any]:
        new = await rotated(accounts, find(accounts, name), days * DAY_SECONDS)
        return await as_json_value(accounts, new)

    try:
        told = with_accounts(config, apply)
    except KeyRequestRefused as exc:
        why = {"inactive": "does not work now", "rotated": "was replaced already, and both still work"}
        raise click.ClickException(f"{name} {why.get(exc.reason, exc.reason)}") from None
    tell(as_json, told, f"{told['key']}\n\n{name} works for {counted(days, 'more day')}, on the same quota.")


@click.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def word(config: Config, as_json: bool, name: str) -> None:
    """Create and print a new owner's secret for KEY, with which its page can change it. Shown only now."""
    made = new_secret()

    async def apply(accounts: "Accounts") -> None:
        await accounts.save(replace(find(accounts, name), owner=hashed(made)))

    with_accounts(config, apply)
    tell(as_json, {"key": name, "word": made}, made)


@click.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def revoke(config: Config, as_json: bool, name: str) -> None:
    """Revoke KEY: its URLs answer 403 within a second."""
    now = int(time.time())

    def revoked(found: Key) -> Key:
        return replace(found, revoked_at=found.revoked_at or now)

    _change(config, as_json, name, revoked, "is revoked")


@click.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def restore(config: Config, as_json: bool, name: str) -> None:
    """Reactivate a revoked KEY."""
    _change(config, as_json, name, lambda found: replace(found, revoked_at=None), "is active")


def _change(config: Config, as_json: bool, name: str, change: Callable[[Key], Key], text: str) -> None:
    async def apply(accounts: "Accounts") -> dict[str, Any]:
        found = change(find(accounts, name))
        await accounts.save(found)
        return await as_json_value(accounts, found)

    told = with_accounts(config, apply)
    tell(as_json, told, f"{name} ({told['label']}) {text.format(**told)}")


COMMANDS: tuple[click.Command, ...] = (
    limit,
    bind,
    expire,
    approve,
    role,
    sizes,
    no_cover,
    fallback,
    rotate,
    word,
    revoke,
    restore,
)
