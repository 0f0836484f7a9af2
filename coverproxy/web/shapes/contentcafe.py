"""Content Cafe: /ContentCafe/Jacket.aspx, and the XML that Evergreen posts for the same pictures."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from lxml import etree

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import (
    BadQuestion,
    Busy,
    CoverError,
    NoCover,
    NotAnIdentifier,
    OwnFault,
    Pending,
    Unavailable,
)
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Wanted
from coverproxy.web import answers, bodies
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import EXAMPLE_KEY, Parameter
from coverproxy.web.app_keys import COVERS
from coverproxy.web.errors import Meaning, told
from coverproxy.web.serve import left, serve_first
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import MAX_IDS, Route, Shape, field, find, with_body
from coverproxy.web.visitor import patience, visitor

NAMESPACE = "http://ContentCafe2.btol.com"
SIZES = {"S": "small", "M": "medium", "L": "large"}
MOST_KEYS = MAX_IDS
"""Most identifiers that are looked up of one request: Evergreen sends a record's ISBNs and UPCs."""

_FORM = "application/x-www-form-urlencoded"
_XML = "text/xml; charset=utf-8"
_BEFORE_XML = b"\xef\xbb\xbf \t\r\n"
_ASKED = {
    "type": "object",
    "xml": {"name": "ContentCafe"},
    "properties": {"Key": {"type": "string", "minLength": 1}},
    "required": ["Key"],
}
_MAX_BODY_BYTES = 262_144
"""Longest posted XML: some thousand products."""

_POSTED: web.RequestKey[Any] = web.RequestKey("posted", object)


async def jacket(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve the picture for `Value=`, in the size of `Type=`."""
    size = SIZES.get(field(request, "type").strip().upper(), "medium")
    text = field(request, "value")
    choices = identify.all_of(size, [(identify.scheme_of(text), text)])
    return await serve_first(request, key, choices)


async def key_of(request: web.Request) -> str | None:
    """Return `UserID`: a field of the query, or an attribute in the posted XML."""
    if request.method != "POST":
        return field(request, "userid").strip() or None
    posted = await _posted(request)
    items = next(_named(posted, "RequestItems"), None)
    return str(items.get("UserID", "")).strip() or None if items is not None else None


async def xml_post(request: web.Request, key: Key) -> web.StreamResponse:
    """Answer each size of `JacketDetail` with the picture in hex, or without one if there is no cover.

    Evergreen posts an item for each identifier of a record, all with the same wishes, and takes the first
    picture of a size.
    """
    posted = await _posted(request)
    texts = [text for each in _named(posted, "Key") if (text := (each.text or "").strip())]
    wishes = (each for each in _named(posted, "Content") if (each.text or "").strip() == "JacketDetail")
    kinds = dict.fromkeys(str(each.get("Type", "M")).upper() for each in wishes)
    if not texts:
        raise BadQuestion("the request has no Key")
    pictures = await _pictures(request, key, [kind for kind in kinds if kind in SIZES], texts[:MOST_KEYS])
    headers = {**answers.COMMON, "Cache-Control": "no-store", "Content-Type": _XML}
    return answers.send(Answer(200, headers, _document(pictures)))


def _document(pictures: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Return the answer with those pictures that there are, each with its kind."""
    answer = etree.Element("ContentCafe", nsmap={None: NAMESPACE})  # type: ignore[dict-item]
    item = etree.SubElement(etree.SubElement(answer, "RequestItems"), "RequestItem")
    jackets = etree.SubElement(item, "JacketItems")
    for kind, body in pictures:
        if body is not None:
            _add(jackets, kind, body)
    return etree.tostring(answer, xml_declaration=True, encoding="utf-8")


def _add(jackets: etree._Element, kind: str, body: bytes) -> None:
    one = etree.SubElement(jackets, "JacketItem")
    etree.SubElement(one, "Type", Code=kind)
    etree.SubElement(one, "Format").text = "JPEG"
    etree.SubElement(one, "Jacket").text = body.hex().upper()


async def _pictures(
    request: web.Request, key: Key, kinds: Sequence[str], texts: Sequence[str]
) -> list[tuple[str, bytes | None]]:
    """Return the picture of each kind, of the first identifier that has a cover; all at once.

    Evergreen gives up after some seconds, and counts that as an error, as any status but 200.
    """
    until = asyncio.get_running_loop().time() + patience(request, key)
    try:
        choices = identify.all_of("medium", [(identify.scheme_of(text), text) for text in texts])
    except (NoCover, NotAnIdentifier):
        return []
    sought = await find(request, {str(at): each for at, each in enumerate(choices)}, left(until))
    shown = next((each for at, each in enumerate(choices) if str(at) in sought.found), None)
    if shown is None:
        return []
    sized = [replace(shown, size=SIZES[kind]) for kind in kinds]
    pictures = await asyncio.gather(*(_picture(request, key, each, until) for each in sized))
    return list(zip(kinds, pictures, strict=True))


async def _picture(request: web.Request, key: Key, wanted: Wanted, until: float) -> bytes | None:
    """Return a JPEG; None if there is none, or not now.

    A missing picture is not cached, but Evergreen counts errors: after a few it stops asking, for everybody.
    """
    client = replace(visitor(request, key), waits=left(until))
    try:
        found = await request.app[COVERS].cover(wanted, (Format.JPEG,), client)
    except (NoCover, OwnFault, Busy, Pending, Unavailable):
        return None
    return found.derivative.body


async def _posted(request: web.Request) -> etree._Element:
    """Return the root of the posted XML, from the body or the form field `xmlRequest`. Raises BadQuestion.

    Evergreen posts bare XML, and its library calls whatever it posts a form.
    """
    if _POSTED not in request:
        body = await bodies.read(request, _MAX_BODY_BYTES)
        if request.content_type == _FORM and not body.lstrip(_BEFORE_XML).startswith(b"<"):
            body = next(iter(parse_qs(body, max_num_fields=10).get(b"xmlRequest", [])), b"")
        # no entities, no DTD, no network: this is untrusted input
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            request[_POSTED] = etree.fromstring(body, parser)
        except (etree.XMLSyntaxError, ValueError) as exc:
            raise BadQuestion(f"the body is not XML: {exc}") from exc
    root: etree._Element = request[_POSTED]
    return root


def _named(root: etree._Element, name: str) -> Any:
    return (each for each in root.iter() if isinstance(each.tag, str) and etree.QName(each).localname == name)


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer | None:
    """Refuse posted XML with XML, and a picture as our own addresses do."""
    if request.method != "POST":
        return None
    refusal = etree.Element("Error")
    refusal.text = "".join(char for char in told(error) if char.isprintable())
    return with_body(
        request, error, how, _XML, etree.tostring(refusal, xml_declaration=True, encoding="utf-8")
    )


SHAPE = Shape(
    "contentcafe",
    (
        Route(
            "/ContentCafe/Jacket.aspx",
            jacket,
            "A cover, as Content Cafe has it",
            parameters=(
                Parameter("UserID", "query", "The developer key.", {"type": "string"}, EXAMPLE_KEY),
                Parameter("Type", "query", "S, M or L.", {"type": "string"}, "M"),
                Parameter("Value", "query", "An ISBN or UPC.", {"type": "string"}, "9780141439556"),
            ),
            pattern=r"/{folder:(?i:ContentCafe)}/{page:(?i:Jacket\.aspx)}",
        ),
        Route(
            "/ContentCafe/ContentCafe.asmx/XmlPost",
            xml_post,
            "Covers inside XML, as Content Cafe has them",
            ("text/xml",),
            method="post",
            takes={"text/xml": _ASKED},
            pattern=r"/{folder:(?i:ContentCafe)}/{page:(?i:ContentCafe\.asmx)}/{call:(?i:XmlPost)}",
        ),
    ),
    refuse,
    key_of,
)
