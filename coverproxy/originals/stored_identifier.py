"""An identifier as the catalogue's tables hold it."""

from coverproxy.domain.schemes import LOCAL
from coverproxy.domain.spec import ISBN, Identifier

_SCHEMES = {
    ISBN: 1, "ean": 2, "issn": 3, "ismn": 4, "oclc": 5, "lccn": 6, "olid": 7, "asin": 8, "ppn": 9, "doi": 10,
    "isni": 11, "viaf": 12, "wikidata": 13,
}  # fmt: skip
"""The number of each scheme in the tables. MUST never change."""

_NAMES = {number: name for name, number in _SCHEMES.items()}

_LOCAL_NUMBER = 100
"""The number of all `local:{agency}`; their value begins with the agency and a colon."""


def stored(identifier: Identifier) -> tuple[int, int | str]:
    """Return (scheme, value) of an identifier as SQLite's tables hold it: an ISBN is a number."""
    if identifier.scheme == ISBN:
        return _SCHEMES[ISBN], int(identifier.value)
    return as_text(identifier)


def read_identifier(scheme: int, value: int | str) -> Identifier:
    """Inverse of stored()."""
    if scheme == _LOCAL_NUMBER:
        agency, _, own = str(value).partition(":")
        return Identifier(f"{LOCAL}{agency}", own)
    name = _NAMES[scheme]
    return Identifier(name, f"{value:013d}" if name == ISBN else str(value))


def as_text(identifier: Identifier) -> tuple[int, str]:
    """Return (scheme, value) of an identifier as PostgreSQL's tables hold it: an ISBN is text, too."""
    if identifier.scheme.startswith(LOCAL):
        return _LOCAL_NUMBER, f"{identifier.scheme[len(LOCAL) :]}:{identifier.value}"
    return _SCHEMES[identifier.scheme], identifier.value


def from_text(scheme: int, value: str) -> Identifier:
    """Inverse of as_text()."""
    return Identifier(ISBN, value) if scheme == _SCHEMES[ISBN] else read_identifier(scheme, value)
