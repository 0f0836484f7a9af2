"""The columns of the table `original`, and a row of them as a value."""

from dataclasses import replace
from typing import Any

from coverproxy.domain.formats import Loader
from coverproxy.domain.original import NO_TERMS, Original, OriginalState, Terms
from coverproxy.domain.spec import Identifier
from coverproxy.originals.sqlite_provenance import read_identifier

COLUMNS = (
    "digest, loader, width, height, bytes, date, source, path, added, origin, who, role, state, pinned,"
    " since, detail, licence, until, no_crop, begins, content, fault"
)


def any_original(row: tuple[Any, ...]) -> Original:
    """Read a row that begins with scheme and value."""
    return original(read_identifier(*row[:2]), row[2:])


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
