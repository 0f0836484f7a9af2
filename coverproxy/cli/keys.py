"""Commands about developer keys: made, listed, shown. What changes one stands in key_changes."""

import time
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import needs_data, options, tell
from coverproxy.cli.key_store import (
    NO_KEYS,
    as_json_value,
    base_url,
    example,
    find,
    has_keys,
    hosts_of,
    lost_keys,
    with_accounts,
)
from coverproxy.config import Config
from coverproxy.domain.api_key import KEY_ROLES, Key, KeyRole, new_name

if TYPE_CHECKING:
    from coverproxy.accounts.accounts import Accounts

_ROLES = "What kind of client uses it: see coverproxy key role --help."


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
@click.option("--strict", is_flag=True, help="Answer with 404, 429 and the like, not with the pixel.")
@click.option("--role", type=click.Choice(KEY_ROLES), default="browser", show_default=True, help=_ROLES)
@click.option("--named-sizes", is_flag=True, help="Keep it to the sizes with a name: no rungs of the ladder.")
def create(
    config: Config,
    as_json: bool,
    label: str,
    daily_limit: int | None,
    sites: tuple[str, ...],
    strict: bool,
    role: KeyRole,
    named_sizes: bool,
) -> None:
    """Create a key and print it, with a URL to try."""
    limit = config.quota.daily_limit if daily_limit is None else daily_limit
    made = Key(
        new_name(), label, limit, strict, hosts_of(sites), int(time.time()), role=role,
        named_sizes_only=named_sizes,
    )  # fmt: skip
    with_accounts(config, lambda accounts: accounts.save(made), creates=True)
    url = f"{base_url(config)}/devkey/{made.name}/medium/{example(config)}"
    tell(as_json, {"key": made.name, "label": made.label, "url": url}, f"{made.name}\n\n{url}")


@key.command("list")
@options
@needs_data
def list_(config: Config, as_json: bool) -> None:
    """List all keys, with what each has made today."""
    told = with_accounts(config, _all_as_json) if has_keys(config) else []
    if not told and (why := lost_keys(config)):
        raise click.ClickException(why)
    lines = [f"{'KEY':26}  {'TODAY':>11}  {'STATE':8}  {'ROLE':7}  LABEL"]
    for each in told:
        today = f"{each['made_today']}/{each['daily_limit']}"
        lines.append(f"{each['key']:26}  {today:>11}  {each['state']:8}  {each['role']:7}  {each['label']}")
        if each["asked_role"]:
            lines.append(f"{'':26}  asks for the role {each['asked_role']}")
    tell(as_json, told, "\n".join(lines) if told else f"T{NO_KEYS[1:]}")


async def _all_as_json(accounts: "Accounts") -> list[dict[str, Any]]:
    return [await as_json_value(accounts, each) for each in accounts.all()]


@key.command()
@options
@click.argument("name", metavar="KEY")
@needs_data
def show(config: Config, as_json: bool, name: str) -> None:
    """Show one key: its limits, its sites, and what it made in the last 30 days."""
    told = with_accounts(config, lambda accounts: _one_as_json(accounts, name))
    days = {each["day"]: each["made"] for each in told["days"] if each["made"]}
    lines = [f"{field:16} {_shown(told[field])}" for field in told if field != "days"]
    made = [f"{'made on':16} {day}  {count}" for day, count in days.items()] or ["nothing made in 30 days"]
    tell(as_json, told, "\n".join(lines + made))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "any"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


async def _one_as_json(accounts: "Accounts", name: str) -> dict[str, Any]:
    return await as_json_value(accounts, find(accounts, name))
