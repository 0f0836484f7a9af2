"""Identifiers of the book trade: ISBN, EAN, ISMN and Amazon's ASIN."""

import re

from stdnum import ean as stdnum_ean
from stdnum import isbn as stdnum_isbn
from stdnum import ismn as stdnum_ismn

from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.identifier import ISBN, Identifier, Reading
from coverproxy.domain.schemes import serials
from coverproxy.domain.schemes.base import Scheme

ISMN = "ismn"
_MUSICLAND = "9790"
"""The ISMN's part of 979; the rest belongs to ISBN."""


def of_isbns(found: isbn.IsbnReading) -> Reading:
    """Return the identifiers of numbers that were read as ISBNs: printed music has an ISMN, by its 9790."""
    return Reading(tuple(map(_of_book, found.isbns)), found.only_one)


def _of_book(number: str) -> Identifier:
    return Identifier(ISMN if number.startswith(_MUSICLAND) else ISBN, number)


class Isbn(Scheme):
    """International Standard Book Number (ISO 2108); the rules are in `domain.isbn`.

    Catalogues send the numbers of printed music as ISBNs, too: these are read as ISMNs.
    """

    name = ISBN
    title = "ISBN"
    example = "9780141439518"
    pattern = "(?:978[0-9]|979[1-9])[0-9]{9}"

    def parse(self, text: str) -> Reading:
        """Read an ISBN or a list of them; see isbn.parse."""
        return of_isbns(isbn.parse(text))

    def read(self, bare: str, text: str) -> Reading:
        """Read *text*; domain.isbn removes labels itself."""
        return self.parse(text)

    def set_out(self, value: str) -> str:
        """Return it with its hyphens; as it is where it belongs to no registration group yet."""
        parts = stdnum_isbn.split(value) if re.fullmatch(self.pattern, value) else ()
        return "-".join(parts) if parts and all(parts) else value

    def stems(self, value: str) -> tuple[str, ...]:
        """Return the ISBN-13 and, for 978, the ISBN-10: catalogues request either."""
        ten = isbn.to_isbn10(value)
        return (value, ten) if ten else (value,)


class Ismn(Scheme):
    """International Standard Music Number (ISO 10957)."""

    name = ISMN
    title = "ISMN"
    example = "9790260000438"
    pattern = "9790[0-9]{9}"
    labels = r"(?:urn:)?ismn[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read 13 digits, or the ten-character form from before 2008, `M` and nine digits."""
        compact = re.sub("[- ]", "", bare).upper()
        digits = f"{_MUSICLAND}{compact[1:]}" if compact.startswith("M") else compact
        if not re.fullmatch("9790[0-9]{9}", digits):
            raise self.refusal(text, "expected 13 digits beginning 9790, or M and nine digits")
        if not stdnum_ismn.is_valid(digits):
            raise self.refusal(text, "its check digit is wrong")
        return self.one(digits)


class Ean(Scheme):
    """The number in a product's bar code: EAN-13, EAN-8, UPC-A, GTIN-14."""

    name = "ean"
    title = "EAN or UPC"
    mark = "EAN"
    example = "4006381333931"
    pattern = "[0-9]{13}|[0-9]{8}"
    labels = r"(?:ean|upc|gtin)(?:-?(?:1[234]|8|a))?[\s:]+"

    def read(self, bare: str, text: str) -> Reading:
        """Read 8, 11 (leading zero lost), 12, 13 or 14 digits. Books, music and serials have own schemes."""
        digits = re.sub("[- ]", "", bare)
        if not re.fullmatch("[0-9]{8}|[0-9]{11,13}|0[0-9]{13}", digits):
            raise self.refusal(text, "expected 8, 12 or 13 digits, or 14 of which the first is 0")
        number = digits if len(digits) == 8 else digits.zfill(13)[-13:]
        if not stdnum_ean.is_valid(number) or not number.strip("0"):
            raise self.refusal(text, "its check digit is wrong")
        return self._owner(number)

    def _owner(self, number: str) -> Reading:
        """Return the reading in the scheme that owns the number."""
        if len(number) == 13 and number.startswith(("978", "979")):
            return Reading((_of_book(number),))
        if len(number) == 13 and number.startswith("977"):
            return serials.of_ean(number)
        return self.one(number)


class Asin(Scheme):
    """Amazon's number: ten letters and digits. For books from before 2007 it is the ISBN-10."""

    name = "asin"
    title = "ASIN"
    example = "B0000BLD7X"
    pattern = "[0-9A-Z]{10}"
    labels = r"asin[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read an ASIN. An ISBN, which Amazon's addresses also take, is read as an ISBN."""
        value = bare.upper()
        if re.fullmatch("[0-9]{9}[0-9X]|97[89][0-9]{10}", value):
            try:
                return Isbn().parse(value)
            except NotAnIdentifier:
                pass
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected ten letters and digits")
        return self.one(value)
