"""Whether a file can be a list, and in which encoding, by its first bytes."""

from coverproxy.domain.formats import sniff

HEAD_BYTES = 4096
"""First bytes of a file that say what it is."""

_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive is not read here: unpack it first"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook is not read: save its table as CSV UTF-8"),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
    (b"%PDF", "a PDF is not read: save its table as CSV UTF-8"),
    (b"7z\xbc\xaf", "a 7-Zip archive is not read: unpack it first"),
    (b"Rar!", "a RAR archive is not read: unpack it first"),
    (b"SQLite format 3\0", "a database is not read: save its table as CSV UTF-8"),
)
_IN_WORKBOOKS = (b"[Content_Types].xml", b"xl/", b"mimetypeapplication/vnd.oasis.opendocument")
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_MOST_CONTROLS = 0.1
"""Part of control characters beyond which bytes are no text: a damaged row may have some."""


class NotAList(ValueError):
    """The file is no list of text; says what it is, and what to do."""


def encoding(head: bytes) -> str:
    """Return the encoding of a list that begins with *head*, its first HEAD_BYTES. Raises NotAList.

    UTF-8 with or without a BOM, and UTF-16 as spreadsheets save "Unicode text". What is no UTF-8 is still
    read as such, its bytes kept: names of files may be any.
    """
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    for magic, why in _OTHERS:
        if head.startswith(magic):
            is_workbook = magic.startswith(b"PK") and any(part in head for part in _IN_WORKBOOKS)
            raise NotAList("a workbook is not read: save its table as CSV UTF-8" if is_workbook else why)
    if sniff(head[:32]):
        raise NotAList("it is a picture, not a list")
    if without_bom := _utf_16_without_bom(head):
        return without_bom
    controls = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1a\x1f" for byte in head)
    if controls > _MOST_CONTROLS * len(head):
        raise NotAList("it is neither text nor a table: save the table as CSV UTF-8")
    return "utf-8"


def errors(name: str) -> str:
    """Say what happens to bytes that are not of the encoding *name*: kept, or in UTF-16 marked."""
    return "replace" if name.startswith("utf-16") else "surrogateescape"


def _utf_16_without_bom(head: bytes) -> str | None:
    """Tell UTF-16 by every other byte being zero, as it is in all lists of numbers."""
    pairs = len(head) // 2
    if pairs >= 4 and head[1::2].count(0) > 0.8 * pairs and not head[::2].count(0):
        return "utf-16-le"
    if pairs >= 4 and head[::2].count(0) > 0.8 * pairs and not head[1::2].count(0):
        return "utf-16-be"
    return None
