"""Identifiers of serials."""

import re

from stdnum import ean as stdnum_ean
from stdnum import issn as stdnum_issn

from coverproxy.domain.identifier import Reading
from coverproxy.domain.schemes.base import Scheme


class Issn(Scheme):
    """International Standard Serial Number (ISO 3297)."""

    name = "issn"
    title = "ISSN"
    example = "03785955"
    pattern = "[0-9]{7}[0-9X]"
    labels = r"(?:urn:)?(?:e-?|p-?)?issn(?:-l)?[\s:]*"

    def set_out(self, value: str) -> str:
        """Return it with its hyphen."""
        return f"{value[:4]}-{value[4:]}"

    def read(self, bare: str, text: str) -> Reading:
        """Read eight characters, hyphen or not, or the EAN that begins 977, with or without its add-on."""
        compact = re.sub("[- ]", "", bare).upper()
        if re.fullmatch("977[0-9]{10}(?:[0-9]{2}|[0-9]{5})?", compact):
            if not stdnum_ean.is_valid(compact[:13]):
                raise self.refusal(text, "the check digit of its EAN is wrong")
            return of_ean(compact)
        if not re.fullmatch(self.pattern, compact):
            raise self.refusal(text, "expected seven digits and a check digit or X")
        if not stdnum_issn.is_valid(compact) or not compact.strip("0"):
            raise self.refusal(text, "its check digit is wrong")
        return self.one(compact)


def of_ean(number: str) -> Reading:
    """Return the ISSN of an EAN that begins 977; the two digits after it name a price or an issue."""
    first = number[3:10]
    return Issn().one(first + stdnum_issn.calc_check_digit(first))
