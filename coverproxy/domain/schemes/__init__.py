"""The registry of identifier schemes. All code that asks about a scheme goes through it.

To add a scheme, write a class in the module of its group and add it to `ALL`.
"""

import re
from functools import lru_cache

from coverproxy.domain.errors import UnknownScheme
from coverproxy.domain.identifier import ISBN, Identifier, Reading
from coverproxy.domain.schemes.base import MAX_TEXT, Scheme
from coverproxy.domain.schemes.libraries import Lccn, Local, Oclc, Ppn
from coverproxy.domain.schemes.network import Doi, Isni, Olid, Viaf, Wikidata
from coverproxy.domain.schemes.serials import Issn
from coverproxy.domain.schemes.trade import Asin, Ean, Isbn, Ismn

__all__ = [
    "AGENCY", "ALIASES", "ALL", "ISBN", "LOCAL", "MAX_TEXT", "PLAIN_LOCAL", "Scheme",
    "named", "parse", "read", "shard", "stems",
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


def stems(identifier: Identifier) -> tuple[str, ...]:
    """Return every file name, without extension, that finds an identifier; the canonical one first."""
    return named(identifier.scheme).stems(identifier.value)


def shard(identifier: Identifier) -> tuple[str, str]:
    """Return the names of the two folders that hold an identifier's files."""
    return named(identifier.scheme).shard(identifier.value)
