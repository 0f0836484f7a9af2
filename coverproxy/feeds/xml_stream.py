"""XML read as a stream, one element at a time. Loads nothing external and expands no entities."""

from collections.abc import Iterator
from typing import BinaryIO, cast

from lxml import etree

from coverproxy.feeds.record import FeedUnreadable


def elements(file: BinaryIO, tags: tuple[str, ...], what: str, max_bytes: int) -> Iterator[etree._Element]:
    """Yield each element named one of *tags*, in any namespace, and free it before the next.

    *what*: its name in errors, such as "ONIX product". Raises FeedUnreadable if the file is not well-formed,
    has no such elements, or has more than *max_bytes* without one.
    """
    stream = _Bounded(file, what, max_bytes)
    seen = False
    try:
        for _, element in etree.iterparse(
            stream, events=("end",), tag=tuple(f"{{*}}{tag}" for tag in tags),
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
            remove_comments=True, remove_pis=True,
        ):  # fmt: skip
            seen = True
            yield element
            stream.forget()
            _free(element)
    except etree.XMLSyntaxError as exc:
        raise FeedUnreadable(f"line {exc.lineno}: {exc.msg}") from None
    if not seen:
        raise FeedUnreadable(f"it has no {what}")


class _Bounded:
    """A file that yields a limited number of bytes between two elements."""

    def __init__(self, file: BinaryIO, what: str, max_bytes: int) -> None:
        self._file = file
        self._what = what
        self._max_bytes = max_bytes
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size if size > 0 else 32768)
        self._given += len(found)
        if self._given > self._max_bytes:
            raise FeedUnreadable(f"one {self._what} has more than {self._max_bytes:,} bytes")
        return found

    def forget(self) -> None:
        self._given = 0


def _free(element: etree._Element) -> None:
    """Free an element that was read, and those before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def text(element: etree._Element) -> str:
    """Return all text within an element, stripped."""
    return "".join(str(part) for part in element.itertext()).strip()


def line(element: etree._Element) -> int:
    """Return the line in its file where an element begins; 0 if unknown."""
    return cast("int | None", element.sourceline) or 0
