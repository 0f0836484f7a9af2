"""The columns of the table `original`, and a row of them as a value."""

from dataclasses import replace
from typing import Any

from coverproxy.domain.formats import Loader
from coverproxy.domain.original import NO_TERMS, Original, OriginalState, Terms
from coverproxy.domain.spec import Identifier

COLUMNS = (
    "digest, loader, width, height, bytes, date, source, path, added, origin, who, role, state, pinned,"
    " since, detail, licence, until, no_crop, begins, content, fault"
)


def named(identifier: Identifier, row: tuple[Any, ...]) -> Original:
    """Read a row of COLUMNS, and how often the name that it was asked by was purged (None: never)."""
    found = original(identifier, row[:-1])
    return replace(found, purges=row[-1]) if row[-1] else found


def original(identifier: Identifier, row: tuple[Any, ...]) -> Original:
    """Read a row of COLUMNS of the identifier that it was asked by."""
    digest, loader, width, height, length, date, source, path, added, *about, fault = row
    origin, who, role, state, pinned, since, detail, licence, until, no_crop, begins, content = about
    return Original(
        identifier, digest, Loader(loader), width, height, length, date, source, path, fault, added,
        origin, who, role, OriginalState(state) if state else None, bool(pinned), since, detail,
        Terms(licence, until, bool(no_crop)) if licence or until or no_crop else NO_TERMS, begins,
        content,
    )  # fmt: skip


def values(original: Original) -> tuple[Any, ...]:
    """Return the values of COLUMNS, but for the last: `fault`."""
    return (
        original.digest, original.loader.value, original.width, original.height, original.bytes,
        original.date, original.source, original.path, original.added, original.origin, original.who,
        original.role, original.state.value if original.state else None, original.is_pinned, original.since,
        original.detail, original.terms.licence, original.terms.until, original.terms.no_crop,
        original.begins, original.content,
    )  # fmt: skip
