"""Zips of pictures, as steps: named by ISBN, or Koha's with its own list."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath

from coverproxy.feeds import zips
from coverproxy.feeds.record import FeedUnreadable
from coverproxy.feeds.zips import KohaLink, Member, Zip
from coverproxy.originals.examine import Candidate, OriginalRefused, Refusal
from coverproxy.service.import_steps import Sender

_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What file managers put into zips beside what is meant."""


def zipped(path: Path, sender: Sender) -> Iterator[Candidate | Refusal]:
    """Yield the pictures of a zip, read in place. Raises FeedUnreadable where it is none, or a bomb."""
    archive = Zip(path)  # closed with its last reader: pictures are read after the last step was given
    linked = archive.koha_links()
    first = next(linked, None)
    if first is not None:
        yield from (_of_koha(archive, each, path, sender) for each in chain([first], linked))
        return
    for each in archive.members():
        if not _is_junk(each.name):
            yield _member(archive, each, path, sender)


def _member(
    archive: Zip, each: Member | zips.RefusedMember, path: Path, sender: Sender
) -> Candidate | Refusal:
    place = f"{path}:{each.name}"
    if isinstance(each, zips.RefusedMember):
        return Refusal(place, "", "member", each.why, place)
    return Candidate(
        PurePosixPath(each.name).stem, path, sender.source, is_file_name=True, terms=sender.terms,
        place=place, read=partial(_read, archive, each.name), address=f"{path}/{each.name}",
    )  # fmt: skip


def _of_koha(
    archive: Zip, each: KohaLink | zips.RefusedMember, path: Path, sender: Sender
) -> Candidate | Refusal:
    if isinstance(each, zips.RefusedMember):
        return Refusal(str(path), "", "row", each.why, f"{path}:{each.name}")
    return Candidate(
        f"{sender.koha}:{each.number}", path, sender.source, terms=sender.terms,
        place=f"{path}:{each.list_name}:{each.line}", read=partial(_read, archive, each.name),
        address=f"{path}/{each.name}",
    )  # fmt: skip


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part in _JUNK or part.startswith(".") for part in parts) and ".." not in parts


def _read(archive: Zip, name: str, most: int) -> tuple[bytes, int | None]:
    try:
        return archive.read(name, most), archive.modified(name)
    except FeedUnreadable as exc:
        raise OriginalRefused("member", str(exc)) from None
