"""Detects from its first bytes whether a file is a text list, and in which encoding."""

from coverproxy.domain.formats import sniff

HEAD_BYTES = 4096
"""Bytes at the start of a file that encoding() needs."""

_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive is not read here: unpack it first"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a workbook is not read: save its table as CSV UTF-8"),
    (b"\x1f\x8b", "it is compressed with gzip: unpack it first"),
    (b"%PDF", "a PDF is not read: save its table as CSV UTF-8"),
    (b"7z\xbc\xaf", "a 7-Zip archive is not read: unpack it first"),
    (b"Rar!", "a RAR archive is not read: unpack it first"),
    (b"SQLite format 3\0", "a database is not read: save its table as CSV UTF-8"),
)
_IN_WORKBOOKS = (b"[Content_Types].xml", b"xl/")
_BOMS = (
    (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),  # before UTF-16, which begins alike
    (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip
_MOST_CONTROLS = 0.1
"""Share of control characters above which a file is binary. A damaged row may contain a few."""


class NotAList(ValueError):
    """The file is not a text list. The message names its kind, and says what to do."""


def encoding(head: bytes) -> str:
    """Return the encoding of a list that begins with *head*, its first HEAD_BYTES. Raises NotAList.

    UTF-8 with or without a BOM, UTF-16 as spreadsheets save "Unicode text", and UTF-32. Invalid UTF-8 is
    read as UTF-8 with its bytes kept, because file names may contain any bytes.
    """
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    for magic, why in _OTHERS:
        if head.startswith(magic):
            raise NotAList(
                "a workbook is not read: save its table as CSV UTF-8" if is_document(head) else why
            )
    if sniff(head[:32]):
        raise NotAList("it is a picture, not a list")
    if without_bom := _utf_16_without_bom(head):
        return without_bom
    controls = sum(byte < 32 and byte not in b"\t\n\v\f\r\x1a\x1f" for byte in head)
    if controls > _MOST_CONTROLS * len(head):
        raise NotAList("it is neither text nor a table: save the table as CSV UTF-8")
    return "utf-8"


def is_document(head: bytes) -> bool:
    """Say whether a zip is a workbook or another document, by its first HEAD_BYTES."""
    if not head.startswith(b"PK"):
        return False
    # OpenDocument and EPUB have a member of this name first, behind the 30 bytes of its header
    return head[30:38] == b"mimetype" or any(part in head for part in _IN_WORKBOOKS)


def errors(name: str) -> str:
    """Return the error handler for the encoding *name*: keep invalid bytes; in UTF-16 and -32, mark them."""
    return "replace" if name.startswith(("utf-16", "utf-32")) else "surrogateescape"


def _utf_16_without_bom(head: bytes) -> str | None:
    """Recognise UTF-16 by zeros in every other byte, which all lists of numbers have."""
    pairs = len(head) // 2
    if pairs >= 4 and head[1::2].count(0) > 0.8 * pairs and not head[::2].count(0):
        return "utf-16-le"
    if pairs >= 4 and head[::2].count(0) > 0.8 * pairs and not head[1::2].count(0):
        return "utf-16-be"
    return None
