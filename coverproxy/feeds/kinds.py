"""What kind of thing a sender's file is, by its first bytes: its name says nothing that can be relied on."""

import re
from enum import StrEnum

from coverproxy.domain import file_kinds, list_text
from coverproxy.domain.formats import sniff
from coverproxy.feeds.marc import NAMESPACE
from coverproxy.feeds.record import FeedUnreadable

HEAD_BYTES = list_text.HEAD_BYTES
"""First bytes of a file that say what it is."""


class FileKind(StrEnum):
    """What a file is read as."""

    PICTURE = "picture"
    LIST = "list"
    ONIX = "ONIX"
    MARC = "MARC 21"
    MARC_XML = "MARCXML"
    ZIP = "zip"


_LEADER = re.compile(rb"[0-9]{5}[a-z ].{3}[ a][0-9 ]{2}[0-9]{5}", re.DOTALL)
"""MARC 21's leader to position 16: length, status, type, level, control, coding, 2, 2, base address."""
_FIELD_END, _SUBFIELD = b"\x1e", b"\x1f"
"""ISO 2709's separators: with both, it is MARC although its first leader is damaged."""
_PROLOG = re.compile(r"\s*(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(?:\[.*?\])?[^>]*>)", re.DOTALL)
_ROOT = re.compile(r"\s*<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_ROOTS = {
    "onixmessage": FileKind.ONIX, "product": FileKind.ONIX,
    "collection": FileKind.MARC_XML, "record": FileKind.MARC_XML,
}  # fmt: skip


def kind_of(head: bytes) -> FileKind:
    """Say what a file is by its first HEAD_BYTES. Raises FeedUnreadable that says what it seems to be."""
    if sniff(head[:32]):
        return FileKind.PICTURE
    if head.startswith(b"PK") and not list_text.is_document(head):
        return FileKind.ZIP
    if _LEADER.match(head.lstrip()) or (_FIELD_END in head and _SUBFIELD in head):
        return FileKind.MARC
    text = _decoded(head)
    if text.lstrip().startswith("<"):
        return _of_xml(text, head)
    try:
        list_text.encoding(head)
    except list_text.NotAList as exc:
        raise FeedUnreadable(str(exc)) from None
    return FileKind.LIST


def _of_xml(text: str, head: bytes) -> FileKind:
    while found := _PROLOG.match(text):
        text = text[found.end() :]
    root = _ROOT.match(text)
    name = root[1] if root else ""
    if kind := _ROOTS.get(name.lower()):
        return kind
    if NAMESPACE in text:  # the answer of a catalogue that was asked by SRU or OAI-PMH
        return FileKind.MARC_XML
    what = file_kinds.described(head[: file_kinds.HEAD_BYTES])
    first = f", its first element is {name[:40]}" if name else ""
    raise FeedUnreadable(f"{what} is not read; ONIX, MARCXML, MARC 21, CSV and zip are{first}")


def _decoded(head: bytes) -> str:
    """Read the head as text as far as that goes."""
    for bom, name in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if head.startswith(bom):
            return head[len(bom) :].decode(name, errors="replace")
    is_wide = head[:1] == b"<" and head[1:2] == b"\0"  # UTF-16 without a BOM
    return head.decode("utf-16-le" if is_wide else "latin-1", errors="replace")
