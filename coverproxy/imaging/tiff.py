"""TIFF directories, read before libtiff sees them: which page is the picture, and what its bands mean."""

import struct
from dataclasses import dataclass

_MOST_PAGES = 64
_MOST_VALUES = 256

_NEW_SUBFILE, _SUBFILE, _COMPRESSION, _PHOTOMETRIC = 254, 255, 259, 262
_ORIENTATION = 274
_SAMPLES, _STRIP_ROWS, _TILE_WIDTH, _EXTRA = 277, 278, 322, 338
_READ_TAGS = frozenset(
    {_NEW_SUBFILE, _SUBFILE, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES}
    | {_STRIP_ROWS, _TILE_WIDTH, _EXTRA}
)

_FORMATS = {1: "B", 3: "H", 4: "I"}
"""struct's letters for the field types BYTE, SHORT and LONG."""

_REDUCED, _MASK = 1, 4
"""Bits of NewSubfileType: a smaller copy of another page, a page's transparency mask."""

_OLD_REDUCED = 2
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}
"""Colour bands by photometric interpretation: grey, RGB, palette, CMYK, YCbCr, and three kinds of Lab."""

_COMPRESSIONS = {
    6: "old-style JPEG",
    32766: "NeXT",
    32809: "ThunderScan",
    32908: "Pixar",
    32909: "PixarLog",
    34661: "JBIG",
    34676: "SGILog",
    34677: "SGILog",
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50002: "JPEG XL",
}
"""Compression methods that our libtiff has no decoder for, by their usual names."""

_READ_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32771, 32773, 32946, 50001})


_YCBCR, _JPEG = 6, 7


@dataclass(frozen=True, slots=True)
class Page:
    """One directory: its number, compression, bands, and the meaning of those beyond the colours.

    `extra`: ExtraSamples; 1 and 2 are alpha (TIFF 6 §18), other values are not.
    """

    number: int
    compression: int = 1
    photometric: int = 1
    bands: int = 1
    extra: tuple[int, ...] = ()
    is_reduced: bool = False
    is_tiled: bool = False
    strip_rows: int = 2**32 - 1

    @property
    def colours(self) -> int:
        """Number of colour bands, which come first."""
        return min(_COLOURS.get(self.photometric, self.bands), self.bands)

    @property
    def alpha(self) -> int | None:
        """The index of the alpha band, from 0; None without one."""
        kinds = self.extra[: self.bands - self.colours]
        return next((self.colours + at for at, kind in enumerate(kinds) if kind in (1, 2)), None)


def picture(body: bytes) -> Page:
    """Return the page that is the picture: the first that is neither a reduced copy nor a mask.

    If all are, return the first; if no directory can be read, an empty page.
    """
    pages = _pages(body)
    return next((page for page in pages if not page.is_reduced), pages[0] if pages else Page(0))


def refusal(page: Page) -> str | None:
    """Return why libtiff may not read this page; None if it may.

    libvips paints tiles that libtiff cannot decode black or white, and reports no error. It shows YCbCr as if
    it were RGB, unless libtiff decodes it as JPEG.
    """
    if page.photometric == _YCBCR and page.compression != _JPEG:
        return "a TIFF in YCbCr without JPEG compression, which is not supported; save it in RGB"
    if page.compression in _READ_COMPRESSIONS:
        return None
    name = _COMPRESSIONS.get(page.compression, f"method {page.compression}")
    return f"a TIFF compressed by {name}, which is not supported; save it with LZW or as JPEG"


def orientation(body: bytes) -> int:
    """Return the orientation from an EXIF block, which is a TIFF; 0 without one."""
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None:
        return 0
    start = _value(body, f"{order}I", 4)
    values = _fields(body, order, start + 2, _value(body, f"{order}H", start)).get(_ORIENTATION)
    return values[0] if values else 0


def _pages(body: bytes) -> list[Page]:
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    found: list[Page] = []
    at, seen = _value(body, f"{order}I", 4) if order else 0, set[int]()
    while order and at and at not in seen and len(found) < _MOST_PAGES:
        seen.add(at)
        count = _value(body, f"{order}H", at)
        found.append(_page(len(found), _fields(body, order, at + 2, count)))
        at = _value(body, f"{order}I", at + 2 + 12 * count)
    return found


def _value(body: bytes, form: str, at: int) -> int:
    """Return a number from the file; 0 beyond its end."""
    number: int = struct.unpack_from(form, body, at)[0] if at + struct.calcsize(form) <= len(body) else 0
    return number


def _fields(body: bytes, order: str, start: int, count: int) -> dict[int, tuple[int, ...]]:
    """Return the values of known tags, by tag; the first counts if a tag occurs twice."""
    fields: dict[int, tuple[int, ...]] = {}
    for at in range(start, min(start + 12 * count, len(body) - 11), 12):
        tag, kind, many = struct.unpack_from(f"{order}HHI", body, at)
        if tag in _READ_TAGS and kind in _FORMATS and tag not in fields:
            form = f"{order}{min(many, _MOST_VALUES)}{_FORMATS[kind]}"
            length = many * struct.calcsize(_FORMATS[kind])
            place = at + 8 if length <= 4 else _value(body, f"{order}I", at + 8)
            if place + struct.calcsize(form) <= len(body):
                fields[tag] = struct.unpack_from(form, body, place)
    return fields


def _page(number: int, fields: dict[int, tuple[int, ...]]) -> Page:
    def first(tag: int, default: int) -> int:
        return fields[tag][0] if fields.get(tag) else default

    kind = first(_NEW_SUBFILE, 0)
    return Page(
        number,
        compression=first(_COMPRESSION, 1),
        photometric=first(_PHOTOMETRIC, 1),
        bands=first(_SAMPLES, 1),
        extra=fields.get(_EXTRA, ()),
        is_reduced=bool(kind & (_REDUCED | _MASK)) or first(_SUBFILE, 1) == _OLD_REDUCED,
        is_tiled=_TILE_WIDTH in fields,
        strip_rows=first(_STRIP_ROWS, 2**32 - 1),
    )
