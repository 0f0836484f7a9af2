"""Parses ISBNs as catalogues send them into canonical ISBN-13s."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from urllib.parse import unquote

from stdnum import isbn as stdnum_isbn

from coverproxy.domain.errors import NotAnIsbn

MAX_TEXT = 400
"""Maximum length of a text, in characters (the longest MARC 020 seen has 60)."""

MAX_READINGS = 8
"""Most ISBNs read from one list."""

_LABEL = re.compile(r"(?:urn:\s*)?\be?-?isbn(?:[- ]?\(?1[03]\)?(?![0-9]))?\s*[:#=.]?\s*", re.IGNORECASE)
_ENDING = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|tiff?|heic|heif)$", re.IGNORECASE)
_OTHER_SCHEME = re.compile(r"\b(?:oco?lc|lccn|issn|ismn|asin|upc|doi)\b|\(oco?lc\)", re.IGNORECASE)
# A number must stand alone: no letter, digit, dot or comma may touch it, so 9.78006112242e+12 (a float from
# a spreadsheet), 10.978.1250/158062 (a DOI) and B0000BLD7X (an ASIN) contain no ISBN.
# The atomic group matches a number whole or not at all: part of a longer number could be another book's
# ISBN. A price after it (12.95) is not part of it.
_NUMBER = re.compile(
    r"(?<![0-9A-Za-z.,/])"
    r"(?>[0-9](?:[0-9]|[- ]+(?=[0-9Xx])(?![0-9]+\.[0-9]))*[Xx]?)"
    r"(?!-*[0-9A-Za-z,/]|\.[0-9])"
)
_FLOAT = re.compile(r"(?<![0-9A-Za-z.,-])([0-9]{9,10}|97[89][0-9]{10})\.0+$")
"""A whole number that a spreadsheet wrote as a float, with no digits lost."""
_EXPONENT = re.compile(r"(?<![0-9A-Za-z.,-])(9)[.,](7[89][0-9]{10})[eE]\+?12$")
"""The same with an exponent, all digits kept: pandas writes 9.780141439518e+12."""
_THOUSANDS = re.compile(r"(?<![0-9A-Za-z.,-])9(?P<mark>[.,'])(?:7[89][0-9])(?:(?P=mark)[0-9]{3}){3}$")
"""The same with marks between the thousands, as a spreadsheet's number format writes them."""
_ROUNDED = re.compile(r"[0-9][.,][0-9]+[eE]\+?1[0-9]")
"""A number that a spreadsheet wrote with an exponent: its last digits are lost."""
_PICTURE_SIZE = re.compile(r"(?<=[0-9Xx])-[LMS]$", re.IGNORECASE)
"""The size suffix in file names from Open Library's cover service."""
_ORDER_NUMBER = re.compile(r"(?<=[0-9Xx])\s*/\s*[A-Z]{1,2}\s?[·.•‧∙・-]\s?[0-9]+(?:[.:][0-9]+)?")
"""The subject letters and number that publishers in China print after an ISBN."""
_SUBFIELD = re.compile(r"\$([a-z])|[‡ǂ]([a-z0-9])")
_PIPED_SUBFIELDS = re.compile(r"\s*\|[a-z]")
_THIRTEEN = re.compile(
    r"(?<![0-9])(?:97[89](?:[- ]?[0-9]){10}|97[89](?P<mark>[_.])(?:[0-9]{1,7}(?P=mark)){3}[0-9])(?![0-9])"
)
"""In a file name an underscore or a dot may stand for each of the four hyphens."""
_WITHIN = re.compile(r"(?<![0-9])(?:97[89](?:-?[0-9]){10}|[0-9](?:-?[0-9]){8}-?[0-9Xx])(?![0-9])")
_TEN_FIRST = re.compile(
    r"((?:[0-9]{9}|[0-9]{1,5}(?P<mark>[-_. ])[0-9]{2,7}(?P=mark)[0-9]{1,6}(?P=mark))[0-9Xx])"
    r"(?=[-_. ]+[A-Za-z]|\.[0-9]{2}\.[A-Z_]|$)"
)
"""Ten digits that begin a file name: a word may follow, or Amazon's .01.LZZZZZZZ."""
_WHOLE = (10, 13)
_TEN_WEIGHTS = (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
_X_AS_TEN = str.maketrans("xX", "::")
"""A final X counts 10, and the colon is the tenth character after "0"."""

_PLUS = re.compile(r"(?<![eE])\+")
_IGNORED = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class IsbnReading:
    """The possible meanings of a text: canonical ISBN-13s, in the order to try them.

    `only_one`: the readings exclude each other; serve one only if it alone has a cover.
    """

    isbns: tuple[str, ...]
    only_one: bool = False


def parse(text: str) -> IsbnReading:
    """Read an ISBN, or a list of them, from a catalogue's text.

    Accepts ISBN-10 and -13 with any hyphens and spaces, digits of any script, percent-encoding, labels,
    qualifiers, MARC subfields (only $a counts: $z is cancelled), a picture's size suffix and file extension,
    `|`-lists (Koha), an EAN add-on, a 9-digit SBN and a lost X. Check digits are verified, never repaired.
    Registration groups are not checked, because distributors use unassigned ones (630, 631).

    Raises NotAnIsbn with the reason.
    """
    if len(text) > MAX_TEXT:
        raise NotAnIsbn(text, f"longer than {MAX_TEXT} characters")
    return _bare(text.replace("-", "")) or _messy(text)


def parse_file_name(name: str) -> IsbnReading:
    """Read the ISBN in a picture's file *name* (no folder; the extension is optional).

    In a file name, 13 digits that begin with 978 or 979 and have a valid check digit are an ISBN, whatever
    surrounds them, as long as no digit touches them: publishers append -front, -1, _cover1. Ten digits lack
    such a prefix, so they must start the name; a separated word may follow. Otherwise parse() applies.

    Raises NotAnIsbn with the reason.
    """
    if len(name) > MAX_TEXT:
        raise NotAnIsbn(name, f"longer than {MAX_TEXT} characters")
    plain = _plain(name)
    found = (_digits(re.sub("[- _.]", "", match[0])) for match in _THIRTEEN.finditer(plain))
    if isbns := dict.fromkeys(isbn for reading in found if reading for isbn in reading.isbns):
        return IsbnReading(tuple(isbns)[:MAX_READINGS])
    ten = _TEN_FIRST.match(plain)
    return (_digits(re.sub("[- _.]", "", ten[1]).upper()) if ten else None) or parse(name)


def _bare(text: str) -> IsbnReading | None:
    """Read the common case, 13 or 10 bare digits with a valid check digit; None for anything else.

    *text* comes without hyphens: a number of digits and hyphens is read whole or not at all. Several times
    faster than _messy() (1 and 2.6 µs instead of 14). The sums use character codes; the offset of "0" cancels
    out (48 * 25 modulo 10, 48 * 55 modulo 11).
    """
    if len(text) == 13 and text.startswith(("978", "979")) and text.isascii() and text.isdigit():
        codes = text.encode()
        return IsbnReading((text,)) if (sum(codes[::2]) + 3 * sum(codes[1::2])) % 10 == 0 else None
    if len(text) != 10 or not (text[:9].isascii() and text[:9].isdigit()) or text[9] not in "0123456789xX":
        return None
    if sum(map(mul, _TEN_WEIGHTS, text.translate(_X_AS_TEN).encode())) % 11 or len(set(text)) == 1:
        return None
    codes = b"978" + text[:9].encode()
    check = -(sum(codes[::2]) + 3 * sum(codes[1::2])) % 10  # here the offsets leave 2 (48 * 24)
    return IsbnReading((f"978{text[:9]}{(check + 2) % 10}",))


def _messy(text: str) -> IsbnReading:
    """Read everything that _bare() does not; see parse()."""
    plain = _trimmed(_plain(text))
    if _OTHER_SCHEME.search(plain) and not _LABEL.search(plain):
        raise NotAnIsbn(text, "it is labelled as another kind of number")
    readings = [reading for part in re.split(r"[|;,]", plain) for reading in _readings(part)]
    if not readings:
        raise NotAnIsbn(text, _why(plain))
    if len(readings) == 1:
        return readings[0]
    isbns = dict.fromkeys(isbn for reading in readings for isbn in reading.isbns if not reading.only_one)
    return IsbnReading(tuple(isbns)[:MAX_READINGS]) if isbns else readings[0]


@lru_cache(maxsize=4096)  # one cover's paths ask for it a dozen times
def to_isbn10(isbn13: str) -> str | None:
    """Return the ISBN-10 of a canonical ISBN-13, or None: only 978 has one.

    Never raises: *isbn13* may come from a database with a wrong check digit, and then has no ISBN-10.
    """
    if not isbn13.startswith("978") or _bare(isbn13) is None:
        return None
    body = isbn13[3:12]
    # 7: what the offset of "0" in the codes leaves (48 * 54 modulo 11)
    check = (7 - sum(map(mul, _TEN_WEIGHTS, body.encode()))) % 11
    return body + "0123456789X"[check]


def _plain(text: str) -> str:
    """Decode percent-encoding once, and map every dash, space, digit and wide letter to ASCII."""
    if "%" in text:
        text = unquote(text)
    if "+" in text:  # a blank, as urlencode() of some templates writes it in a path; 9.78e+12 is a number
        text = _PLUS.sub(" ", text)
    if text.isascii() and text.isprintable():
        return text.strip()
    return "".join(map(_ascii, _IGNORED.sub("", text))).strip()


def _ascii(char: str) -> str:
    """Map a character to ASCII. Superscripts stay: they are footnotes, not digits of the number."""
    category = unicodedata.category(char)
    if category == "Pd" or char == "\u2212":
        return "-"
    if char == "\x1f":  # starts a MARC subfield code; str.isspace() would call it a space
        return "‡"
    if char.isspace():
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(char))
    plain = unicodedata.normalize("NFKC", char)
    return plain if category != "No" and len(plain) == 1 else char


def _trimmed(plain: str) -> str:
    """Remove known additions around an ISBN."""
    plain = _EXPONENT.sub(r"\1\2", _FLOAT.sub(r"\1", plain))
    plain = _THOUSANDS.sub(lambda found: found[0].replace(found["mark"], ""), plain)
    plain = _PICTURE_SIZE.sub("", _ENDING.sub("", plain))
    return _ORDER_NUMBER.sub(" ", _subfields_a(plain))


def _subfields_a(plain: str) -> str:
    """Return the text of the $a subfields of a MARC field, and any text before the first one, as a list."""
    if _PIPED_SUBFIELDS.match(plain):
        plain = re.sub(r"\|(?=[a-z])", "$", plain)
    marks = list(_SUBFIELD.finditer(plain))
    if not marks:
        return plain
    ends = [*(mark.start() for mark in marks[1:]), len(plain)]
    kept = [plain[mark.end() : end] for mark, end in zip(marks, ends, strict=True) if "a" in mark.groups()]
    return "|".join((plain[: marks[0].start()], *kept)).strip("| ")


def _readings(part: str) -> list[IsbnReading]:
    """Read one list entry: each of its numbers, with its possible meanings."""
    bare = _LABEL.sub(" ", part)
    found = (reading for match in _NUMBER.finditer(bare) for reading in _number(match[0]))
    return [reading for reading in found if reading]


def _number(text: str) -> list[IsbnReading | None]:
    """Read a run of digits, hyphens and spaces: one number, several, or one followed by a price or volume."""
    tokens = [token.replace("-", "").upper() for token in text.split()]
    if all(len(token) in _WHOLE for token in tokens):
        return [_digits(token) for token in tokens]
    whole = "".join(tokens)
    if len(whole) in _WHOLE:  # take all of it: "0 8044 2957 5" is not an SBN and a volume
        return [_digits(whole)]
    starts = ("".join(tokens[:end]) for end in range(len(tokens) - 1, 0, -1))
    return [_digits(whole), *(_digits(start) for start in starts if len(start) in _WHOLE)][:2]


def _digits(digits: str) -> IsbnReading | None:
    """Read bare digits by their count: 13, 10, 13 + add-on of 5 or 2, or 9."""
    if "X" in digits[:-1] or len(set(digits)) == 1:
        return None  # 0000000000 and 1111111111 pass as ISBN-10; people type them into required fields
    match len(digits):
        case 13 | 10:
            return IsbnReading((_canonical(digits),)) if _is_valid(digits) else None
        case 18 | 15:
            return IsbnReading((digits[:13],)) if _is_valid(digits[:13]) else None
        case 9:
            return _nine(digits)
    return None


def _nine(digits: str) -> IsbnReading | None:
    """Read nine digits: a pre-1970 SBN (0 lost), or an ISBN-10 whose X a client stripped.

    About 9 % of random numbers pass as one of them, 0.8 % as both. For both, set only_one.
    """
    lost_x = [] if digits.endswith("X") else [f"{digits}X"]
    isbns = tuple(_canonical(ten) for ten in (f"0{digits}", *lost_x) if _is_valid(ten))
    return IsbnReading(isbns, only_one=len(isbns) > 1) if isbns else None


def _is_valid(digits: str) -> bool:
    """Check the check digit (ISO 2108); *digits* holds only 0-9 and a final X."""
    valid: bool = stdnum_isbn.is_valid(digits)
    return valid


def _canonical(digits: str) -> str:
    isbn13: str = stdnum_isbn.to_isbn13(digits) if len(digits) == 10 else digits
    return isbn13


def _why(plain: str) -> str:
    """Explain why a text contains no ISBN, so that a person knows what to look at."""
    digits = re.sub(r"[^0-9Xx]", "", _LABEL.sub("", plain))
    if not re.search("[0-9]", plain):
        return "it has no digits 0-9"
    if _ROUNDED.search(plain):
        return "a spreadsheet has rounded it; format the column as text"
    if in_the_way := _in_the_way(plain):
        return in_the_way
    if len(digits) in (9, 10, 13):
        return "its check digit is wrong, or it is not a book number"
    return f"expected 10 or 13 digits, found {len(digits)}"


def _in_the_way(plain: str) -> str | None:
    """Name the characters that touch an otherwise valid number, so it was not read; else None."""
    for match in _WITHIN.finditer(plain):
        before, behind = plain[: match.start()].split(" ")[-1], plain[match.end() :].split(" ")[0]
        if not (before or behind) or not _digits(match[0].replace("-", "").upper()):
            continue
        if behind:
            return f"something follows the number: {behind[:20]!r}"
        return f"something stands before the number: {before[-20:]!r}"
    return None
