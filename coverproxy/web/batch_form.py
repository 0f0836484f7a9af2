"""Reads the batch page's form: a list as typed or as a file, the key, and what to make of it."""

import asyncio
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from coverproxy.domain import list_text
from coverproxy.domain.errors import BadQuestion, TooLarge, TooSlow, UnreadType
from coverproxy.web.bodies import BODY_SECONDS
from coverproxy.web.uploader import MAX_FIELDS, read

MOST_ITEMS = 1000
"""Most lines of a list, as /info takes."""

MOST_AT_ONCE = 200
"""Most covers of one ZIP or printed list; of a longer list each has its part."""

PER_PAGE = tuple(range(1, 13))
PAPERS = ("a4", "letter")

MAX_BODY_BYTES = 500_000
"""The web server in front lets half a MiB through."""

MAX_LIST_BYTES = 262_144
"""A list as UTF-8: a thousand lines of 262 bytes. The ZIP's form sends it back, within a body's bytes."""

FORM = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class BatchForm:
    """The form without its key: the list's text, "gallery", "zip" or "sheet", and their settings.

    `part`: counts from 1.
    """

    text: str
    act: str = "gallery"
    size: str = "medium"
    paper: str = PAPERS[0]
    per_page: int = 6
    part: int = 1


async def received(request: web.Request) -> dict[str, bytes]:
    """Return the fields as they came. Raises UnreadType, BadQuestion, TooLarge, TooSlow."""
    if request.content_type != FORM:
        raise UnreadType(f"unsupported type of form; expected {FORM}")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise TooLarge(f"the body has {request.content_length} bytes; expected at most {MAX_BODY_BYTES}")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _parts(request)
    except TimeoutError as exc:
        raise TooSlow(f"the body did not arrive within {BODY_SECONDS:g} seconds") from exc


async def _parts(request: web.Request) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    left = MAX_BODY_BYTES
    reader = await read(request.multipart())
    while (part := await read(reader.next())) is not None:
        if not isinstance(part, BodyPartReader) or len(found) > MAX_FIELDS:
            raise BadQuestion("unexpected field")
        body = bytearray()
        while chunk := await read(part.read_chunk()):
            body += chunk
            if len(body) > left:
                raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
        left -= len(body)
        found[part.name or ""] = bytes(body)
    return found


def parsed(fields: dict[str, bytes], sizes: tuple[str, ...]) -> BatchForm:
    """Read the fields. A file that was chosen counts, else what was typed. Raises BadQuestion, TooLarge."""
    told = {name: _text(name, body) for name, body in fields.items() if name != "file"}
    act = told.get("as", "gallery")
    if act not in ("gallery", "zip", "sheet"):
        raise BadQuestion(f"as={act[:20]!r}; expected gallery, zip or sheet")
    size = told.get("size", "medium")
    if size not in sizes:
        raise BadQuestion(f"size={size[:20]!r}; expected one of {', '.join(sizes)}")
    paper = told.get("paper", PAPERS[0])
    if paper not in PAPERS:
        raise BadQuestion(f"paper={paper[:20]!r}; expected {' or '.join(PAPERS)}")
    return BatchForm(
        list_of(fields), act, size, paper,
        _number(told, "per_page", 6, PER_PAGE[-1]), _number(told, "part", 1, MOST_ITEMS // MOST_AT_ONCE),
    )  # fmt: skip


def list_of(fields: dict[str, bytes]) -> str:
    """Return the list's text. Raises BadQuestion if the file is not a list, TooLarge."""
    body = fields.get("file") or fields.get("list", b"")
    try:
        name = list_text.encoding(body[: list_text.HEAD_BYTES])
    except list_text.NotAList as exc:
        raise BadQuestion(str(exc)) from exc
    text = body.decode(name, "replace").replace("\0", "")
    if len(text.encode()) > MAX_LIST_BYTES:
        raise TooLarge(f"the list has more than {MAX_LIST_BYTES} bytes")
    return text


def _text(name: str, body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as exc:
        raise BadQuestion(f"the field {name[:40]!r} is not UTF-8") from exc


def _number(told: dict[str, str], name: str, otherwise: int, most: int) -> int:
    text = told.get(name, "") or str(otherwise)
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= most):
        raise BadQuestion(f"{name}={text[:20]!r}; expected a number from 1 to {most}")
    return int(text)
