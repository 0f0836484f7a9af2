"""Parses identifiers as other services' clients spell them."""

import contextlib
import re
from collections.abc import Collection, Iterable

from coverproxy.domain import schemes
from coverproxy.domain.errors import CoverError, NoCover, NotAnIdentifier
from coverproxy.domain.spec import ISBN, Wanted

_OLID = re.compile(r"OL[0-9]+[MWA]", re.IGNORECASE)
_PREFIXED = re.compile(
    r"(?:[a-z][a-z0-9-]*:(?=ppn:))?(isbn|issn|ismn|oclc|lccn|olid|ean|upc|ppn)[:\s]*(.*)",
    re.IGNORECASE | re.DOTALL,
)

_BARE = re.compile(r"[0-9][0-9 -]{6,16}[0-9Xx]")


def wanted(size: str, scheme: str, text: str) -> Wanted:
    """Read *text* as an identifier of a scheme, for a size. Raises NotAnIdentifier."""
    reading = schemes.parse(scheme, text)
    return Wanted(size, reading, None)


def bibkey(size: str, text: str) -> Wanted:
    """Read a key of Open Library or Google: `ISBN:x`, `ISBNx`, `OCLC:x`, `OL1M`, `doi:x`, or a bare ISBN.

    Raises NotAnIdentifier, NoCover. Case and hyphens do not matter, SearchWorks omits the colon, and GBV's
    clients name the catalogue before a PPN: `gvk:ppn:862934397`.
    """
    plain = text.strip()
    if _OLID.fullmatch(plain):
        return wanted(size, "olid", plain)
    if found := _PREFIXED.fullmatch(plain):
        return wanted(size, found[1].lower(), found[2])
    return Wanted(size, schemes.read(plain), None)


def bibkeys(size: str, texts: Iterable[str]) -> dict[str, Wanted]:
    """Read keys by their text, omitting invalid ones."""
    found: dict[str, Wanted] = {}
    for text in texts:
        with contextlib.suppress(NotAnIdentifier, NoCover):
            found[text] = bibkey(size, text)
    return found


def numbers(size: str, texts: Collection[str]) -> dict[str, Wanted]:
    """Read keys, or bare numbers of any kind, by their text, omitting invalid ones.

    For services that take what stands below a barcode: not every EAN is a book's.
    """
    found = bibkeys(size, texts)
    for text in texts:
        if text not in found and _BARE.fullmatch(text):
            with contextlib.suppress(NotAnIdentifier):
                found[text] = wanted(size, scheme_of(text), text)
    return {text: found[text] for text in texts if text in found}


def scheme_of(text: str) -> str:
    """Return the scheme of a number in a mixed list, by its number of digits (ChiliFresh, Content Cafe).

    A UPC may have lost its leading zero: Aspen removes it. Eight digits are an ISSN if its check digit is
    right, else an EAN-8.
    """
    if text.strip().lower().startswith("(ocolc)"):
        return "oclc"
    digits = re.sub(r"[^0-9Xx]", "", text)
    if len(digits) == 8:
        return "issn" if schemes.is_valid(f"issn:{text}") else "ean"
    is_ean = len(digits) in (11, 12, 14) or (len(digits) == 13 and not digits.startswith(("978", "979")))
    return "ean" if is_ean else ISBN


def all_of(size: str, named: Iterable[tuple[str, str]]) -> list[Wanted]:
    """Read several (scheme, text), omitting invalid ones.

    If all are invalid, raises the first NotAnIdentifier or NoCover.
    """
    found: list[Wanted] = []
    refused: CoverError | None = None
    for scheme, text in named:
        try:
            found.append(wanted(size, scheme, text))
        except (NotAnIdentifier, NoCover) as exc:
            refused = refused or exc
    if found:
        return list(dict.fromkeys(found))
    raise refused or NoCover("there is no identifier")
