"""GET /openapi.json: the OpenAPI 3.1 document, built from addresses.py and the code."""

import asyncio
import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import TypeAdapter

from coverproxy import __version__
from coverproxy.config import Config
from coverproxy.domain.cover_status import CoverStatus
from coverproxy.web import answers, conditional
from coverproxy.web.accept import takes_gzip
from coverproxy.web.api.address import TAGS, Address, Parameter
from coverproxy.web.api.addresses import addresses
from coverproxy.web.api.schemas import Problem
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.errors import TABLE, Meaning

PROBLEM = "application/problem+json"
GIF = "image/gif"

_REF = "#/components/{}/{}"

_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Cover-Status": (
        "The result, in a word.",
        {"type": "string", "enum": [each.value for each in CoverStatus]},
    ),
    "X-Cover-Size": ("Width and height of the picture in px, as WxH.", {"type": "string"}),
    "X-Cover-Original": ("The same of its original.", {"type": "string"}),
    "ETag": ("The same as nginx sends for the file.", {"type": "string"}),
    "Last-Modified": ("The original's own time.", {"type": "string"}),
    "Accept-Ranges": ("bytes", {"type": "string"}),
    "Content-Range": ("The returned part.", {"type": "string"}),
    "Cache-Control": ("How long it may be cached.", {"type": "string"}),
    "Vary": ("Accept, always.", {"type": "string"}),
    "Retry-After": ("Seconds to wait before trying again.", {"type": "integer", "minimum": 1}),
    "RateLimit": ("draft-ietf-httpapi-ratelimit-headers-10: what is left today.", {"type": "string"}),
    "RateLimit-Policy": ("New covers per day for this key.", {"type": "string"}),
    "X-RateLimit-Limit": ("New covers per day for this key.", {"type": "integer", "minimum": 0}),
    "X-RateLimit-Remaining": ("How many are left today.", {"type": "integer", "minimum": 0}),
    "X-RateLimit-Reset": ("When the day ends: seconds since 1970.", {"type": "integer"}),
}
_QUOTA = tuple(name for name in _HEADERS if "RateLimit" in name)
_PICTURE = (
    "X-Cover-Status", "X-Cover-Size", "X-Cover-Original", "ETag", "Last-Modified", "Accept-Ranges",
    "Cache-Control", "Vary",
)  # fmt: skip
_REFUSAL = ("X-Cover-Status", "Cache-Control", "Vary")


Forms = tuple[answers.Answer, answers.Answer]
"""The document as it is, and compressed."""


class Made:
    """The document, once it is made: one request makes it, others wait for that."""

    def __init__(self) -> None:
        self.forms: Forms | None = None
        self.making = asyncio.Lock()


MADE: web.AppKey[Made] = web.AppKey("openapi", Made)

routes = web.RouteTableDef()


@routes.get("/openapi.json")
async def openapi(request: web.Request) -> web.StreamResponse:
    """Describe every address of the service for programs."""
    made = request.app[MADE]
    async with made.making:
        if made.forms is None:  # in a thread: it takes many milliseconds
            made.forms = await asyncio.to_thread(_made, request.app[CONFIG])
    plain, gzipped = made.forms
    kept = gzipped if takes_gzip(request.headers.get("Accept-Encoding", "")) else plain
    if "If-None-Match" in request.headers and conditional.is_unchanged(
        request.headers, kept.headers["ETag"], 0
    ):
        return answers.send(replace(kept, status=304, body=b""))
    return answers.send(kept)


def _made(config: Config) -> Forms:
    """Return the document as it is, and compressed: each form has its own tag (RFC 9110 §8.8.3)."""
    made = answers.json(document(addresses(config), config.front.public_path))
    tag = hashlib.sha256(made.body).hexdigest()[:16]
    headers = made.headers | {
        "Cache-Control": "public, max-age=3600", "Vary": "Accept, Accept-Encoding", "ETag": f'"{tag}"',
    }  # fmt: skip
    compressed = headers | {"ETag": f'"{tag}-gzip"', "Content-Encoding": "gzip"}
    body = gzip.compress(made.body, mtime=0)  # the same bytes in every process
    return replace(made, headers=headers), replace(made, headers=compressed, body=body)


def document(addresses: Iterable[Address], below: str = "") -> dict[str, Any]:
    """Build the document for a service below a path of its site."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for address in addresses:
        paths.setdefault(address.path, {})[address.method] = _operation(address, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "coverproxy",
            "version": __version__,
            "description": "Book covers by ISBN. GET answers HEAD too, and all answers OPTIONS (CORS).",
        },
        "servers": [{"url": below or "/"}],
        "tags": [{"name": name, "description": tells} for name, tells in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": {
                name: {"description": tells, "schema": schema} for name, (tells, schema) in _HEADERS.items()
            },
        },
    }


def _operation(address: Address, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "summary": address.summary,
        "tags": [address.tag],
        "responses": _responses(address, schemas),
    }
    if address.tells:
        told["description"] = address.tells
    if address.parameters:
        told["parameters"] = [_parameter(each) for each in address.parameters]
    if address.takes:
        told["requestBody"] = {"required": True, "content": _content(address.takes, schemas)}
    return told


def _parameter(parameter: Parameter) -> dict[str, Any]:
    is_required = parameter.place == "path" or parameter.is_list or parameter.is_required
    told = {
        "name": parameter.name, "in": parameter.place, "description": parameter.tells,
        "required": is_required, "schema": parameter.schema,
        "example": parameter.example,
    }  # fmt: skip
    return told | {"style": "form", "explode": False} if parameter.is_list else told


def _responses(address: Address, schemas: dict[str, Any]) -> dict[str, Any]:
    names = (*_PICTURE, "Retry-After") if address.is_image else ()
    told = {
        str(status): _response(status, address.gives, names, address, schemas) for status in address.statuses
    }
    told |= _conditional(address, schemas) | _refusals(address, schemas)
    return told | ({"default": _other(schemas)} if address.is_page else {})


def _other(schemas: dict[str, Any]) -> dict[str, Any]:
    """Describe a page's other answers: why not, or where to go; for programs as a problem."""
    content = {"text/html": {"type": "string"}, PROBLEM: Problem, "application/json": {"type": "object"}}
    plain: dict[str, Any] = {GIF: {}, "text/plain": {"type": "string"}}
    return {"description": "Why not, or where to go.", "content": _content(content | plain, schemas)}


def _conditional(address: Address, schemas: dict[str, Any]) -> dict[str, Any]:
    """Describe the answers by preconditions and ranges (RFC 9110 §13, §14)."""
    if not address.is_image:
        return {}
    part = _response(206, address.gives, (*_PICTURE, "Content-Range"), address, schemas)
    others = {str(status): _response(status, {}, _PICTURE, address, schemas) for status in (304, 412)}
    outside = _response(416, {}, (*_PICTURE, "Content-Range"), address, schemas)
    return {"206": part, "416": outside} | others


def _refusals(address: Address, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for status in sorted({TABLE[error].status for error in address.refuses}):
        meanings = [TABLE[error] for error in address.refuses if TABLE[error].status == status]
        content: dict[str, Any] = dict(address.refuses_as or {PROBLEM: Problem})
        if address.is_image:
            content |= {GIF: {}} if any(each.is_hard for each in meanings) else {}
        if address.is_image or status == 400:  # aiohttp refuses invalid requests as text
            content |= {"text/plain": {"type": "string"}}
        names = (*_REFUSAL, "Retry-After") if status in (429, 503) else _REFUSAL
        told[str(status)] = _response(status, content, names, address, schemas, meanings)
    return told


def _response(
    status: int,
    content: dict[str, Any],
    headers: tuple[str, ...],
    address: Address,
    schemas: dict[str, Any],
    meanings: list[Meaning] | None = None,
) -> dict[str, Any]:
    reasons = {f"{each.label}: {each.title}." for each in meanings or ()}
    told: dict[str, Any] = {"description": " ".join(sorted(reasons)) or HTTPStatus(status).phrase}
    if names := (*headers, *(_QUOTA if address.is_of_key else ())):
        told["headers"] = {name: {"$ref": _REF.format("headers", name)} for name in names}
    if content:
        told["content"] = _content(content, schemas)
    return told


def _content(shapes: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return {media: {"schema": _schema(shape, schemas)} for media, shape in shapes.items()}


def _schema(shape: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a shape; a named one by reference, added to *schemas*."""
    if isinstance(shape, dict):
        return shape
    made, named = _described(shape)
    schemas.update(named)
    return made


@cache  # some sixty types for a thousand answers: a second of work otherwise
def _described(shape: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of a shape, and the named schemas that it refers to."""
    made = TypeAdapter(shape).json_schema(
        ref_template=_REF.format("schemas", "{model}"), mode="serialization"
    )
    named = made.pop("$defs", {})
    if "title" not in made:
        return made, named
    return {"$ref": _REF.format("schemas", made["title"])}, named | {made["title"]: made}
