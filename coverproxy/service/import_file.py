"""What a path offers, recognised by content: a picture, a folder, a list, ONIX, MARC or a zip."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from coverproxy.domain import isbn
from coverproxy.domain.errors import NotAnIsbn
from coverproxy.domain.list_text import NotAList
from coverproxy.feeds import marc, onix
from coverproxy.feeds.kinds import HEAD_BYTES, FileKind, kind_of
from coverproxy.feeds.record import FeedUnreadable, Record
from coverproxy.originals.examine import Refusal
from coverproxy.service.import_archives import zipped
from coverproxy.service.import_folder import files, named_by_isbn, tree
from coverproxy.service.import_list import listed, open_list
from coverproxy.service.import_records import steps_of
from coverproxy.service.import_steps import Sender, Step
from coverproxy.storage import bounded_read, packed_text

LISTS = (".csv", ".tsv", ".tab", ".txt")
"""How the names of lists end."""


def offered(path: Path, sender: Sender) -> Iterator[Step]:
    """Yield what PATH offers, in an order that is always the same for the same bytes.

    Records before a place that cannot be read are yielded, and a refusal in place of the rest. Raises
    OSError; NotAList if it is not a known type, or not a valid list.
    """
    if path.is_dir():
        return tree(path, sender)
    if path.suffix.lower() in LISTS:
        open_list(path)  # an invalid list fails here, not with the first row
        return _until_unreadable(listed(path, sender), path)
    head = bounded_read.read(path, HEAD_BYTES)[0]
    if packed := packed_kind(path, head):
        is_list = packed is FileKind.LIST
        return _until_unreadable(
            listed(path, sender) if is_list else _of_records(packed, path, sender, is_packed=True), path
        )
    try:
        kind = kind_of(head)
    except FeedUnreadable as exc:
        if is_named_by_isbn(path):  # a picture of a kind that is not read: refused as one, with its ISBN
            return iter([named_by_isbn(path, sender)])
        raise NotAList(str(exc)) from None
    return _of_kind(kind, path, sender)


def packed_kind(path: Path, head: bytes) -> FileKind | None:
    """Return what a file compressed with gzip holds, if that is read; None for any other file."""
    if not head.startswith(packed_text.GZIP):
        return None
    try:
        with packed_text.opened(path) as file:
            kind = kind_of(file.read(HEAD_BYTES))
    except FeedUnreadable:
        return None
    except packed_text.Damaged as exc:
        if path.suffix.lower() != ".gz" and is_named_by_isbn(path):  # rather a picture than a sender's file
            return None
        raise NotAList(str(exc)) from None
    return kind if kind in _ENDS else None


def expected(path: Path) -> int:
    """Say roughly how many steps a path will offer, fast: how many files, or ends of records, it has."""
    if path.is_dir():
        return sum(1 for _ in files(path, None))
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if head.startswith(packed_text.GZIP):
            return 0
        try:
            kind = FileKind.LIST if path.suffix.lower() in LISTS else kind_of(head)
        except FeedUnreadable:
            return 1
        if kind not in _ENDS:
            return 1 if kind is FileKind.PICTURE else 0
        end, count, before = _ENDS[kind], 0, b""
        file.seek(0)
        while chunk := file.read(2**20):
            count += (before + chunk).lower().count(end)
            before = chunk[1 - len(end) :] if len(end) > 1 else b""
    return count


_ENDS = {
    FileKind.LIST: b"\n", FileKind.MARC: b"\x1d", FileKind.ONIX: b"</product>",
    FileKind.MARC_XML: b"</record>",
}  # fmt: skip


def _of_kind(kind: FileKind, path: Path, sender: Sender) -> Iterator[Step]:
    if kind is FileKind.PICTURE or (kind is FileKind.LIST and is_named_by_isbn(path)):
        return iter([named_by_isbn(path, sender)])
    if kind is FileKind.LIST:
        open_list(path)
        raise NotAList(f"it is neither a picture nor a list (the name of a list ends in {', '.join(LISTS)})")
    if kind is FileKind.ZIP:
        return _until_unreadable(zipped(path, sender), path)
    return _until_unreadable(_of_records(kind, path, sender), path)


def _of_records(kind: FileKind, path: Path, sender: Sender, *, is_packed: bool = False) -> Iterator[Step]:
    with packed_text.opened(path) if is_packed else path.open("rb") as file:
        yield from steps_of(_records(kind, file, sender), path, sender)


def _records(kind: FileKind, file: BinaryIO, sender: Sender) -> Iterable[Record]:
    if kind is FileKind.ONIX:
        return onix.records(file, sender.onix)
    return marc.records(file, sender.marc) if kind is FileKind.MARC else marc.xml_records(file, sender.marc)


def _until_unreadable(steps: Iterator[Step], path: Path) -> Iterator[Step]:
    try:
        yield from steps
    except (FeedUnreadable, packed_text.Damaged) as exc:
        yield Refusal(str(path), "", "unreadable", str(exc), str(path))


def is_named_by_isbn(path: Path) -> bool:
    """Say whether a file's name has an ISBN."""
    try:
        isbn.parse_file_name(path.stem)
    except NotAnIsbn:
        return False
    return True
