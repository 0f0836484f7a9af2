"""Identifiers used on the web: Open Library, DOI, and those of people."""

import re

from stdnum import isni as stdnum_isni

from coverproxy.domain.identifier import Reading
from coverproxy.domain.schemes.base import Scheme, safe_stem


class Olid(Scheme):
    """Open Library's identifier of an edition (M), a work (W) or a person (A)."""

    name = "olid"
    title = "Open Library identifier"
    mark = "Open Library"
    example = "OL7353617M"
    pattern = "OL[1-9][0-9]{0,11}[MWA]"
    labels = r"(?:https?://openlibrary\.org)?/?(?:books|works|authors)/|olid[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read `OL`, digits and a letter, in any case."""
        value = bare.upper()
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected OL, digits and M, W or A")
        return self.one(value)


class Doi(Scheme):
    """Digital Object Identifier (ISO 26324), case-insensitive."""

    name = "doi"
    title = "DOI"
    has_slashes = True
    example = "10.1000/182"
    pattern = "10\\.[0-9]{4,9}(?:\\.[0-9]+)*/[0-9a-z._;()/:-]+"
    labels = r"https?://(?:dx\.)?doi\.org/|(?:info:)?doi(?:/|[\s:])\s*"

    def read(self, bare: str, text: str) -> Reading:
        """Read a prefix `10.` and digits, a slash, and anything without blanks."""
        value = bare.lower()
        if not re.fullmatch(r"10\.[0-9]{4,9}(?:\.[0-9]+)*/\S+", value) or not value.isprintable():
            raise self.refusal(text, "expected 10., a number, a slash and a name without blanks")
        return self.one(value)

    def stems(self, value: str) -> tuple[str, ...]:
        """Return the value as a file name."""
        return (safe_stem(value),)


class Isni(Scheme):
    """International Standard Name Identifier (ISO 27729) of a person or an organisation; includes ORCIDs."""

    name = "isni"
    title = "ISNI"
    example = "0000000121032683"
    pattern = "[0-9]{15}[0-9X]"
    labels = r"https?://(?:www\.)?(?:isni\.org|orcid\.org)/(?:isni/)?|isni[\s:]*|orcid[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read 16 characters, grouped in fours or not; the last is a check digit or X."""
        value = re.sub("[- ]", "", bare).upper()
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected 15 digits and a check digit or X")
        if not stdnum_isni.is_valid(value) or not value.strip("0"):
            raise self.refusal(text, "its check digit is wrong")
        return self.one(value)


class Viaf(Scheme):
    """Cluster number of the Virtual International Authority File."""

    name = "viaf"
    title = "VIAF number"
    mark = "VIAF"
    example = "102333412"
    pattern = "[1-9][0-9]{0,21}"
    labels = r"https?://(?:www\.)?viaf\.org/viaf/|viaf[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read up to 22 digits, of which the first is not 0."""
        value = bare.rstrip("/")
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected a number of 1 to 22 digits that does not begin with 0")
        return self.one(value)


class Wikidata(Scheme):
    """Number of an item in Wikidata."""

    name = "wikidata"
    title = "Wikidata number"
    mark = "Wikidata"
    example = "Q42"
    pattern = "Q[1-9][0-9]{0,11}"
    labels = r"https?://(?:www\.)?wikidata\.org/(?:wiki|entity)/|wikidata[\s:]*|wd:"

    def read(self, bare: str, text: str) -> Reading:
        """Read Q and a number, in any case."""
        value = bare.upper()
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected Q and a number")
        return self.one(value)
