"""Bokinfo: /book/get/{isbn}, the part of an ONIX record with the cover; the key is a header."""

from aiohttp import web
from lxml import etree

from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError, NoCover, NotAnIdentifier, Pending
from coverproxy.web import answers
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.bounds import as_xml
from coverproxy.web.errors import Meaning, told
from coverproxy.web.shapes import identify
from coverproxy.web.shapes.base import Route, Shape, cover_address, find_shown, keep, with_body

NAMESPACE = "http://ns.editeur.org/onix/3.0/reference"
HEADER = "Ocp-Apim-Subscription-Key"

_XML = "text/xml; charset=utf-8"
_FRONT_COVER = (
    ("ResourceContentType", "01"), ("ContentAudience", "00"), ("ResourceMode", "03"),
)  # fmt: skip


async def record(request: web.Request, key: Key) -> web.StreamResponse:
    """Describe a book by its cover's address, as VuFind looks for it. Raises NoCover, Pending."""
    sought = await find_shown(request, {"": identify.wanted("large", "isbn", request.match_info["isbn"])})
    original = sought.found.get("")
    if original is None:
        raise NoCover("no cover is known") if sought.is_settled else Pending("the sources are being asked")
    headers = {**answers.COMMON, **keep(request, is_settled=True), "Content-Type": _XML}
    body = _document(original.identifier.value, cover_address(request, original, "large"))
    return answers.send(Answer(200, headers, body))


def _document(isbn: str, url: str) -> bytes:
    """Return an ONIX message of one product (ONIX 3.0, reference names), with nothing but its cover."""
    message = etree.Element("ONIXMessage", nsmap={None: NAMESPACE}, release="3.0")  # type: ignore[dict-item]
    product = etree.SubElement(message, "Product")
    _add(product, ("RecordReference", isbn), ("NotificationType", "03"))
    _add(etree.SubElement(product, "ProductIdentifier"), ("ProductIDType", "15"), ("IDValue", isbn))
    detail = etree.SubElement(product, "CollateralDetail")
    resource = etree.SubElement(detail, "SupportingResource")
    _add(resource, *_FRONT_COVER)
    version = etree.SubElement(resource, "ResourceVersion")
    _add(version, ("ResourceForm", "02"), ("ResourceLink", url))
    return etree.tostring(message, xml_declaration=True, encoding="utf-8")


def _add(parent: etree._Element, *texts: tuple[str, str]) -> None:
    for name, text in texts:
        etree.SubElement(parent, name).text = text


async def key_of(request: web.Request) -> str | None:
    """Return the key from Bokinfo's header."""
    return request.headers.get(HEADER, "").strip() or None


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer:
    """Refuse with XML: nobody expects a picture here."""
    status = 404 if isinstance(error, NoCover | NotAnIdentifier) else how.status
    return with_body(request, error, how, _XML, as_xml(told(error)), status)


SHAPE = Shape(
    "bokinfo",
    (
        Route(
            "/book/get/{isbn}",
            record,
            "A cover's address in ONIX, as Bokinfo",
            ("text/xml",),
            (Parameter("isbn", "path", "An ISBN.", {"type": "string"}, "9780141439556"),),
        ),
    ),
    refuse,
    key_of,
)
