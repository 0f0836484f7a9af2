"""IIIF Image API 3.0 and 2.1 at level 0: covers in the sizes of the ladder, for viewers.

Regions and free sizes (level 1 and 2) would make an unlimited number of files: see compliance in the
standard.
"""

import re
from collections.abc import Mapping
from typing import NotRequired  # pydantic does not read those of typing before 3.12

import orjson
from aiohttp import web
from typing_extensions import TypedDict

from coverproxy.config import Size
from coverproxy.domain import schemes
from coverproxy.domain.api_key import Key
from coverproxy.domain.errors import CoverError, MalformedPath, NoCover, NotAnIdentifier, Pending
from coverproxy.domain.formats import Format
from coverproxy.domain.json_fields import Px
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Reading, Wanted
from coverproxy.imaging.transform import target_size
from coverproxy.web import answers
from coverproxy.web.accept import accepted, wants_json_ld
from coverproxy.web.answers import Answer
from coverproxy.web.api.address import Parameter
from coverproxy.web.app_keys import CONFIG
from coverproxy.web.client_ip import asked_url, base_url
from coverproxy.web.errors import Meaning
from coverproxy.web.serve import serve
from coverproxy.web.shapes.base import JSON, PREFIX, Route, Shape, find, with_body
from coverproxy.web.sizes import sizes_for

Sides = tuple[int, int]


class IiifSize(TypedDict):
    """A size in which a cover is served."""

    width: Px
    height: Px


class IiifBeyond(TypedDict):
    """What is served beyond the level: features, and formats besides JPEG."""

    supports: list[str]
    formats: NotRequired[list[str]]


_Info = TypedDict(
    "_Info", {"@context": str, "protocol": str, "width": Px, "height": Px, "sizes": list[IiifSize]}
)
_Info2 = TypedDict("_Info2", {"@id": str, "profile": list[str | IiifBeyond]})


class IiifInfo2(_Info, _Info2):
    """A cover's description of the IIIF Image API 2.1."""


class IiifInfo3(_Info):
    """A cover's description of the IIIF Image API 3.0."""

    id: str
    type: str
    profile: str
    preferredFormats: list[str]
    extraFeatures: list[str]
    extraFormats: NotRequired[list[str]]


CONTEXT = "http://iiif.io/api/image/{}/context.json"
PROFILE = {"2": "http://iiif.io/api/image/2/level0.json", "3": "http://iiif.io/api/image/3/level0.json"}
FEATURES = ("baseUriRedirect", "cors", "jsonldMediaType", "profileLinkHeader", "canonicalLinkHeader")
"""Features beyond level 0. Never sizeByWh or sizeByW: viewers would start tiling, and request regions."""

LD_JSON = "application/ld+json"
_DAY = "max-age=86400"
_WISH = re.compile(r"(?P<inside>!?)(?P<w>[1-9][0-9]{0,4})?,(?P<h>[1-9][0-9]{0,4})?")


async def base(request: web.Request, key: Key) -> web.StreamResponse:
    """Redirect to the description, as the standard requires."""
    headers = {**answers.COMMON, "Location": f"{_address(request)}/info.json", "Content-Type": "text/plain"}
    return answers.send(Answer(303, headers, b""))


async def info(request: web.Request, key: Key) -> web.StreamResponse:
    """Describe a cover: its sides, and its sizes. Needs no quota."""
    version = request.match_info["version"]
    original = await _original(request)
    rungs = sizes(original, _boxes(request, key))
    described = _described(version, _address(request), list(rungs), _others(request))
    linked = f'{LD_JSON};profile="{CONTEXT.format(version)}"'
    kind = linked if wants_json_ld(accepted(request.headers)) else JSON
    headers = {
        **answers.COMMON, "Content-Type": kind, "Cache-Control": f"public, {_DAY}",
        "Link": f'<{PROFILE[version]}>;rel="profile"',
    }  # fmt: skip
    return answers.send(Answer(200, headers, orjson.dumps(described)))


async def picture(request: web.Request, key: Key) -> web.StreamResponse:
    """Serve a cover in one of its sizes."""
    asked = request.match_info
    version, form = asked["version"], _format(request, asked["format"])
    if (asked["region"], asked["rotation"], asked["quality"]) != ("full", "0", "default"):
        raise MalformedPath("only the full region, rotation 0 and quality default are available (level 0)")
    original = await _original(request)
    rungs = sizes(original, _boxes(request, key))
    if version == "3" and asked["size"] == "full":
        raise MalformedPath("version 3 has no size full; expected max")
    sides = chosen(asked["size"], list(rungs), is_lenient=request.app[CONFIG].shapes.iiif_lenient)
    if sides is None:
        raise MalformedPath(f"{asked['size'][:40]!r} is not a size of this cover; see info.json")
    spelled = _spelled(version, sides, is_largest=sides == list(rungs)[-1])
    canonical = f"{_address(request)}/full/{spelled}/0/default.{form.value}"
    link = f'<{canonical}>;rel="canonical", <{PROFILE[version]}>;rel="profile"'
    return await serve(request, key, Wanted(rungs[sides], Reading((original.identifier,)), form), link=link)


def _spelled(version: str, sides: Sides, *, is_largest: bool) -> str:
    """Return the canonical spelling of a size (3.0 §4.8, 2.1 §4.7)."""
    if is_largest:
        return "max" if version == "3" else "full"
    return f"{sides[0]},{sides[1]}" if version == "3" else f"{sides[0]},"


def _boxes(request: web.Request, key: Key) -> Mapping[str, Size]:
    table = sizes_for(request, key)
    return {name: box for name, box in table.sizes.items() if table.given(name) == name}


def sizes(original: Original, table: Mapping[str, Size]) -> dict[Sides, str]:
    """Return the sides that a cover has in each size, ascending, with the size's name.

    If several sizes give the same sides, because the original has no more pixels, the smallest counts.
    """
    found: dict[Sides, str] = {}
    for name, box in sorted(table.items(), key=lambda each: each[1].width * each[1].height):
        if box.fit != "fit":  # another picture, by its shape
            continue
        found.setdefault(target_size((original.width, original.height), box), name)
    return found


def chosen(text: str, known: list[Sides], *, is_lenient: bool) -> Sides | None:
    """Return the sides for the standard's size parameter; None if level 0 does not have it.

    `w,` and `,h` of a size, and `!w,h`, are accepted too. *is_lenient*: `w,` with any width leads to the next
    size that is not narrower.
    """
    if text in ("max", "full"):
        return known[-1]
    found = _WISH.fullmatch(text)
    if found is None or not (found["w"] or found["h"]):
        return None
    width, height = int(found["w"] or 0), int(found["h"] or 0)
    if found["inside"]:
        inside = [each for each in known if each[0] <= width and each[1] <= height]
        return inside[-1] if inside and width and height else None
    exact = (each for each in known if width in (0, each[0]) and height in (0, each[1]))
    wider = (each for each in known if is_lenient and not height and each[0] >= width)
    return next(exact, None) or next(wider, None)


def _others(request: web.Request) -> list[str]:
    """Return the endings of the formats beside JPEG that are served here."""
    enabled = request.app[CONFIG].formats.enabled
    return [form.value for form in (Format.WEBP, Format.AVIF) if form in enabled]


def _described(version: str, address: str, known: list[Sides], others: list[str]) -> IiifInfo2 | IiifInfo3:
    width, height = known[-1]
    common: _Info = {
        "@context": CONTEXT.format(version), "protocol": "http://iiif.io/api/image", "width": width,
        "height": height, "sizes": [{"width": w, "height": h} for w, h in known],
    }  # fmt: skip
    if version == "2":
        beyond: IiifBeyond = {"supports": list(FEATURES)}
        if others:
            beyond["formats"] = others
        return {**common, "@id": address, "profile": [PROFILE["2"], beyond]}
    told: IiifInfo3 = {
        "@context": common["@context"], "protocol": common["protocol"], "width": width, "height": height,
        "sizes": common["sizes"], "id": address, "type": "ImageService3", "profile": "level0",
        "preferredFormats": ["jpg"], "extraFeatures": list(FEATURES),
    }  # fmt: skip
    if others:
        told["extraFormats"] = others
    return told


async def _original(request: web.Request) -> Original:
    """Find the cover's original. Raises NotAnIdentifier, NoCover, Pending."""
    reading = schemes.read(request.match_info["id"])
    sought = await find(request, {"": Wanted("large", reading, None)})
    if "" not in sought.found:
        raise NoCover("no cover is known") if sought.is_settled else Pending("the sources are being asked")
    return sought.found[""]


def _format(request: web.Request, ending: str) -> Format:
    known = [Format.JPEG.value, *_others(request)]
    if ending not in known:
        raise MalformedPath(f"{ending[:20]!r} is not a format here; expected {' or '.join(known)}")
    return Format(ending)


def _address(request: web.Request) -> str:
    """Return the image's address, spelled exactly as requested: viewers compare it."""
    raw = request.rel_url.raw_path
    host = base_url(request) if request[PREFIX] else asked_url(request)
    start, behind, rest = raw.partition(f"/iiif/{request.match_info['version']}/")
    return f"{host}{start}{behind}{rest.partition('/')[0]}"


def refuse(request: web.Request, error: CoverError, how: Meaning, is_strict: bool) -> Answer:
    """Refuse with text: a viewer would show the pixel as the picture."""
    status = 404 if isinstance(error, NoCover | NotAnIdentifier) else how.status
    return with_body(request, error, how, "text/plain; charset=utf-8", f"{error}\n".encode(), status)


_VERSION = Parameter("version", "path", "2 or 3.", {"type": "string", "enum": ["2", "3"]}, "3")
_ID = Parameter("id", "path", "An ISBN, or scheme:value.", {"type": "string"}, "9780141439556")
_PARTS = tuple(
    Parameter(name, "path", says, {"type": "string", "enum": [value]}, value)
    for name, says, value in (
        ("region", "full.", "full"), ("size", "max, or w,h of info.json.", "max"),
        ("rotation", "0.", "0"), ("quality", "default.", "default"),
        ("format", "jpg, or one of extraFormats in info.json.", "jpg"),
    )
)  # fmt: skip

_AT = "/iiif/{version:[23]}/{id}"

SHAPE = Shape(
    "iiif",
    (
        Route("/iiif/{version}/{id}/info.json", info, "A cover's IIIF description", (JSON, LD_JSON),
              (_VERSION, _ID), json=IiifInfo3 | IiifInfo2, pattern=f"{_AT}/info.json"),
        Route("/iiif/{version}/{id}/{region}/{size}/{rotation}/{quality}.{format}", picture,
              "A cover, as the IIIF Image API has it", ("image/jpeg", "image/webp", "image/avif"),
              (_VERSION, _ID, *_PARTS),
              pattern=f"{_AT}/{{region}}/{{size}}/{{rotation}}/{{quality}}.{{format}}"),
        Route("/iiif/{version}/{id}", base, "Redirects to a cover's IIIF description", (),
              (_VERSION, _ID), pattern=_AT),
    ),
    refuse,
)  # fmt: skip
