"""Examines whether a file may become an original, by its header; recognises "no image" art by rule."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from coverproxy.config import Import, Limits
from coverproxy.domain import file_kinds, isbn, schemes
from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.errors import NotAnIdentifier, UnusableOriginal
from coverproxy.domain.formats import is_hevc, sniff
from coverproxy.domain.original import DIGEST_BYTES, LATEST_DATE, NO_TERMS, Original, Terms
from coverproxy.domain.picture_role import role_of
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging.decoder import Decoder
from coverproxy.originals.files import Mode
from coverproxy.storage import bounded_read

_PUBLISHER_DIGITS = 7
"""The first digits of an ISBN-13, which identify most publishers without a table of groups."""


_HEVC = "HEIC with HEVC: this libvips has no decoder for it"

Read = Callable[[int], tuple[bytes, int | None]]
"""Reads a picture, at most so many bytes and one more; gives its time as well, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file offered as the cover of an ISBN. `date` None: the file's own time.

    `is_file_name`: nothing but the file's name says which ISBN it is. `place`: where the sender's own file
    says so, as "feed.xml:12". `read` and `address`: how and from where to read it if not a file at `path`
    (a member of a zip, a link); `path` is then the file that names it. `begins`: where in the file at `path`
    its bytes begin, to be left there. `record`: the sender's own name of the record; `stamp`: what it says of
    the picture. `others`: further identifiers in its list. `alternatives`: lesser pictures of the same, in
    the order to try them.
    """

    isbn: str
    path: Path
    source: str = ""
    date: int | None = None
    is_file_name: bool = False
    terms: Terms = NO_TERMS
    place: str = field(default="", compare=False)
    read: Read | None = field(default=None, compare=False)
    address: str = ""
    begins: int | None = None
    record: str = ""
    stamp: str = ""
    others: tuple[Identifier, ...] = ()
    alternatives: tuple["Candidate", ...] = ()

    @property
    def is_fetched(self) -> bool:
        """Whether it comes over the network."""
        return "://" in self.address

    @property
    def where(self) -> str:
        """What reports call it: the address or the path that was given."""
        return self.address or str(self.path)

    @property
    def origin(self) -> str:
        """Its address, or the file's absolute path as text; bytes that are not UTF-8 become \\xNN."""
        if self.is_fetched:
            return self.address
        whole = os.path.abspath(self.address or self.path)  # noqa: PTH100 - resolve() would follow links
        return os.fsencode(whole).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file did not become an original: a word for programs, a detail for people.

    `place`: where the sender's own file speaks of it, as "feed.xml:12".
    """

    path: str
    isbn: str
    reason: str
    detail: str
    place: str = field(default="", compare=False)


class OriginalRefused(Exception):
    """This file does not become an original.

    `kind`: for a file that is not a supported picture, its name in file_kinds.NAMES.
    """

    def __init__(self, reason: str, detail: str, kind: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Examined:
    """A file that may become an original, with its bytes."""

    original: Original
    body: bytes
    found: Path


def examine(
    candidate: Candidate, limits: Limits, rules: Import, lend: Callable[[Original], Decoder]
) -> Examined:
    """Examine a file's header, never its pixels. Blocks on the disk. Raises OriginalRefused, Unavailable.

    *lend* returns a decoder for an original. Reasons of refusal: isbn, unreadable, bytes, type, header,
    pixels, memory, side, tiny, aspect, codec, hash, quarantined.
    """
    identifier = _identifier(candidate)
    body, modified = _body(candidate, limits.max_bytes)
    date = modified if candidate.date is None else candidate.date
    # What a record says is a front cover is one, whatever its file is called.
    role = None if candidate.record else role_of(Path(candidate.where).stem)
    sketch = replace(
        sketched(body, identifier, rules), date=date, source=candidate.source, origin=candidate.origin,
        role=role, terms=candidate.terms,
    )  # fmt: skip
    original = measured(sketch, body, lend(sketch), limits)
    if candidate.begins is not None or (rules.mode == "reference" and not candidate.read):
        original = replace(original, path=str(candidate.path.resolve()), begins=candidate.begins)
    return Examined(original, body, candidate.path)


def mode_of(candidate: Candidate, rules: Import) -> Mode:
    """Return how its bytes are stored: only a file can be linked or referenced."""
    if candidate.begins is not None:
        return "reference"
    return "copy" if candidate.read else rules.mode


def sketched(body: bytes, identifier: Identifier, rules: Import) -> Original:
    """Return what a body shows without a decoder; the original still lacks its size and date.

    Raises OriginalRefused: bytes, type, hash.
    """
    if not body:
        raise OriginalRefused("bytes", "the file is empty")
    loader = sniff(body[:32])
    if loader is None:
        head = body[: file_kinds.HEAD_BYTES]
        raise OriginalRefused("type", file_kinds.refusal(head), file_kinds.kind_of(head))
    digest = _digest(body, rules.refused_hashes)
    return Original(identifier, digest, loader, width=0, height=0, bytes=len(body), date=0)


def measured(original: Original, body: bytes, decoder: Decoder, limits: Limits) -> Original:
    """Read the size from the header and check it against the limits.

    Raises OriginalRefused: header, pixels, memory, side, tiny, aspect, codec, quarantined; Unavailable.
    """
    try:
        header = decoder.measure(body, original.loader, limits.max_decoded_bytes)
    except UnusableOriginal as exc:
        if exc.reason == "header" and is_hevc(body[:256]):  # incomplete too
            raise OriginalRefused("codec", _HEVC) from None
        raise OriginalRefused(exc.reason, exc.detail) from None
    if header.coding == "hevc":
        raise OriginalRefused("codec", _HEVC)
    width, height = header.sides
    _check_size(width, height, limits)
    if header.too_large:
        raise OriginalRefused("memory", header.too_large)
    return replace(original, width=width, height=height)


def same_bytes(identifiers: Iterable[Identifier], rules: Import, source: str = "") -> SameBytes | None:
    """Return why bytes that all these books have as their cover are "no image" art, or None.

    Editions of one book share a picture, so some ISBNs of one publisher prove nothing (open access presses
    give a book seven, with one cover); three publishers do, and so do a hundred ISBNs. Unlike a list of known
    hashes, the rule does not age (Aspen's were all stale after a few years). *source*: the source of all.
    """
    named = set(identifiers)
    isbns = len(named)
    publishers = len({each.value[:_PUBLISHER_DIGITS] for each in named if each.scheme == ISBN})
    if publishers >= rules.same_bytes_publishers:
        rule = f"of {publishers} publishers (import.same_bytes_publishers = {rules.same_bytes_publishers})"
    elif isbns >= rules.same_bytes_isbns:
        rule = f"(import.same_bytes_isbns = {rules.same_bytes_isbns})"
    else:
        return None
    gave = f"{source} returned the same bytes" if source else "the same bytes came"
    reason = f"{gave} for {isbns} ISBNs {rule}: a picture that stands for no cover"
    return SameBytes(reason, isbns, publishers)


def still_refused(refused: SameBytes | None, rules: Import) -> str | None:
    """Apply the rule again with the current limits: return why bytes are refused, or None.

    A refusal without recorded numbers stands.
    """
    if refused is None:
        return None
    is_known = refused.isbns > 0
    is_over = refused.isbns >= rules.same_bytes_isbns or refused.publishers >= rules.same_bytes_publishers
    return refused.reason if is_over or not is_known else None


def _identifier(candidate: Candidate) -> Identifier:
    """Read the identifier of the cover: an ISBN, or any identifier as scheme:value."""
    try:
        if candidate.is_file_name:
            reading = schemes.of_isbns(isbn.parse_file_name(candidate.isbn))
        else:
            reading = schemes.read(candidate.isbn)
    except NotAnIdentifier as exc:
        raise OriginalRefused("isbn", exc.why) from None
    if reading.sure is None:
        can_mean = ", ".join(each.value for each in reading.identifiers)
        raise OriginalRefused("isbn", f"can mean any of {can_mean}")
    return reading.sure


def _body(candidate: Candidate, max_bytes: int) -> tuple[bytes, int]:
    """Read a candidate, and its time; what has none gets the present. Raises Refused."""
    read = candidate.read or partial(_of_file, candidate.path)
    body, modified = read(max_bytes)
    if len(body) > max_bytes:
        raise OriginalRefused("bytes", f"more than {max_bytes} bytes")
    seconds = time.time() if modified is None else modified
    return body, min(max(int(seconds), 0), LATEST_DATE - 1)


def _of_file(path: Path, max_bytes: int) -> tuple[bytes, int]:
    try:
        body, status = bounded_read.read(path, max_bytes + 1)
    except OSError as exc:
        raise OriginalRefused("unreadable", exc.strerror or str(exc)) from None
    if len(body) > max_bytes:
        raise OriginalRefused("bytes", f"{status.st_size} bytes; the limit is {max_bytes}")
    return body, int(status.st_mtime)


def _digest(body: bytes, refused: tuple[str, ...]) -> bytes:
    sha256 = hashlib.sha256(body)
    names = {sha256.hexdigest()}
    if any(len(name) == 32 for name in refused):  # as in lists of other projects
        names.add(hashlib.md5(body, usedforsecurity=False).hexdigest())
    if not names.isdisjoint(refused):
        raise OriginalRefused("hash", "on the list of refused hashes")
    return sha256.digest()[:DIGEST_BYTES]


def _check_size(width: int, height: int, limits: Limits) -> None:
    size = f"{width}x{height} px"
    if width * height > limits.max_pixels:
        raise OriginalRefused("pixels", f"{size}; the limit is {limits.max_pixels} px in all")
    if max(width, height) > limits.max_side_px:
        raise OriginalRefused("side", f"{size}; the limit is {limits.max_side_px} px per side")
    if min(width, height) < limits.min_side_px:
        raise OriginalRefused("tiny", f"{size}; expected at least {limits.min_side_px} px per side")
    if max(width, height) > limits.max_aspect * min(width, height):
        raise OriginalRefused("aspect", f"{size}; the limit is {limits.max_aspect:g} times as long as wide")
