"""What changed, as JSON and CSV: for the address that programs ask, and for webhooks."""

import csv
import io
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict  # pydantic does not read the one of typing before 3.12

from coverproxy.domain.json_fields import Isbn13, Moment
from coverproxy.domain.moment import iso
from coverproxy.domain.shown_change import ChangeKind, ShownChange
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.base import Catalogue

MOST_CHANGES = 1000


class ChangeJson(TypedDict):
    """One change of what an item shows."""

    number: Annotated[int, Field(ge=1)]
    at: Moment
    identifier: Annotated[str, Field(description="scheme:value")]
    isbn13: Annotated[Isbn13 | None, Field(description="The same, if it is an ISBN.")]
    linked: Annotated[list[str], Field(description="All other names of the item.")]
    kind: ChangeKind
    has_cover: bool


class ChangeList(TypedDict):
    """Changes after a number; `next` continues, `more`: there are some already.

    `complete`: false where some after that number are forgotten, so that all covers have to be asked for
    anew.
    """

    since: int
    changes: list[ChangeJson]
    next: int
    more: bool
    complete: bool


def changes_since(catalogue: Catalogue, since: int, most: int) -> ChangeList:
    """Return at most *most* changes after a number, oldest first. Blocks. Raises StoreUnavailable."""
    found = catalogue.changed.since(since, most + 1)
    oldest, latest = catalogue.changed.ends()
    page = found[:most]
    names = catalogue.aliases.linked({each.identifier for each in page})
    return {
        "since": since,
        "changes": [_change(each, names.get(each.identifier, (each.identifier,))) for each in page],
        "next": page[-1].number if page else min(since, latest),
        "more": len(found) > most,
        "complete": since >= oldest - 1 and since <= latest,
    }


def _change(change: ShownChange, names: Iterable[Identifier]) -> ChangeJson:
    return {
        "number": change.number,
        "at": iso(change.at),
        "identifier": str(change.identifier),
        "isbn13": change.identifier.value if change.identifier.scheme == ISBN else None,
        "linked": sorted(str(each) for each in _others(names, change.identifier)),
        "kind": change.kind,
        "has_cover": change.digest is not None,
    }


def _others(names: Iterable[Identifier], own: Identifier) -> list[Identifier]:
    return [each for each in names if each != own]


def as_csv(found: ChangeList) -> str:
    """Return the changes as CSV (RFC 4180), a line each; `linked` has its names separated by spaces."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("number", "at", "identifier", "isbn13", "linked", "kind", "has_cover"))
    for each in found["changes"]:
        linked = " ".join(each["linked"])
        told = (each["number"], each["at"], each["identifier"], each["isbn13"] or "", linked, each["kind"])
        writer.writerow((*told, "1" if each["has_cover"] else "0"))
    return text.getvalue()
