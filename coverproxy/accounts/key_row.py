"""A key as the tables of both databases hold it."""

import json
from collections.abc import Sequence
from typing import Any

from coverproxy.domain.api_key import Key
from coverproxy.domain.editions import Relation

COLUMNS = (
    "name, label, daily_limit, strict, sites, created_at, revoked_at, expires_at, is_waiting, no_cover,"
    " contact, account, owner, site, role, asked_role, named_sizes_only, fallback"
)
_FLAGS = ("strict", "is_waiting", "named_sizes_only")
"""SQLite holds them as 0 and 1."""


def save(mark: str) -> str:
    """Write the statement that enters a key; *mark*: how a value is named in it, as `:{}`."""
    names = COLUMNS.split(", ")
    marks = ", ".join(mark.format(name) for name in names)
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in ("name", "created_at"))
    return (
        f"INSERT INTO key ({COLUMNS}) VALUES ({marks})"  # noqa: S608 - names of ours
        f" ON CONFLICT (name) DO UPDATE SET {changed}"
    )


def values(key: Key) -> dict[str, Any]:
    """Return a key's columns."""
    return {
        "name": key.name, "label": key.label, "daily_limit": key.daily_limit, "strict": key.strict,
        "sites": json.dumps(key.sites), "created_at": key.created_at, "revoked_at": key.revoked_at,
        "expires_at": key.expires_at, "is_waiting": key.is_waiting, "no_cover": key.no_cover,
        "contact": key.contact, "account": key.account, "owner": key.owner, "site": key.site,
        "role": key.role, "asked_role": key.asked_role, "named_sizes_only": key.named_sizes_only,
        "fallback": key.fallback,
    }  # fmt: skip


def read(row: Sequence[Any]) -> Key:
    """Return the key of a row of COLUMNS."""
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    values |= {name: bool(values[name]) for name in _FLAGS}
    fallback = Relation(values["fallback"]) if values["fallback"] else ""
    return Key(**values | {"sites": tuple(json.loads(values["sites"])), "fallback": fallback})
