"""Record numbers of library catalogues: OCLC, Library of Congress, PICA, and the operator's own."""

import re

from coverproxy.domain.identifier import Reading
from coverproxy.domain.plain_text import ascii_marks
from coverproxy.domain.schemes.base import MAX_TEXT, Scheme, safe_stem


class Oclc(Scheme):
    """The number of a WorldCat record. It has no check digit."""

    name = "oclc"
    title = "OCLC number"
    mark = "OCLC"
    example = "1144565418"
    pattern = "[1-9][0-9]{0,13}"
    labels = r"\(ocolc\)|(?:urn:)?oclc(?:num)?[\s:#]*|ocolc[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read digits, with MARC's prefixes `ocm`, `ocn`, `on` and `ocl7` or without."""
        found = re.fullmatch(r"(?:ocm|ocn|on|ocl7)?\s*0*([0-9]*)", bare, re.IGNORECASE)
        if not found:
            raise self.refusal(text, "expected digits, as in 12345 or (OCoLC)ocm00012345")
        if not re.fullmatch(self.pattern, found[1]):
            raise self.refusal(text, "expected a number of 1 to 14 digits that is not 0")
        return self.one(found[1])


class Lccn(Scheme):
    """Library of Congress Control Number, in the normal form of the `info:lccn/` registry."""

    name = "lccn"
    title = "LCCN"
    has_slashes = True
    example = "n78890351"
    pattern = "[0-9]{8}|(?:[a-z]|[0-9]{2})[0-9]{8}|(?:[a-z]{2}|[a-z][0-9]{2})[0-9]{8}|[a-z]{2}[0-9]{10}"
    labels = r"(?:info:)?lccn(?:/|[\s:])*(?=[0-9A-Za-z -])|https?://lccn\.loc\.gov/"

    def read(self, bare: str, text: str) -> Reading:
        """Remove blanks, anything after a slash, and the hyphen; the number after it is padded to six digits.

        A plus is a blank, as some templates encode it in a path.
        Source: https://www.loc.gov/marc/lccn-namespace.html. A lost hyphen is not restored.
        """
        whole = re.sub("[ +]", "", bare).partition("/")[0].lower()
        front, hyphen, serial = whole.partition("-")
        if hyphen and not re.fullmatch("[0-9]{1,6}", serial):
            raise self.refusal(text, "expected one to six digits behind the hyphen")
        value = front + serial.zfill(6) if hyphen else whole
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected up to three letters or digits, a year and six digits")
        return self.one(value)


class Ppn(Scheme):
    """Pica Production Number, of the German-speaking and Dutch union catalogues."""

    name = "ppn"
    title = "PPN"
    example = "862934397"
    pattern = "[0-9]{5,13}[0-9X]"
    labels = r"ppn[\s:]*"

    def read(self, bare: str, text: str) -> Reading:
        """Read digits with a modulo 11 check digit: weights 2, 3, … from the right."""
        value = bare.upper()
        if not re.fullmatch(self.pattern, value):
            raise self.refusal(text, "expected 6 to 14 digits, the last of which may be X")
        digits = [10 if digit == "X" else int(digit) for digit in reversed(value)]
        if sum(weight * digit for weight, digit in enumerate(digits, 1)) % 11 or not any(digits):
            raise self.refusal(text, "its check digit is wrong")
        return self.one(value)


class Local(Scheme):
    """Record numbers of one agency, as its catalogue spells them: `local:{agency}`."""

    title = "record number"
    has_slashes = True
    example = "b1234567"
    pattern = "[0-9A-Za-z_-][0-9A-Za-z._-]{0,127}"

    AGENCY = "[a-z0-9][a-z0-9._-]{0,31}"
    """A MARC organization code, or another word of the operator's choice, in lower case."""

    MAX_VALUE = 128

    def __init__(self, agency: str) -> None:
        self.name = f"local:{agency}"
        self.mark = agency

    def parse(self, text: str) -> Reading:
        """Take the text as it is, without surrounding blanks. Two spellings are two numbers."""
        if len(text) > MAX_TEXT:
            raise self.refusal(text, f"longer than {MAX_TEXT} characters")
        return self.read(ascii_marks(text) if text.isascii() else text.strip(), text)

    def read(self, bare: str, text: str) -> Reading:
        """Refuse only clear errors: an empty text, control characters, more than 128 bytes."""
        if not bare:
            raise self.refusal(text, "it is empty")
        if not bare.isprintable():
            raise self.refusal(text, "it has characters that do not print")
        if len(bare.encode()) > self.MAX_VALUE:
            raise self.refusal(text, f"longer than {self.MAX_VALUE} bytes")
        return self.one(bare)

    def stems(self, value: str) -> tuple[str, ...]:
        """Return the value as a file name."""
        return (safe_stem(value),)
