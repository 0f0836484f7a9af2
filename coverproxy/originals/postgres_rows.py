"""An original and an identifier as PostgreSQL's tables hold them."""

from typing import Any

from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.originals.sqlite_original_row import COLUMNS, original
from coverproxy.originals.sqlite_provenance import read_identifier, stored

__all__ = ["COLUMNS", "any_original", "as_text", "from_text", "original", "values"]


def values(original: Original) -> tuple[Any, ...]:
    """Return the values of COLUMNS, but for the last: `fault`."""
    return (
        original.digest, original.loader.value, original.width, original.height, original.bytes,
        original.date, original.source, original.path, original.added, original.origin, original.who,
        original.role, original.state.value if original.state else None, original.is_pinned, original.since,
        original.detail, original.terms.licence, original.terms.until, original.terms.no_crop,
        original.begins, original.content,
    )  # fmt: skip


def any_original(row: tuple[Any, ...]) -> Original:
    """Read a row that begins with scheme and value."""
    return original(from_text(*row[:2]), row[2:])


def as_text(identifier: Identifier) -> tuple[int, str]:
    """How the tables hold an identifier: (scheme, value). As in SQLite, but an ISBN is 13 digits of text."""
    scheme, value = stored(identifier)
    return scheme, value if isinstance(value, str) else identifier.value


def from_text(scheme: int, value: str) -> Identifier:
    """The inverse of as_text()."""
    return Identifier(ISBN, value) if scheme == _ISBN else read_identifier(scheme, value)


_ISBN = stored(Identifier(ISBN, "9780000000002"))[0]
