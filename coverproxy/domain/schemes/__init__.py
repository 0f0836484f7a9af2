"""The registry of identifier schemes. All code that asks about a scheme goes through it.

To add a scheme, write a class in the module of its group and add it to `ALL`.
"""

import re
from functools import lru_cache

from coverproxy.domain.errors import NotAnIdentifier, UnknownScheme
from coverproxy.domain.identifier import ISBN, Identifier, Reading
from coverproxy.domain.schemes.base import MAX_TEXT, Scheme
from coverproxy.domain.schemes.libraries import Lccn, Local, Oclc, Ppn
from coverproxy.domain.schemes.network import Doi, Isni, Olid, Viaf, Wikidata
from coverproxy.domain.schemes.serials import Issn
from coverproxy.domain.schemes.trade import ISMN, Asin, Ean, Isbn, Ismn, of_isbns

__all__ = [
    "AGENCY", "ALIASES", "ALL", "ISBN", "ISMN", "LOCAL", "MAX_TEXT", "PLAIN_LOCAL", "Scheme",
    "for_people", "is_valid", "named", "of_isbns", "parse", "read", "shard", "stems", "sure", "unlisted",
]  # fmt: skip

ALL: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Isbn(), Ean(), Issn(), Ismn(), Oclc(), Lccn(), Olid(), Asin(), Ppn(), Doi(),
        Isni(), Viaf(), Wikidata(),
    )
}  # fmt: skip
"""Schemes by name, without the operator's own, `local:{agency}`."""

ALIASES = {"upc": "ean"}
"""Synonyms of schemes in URLs and columns."""

LOCAL = "local:"
AGENCY = Local.AGENCY
PLAIN_LOCAL = Local.pattern
"""Pattern for record numbers that are their own file names."""

_PREFIXED = re.compile(rf"\s*({LOCAL}[^:\s]+|[A-Za-z]+):(.*)", re.DOTALL | re.IGNORECASE)

_LISTED = re.compile(rf"(?:({LOCAL}[^:]+|[^:]+):)?(.*)", re.DOTALL)


@lru_cache(maxsize=256)
def _local(agency: str) -> Scheme:
    return Local(agency)


def named(name: str) -> Scheme:
    """Return the scheme with that name, ignoring case. Raises UnknownScheme."""
    lower = name.lower()
    scheme = ALL.get(ALIASES.get(lower, lower))
    if scheme:
        return scheme
    if lower.startswith(LOCAL) and re.fullmatch(Local.AGENCY, lower[len(LOCAL) :]):
        return _local(lower[len(LOCAL) :])
    raise UnknownScheme(name, (*ALL, "local:AGENCY"))


def parse(scheme: str, text: str) -> Reading:
    """Read *text* as an identifier of *scheme*. Raises UnknownScheme, NotAnIdentifier."""
    return named(scheme).parse(text)


def read(text: str) -> Reading:
    """Read `scheme:value`, as identifiers are printed. Without a known scheme in front it is an ISBN.

    Raises NotAnIdentifier.
    """
    if found := _PREFIXED.fullmatch(text):
        try:
            scheme = named(found[1])
        except UnknownScheme:
            pass
        else:
            return scheme.parse(found[2])
    return ALL[ISBN].parse(text)


def sure(text: str) -> Identifier | None:
    """Return what read() takes *text* for; None if that is not certain, or it is invalid."""
    try:
        return read(text).sure
    except NotAnIdentifier:
        return None


def is_valid(text: str) -> bool:
    """Return whether read() can read *text*."""
    try:
        read(text)
    except NotAnIdentifier:
        return False
    return True


def stems(identifier: Identifier) -> tuple[str, ...]:
    """Return every file name, without extension, that finds an identifier; the canonical one first."""
    return named(identifier.scheme).stems(identifier.value)


def shard(identifier: Identifier) -> tuple[str, str]:
    """Return the names of the two folders that hold an identifier's files."""
    return named(identifier.scheme).shard(identifier.value)


def unlisted(name: str) -> Identifier:
    """Return the identifier that lists and pages have as *name*: `9780141439556`, `local:agency:42`.

    The name is split and not read again: what is in a store was valid when it was entered.
    """
    found = _LISTED.fullmatch(name)
    scheme, value = found.groups() if found else (None, name)
    return Identifier(scheme or ISBN, value)


def for_people(identifier: Identifier) -> str:
    """Return an identifier as people write it in any language: ISBN 978-0-14-143951-8, ISSN 0028-0836."""
    try:
        scheme = named(identifier.scheme)
    except UnknownScheme:  # of a version that knew it
        return str(identifier)
    return f"{scheme.mark or scheme.title} {scheme.set_out(identifier.value)}"
