"""Reads request bodies within limits on bytes and time, and only of the types that an address takes."""

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web

from coverproxy.domain.errors import BadQuestion, TooLarge, TooSlow, UnreadType

MAX_FORM_BYTES = 8192
"""Largest form: twenty sites of 253 characters each, and some words."""

MAX_FORM_FIELDS = 40

BODY_SECONDS = 10.0
"""Longest time for a body, from its first byte to its last: half a megabyte at 50 kB/s."""

_FORM = "application/x-www-form-urlencoded"


async def read(request: web.Request, most: int) -> bytes:
    """Return the body. Raises TooLarge if it has more than *most* bytes, TooSlow."""
    if (request.content_length or 0) > most:
        raise TooLarge(f"the body has {request.content_length} bytes; expected at most {most}")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.clone(client_max_size=most).read()
    except web.HTTPRequestEntityTooLarge as exc:
        raise TooLarge(f"the body has more than {most} bytes") from exc
    except TimeoutError as exc:
        raise TooSlow(f"the body did not arrive within {BODY_SECONDS:g} seconds") from exc


async def form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form; the last one if a name occurs several times.

    Raises UnreadType, before reading anything, if it is not URL-encoded in UTF-8; TooLarge, TooSlow,
    BadQuestion.
    """
    if request.content_type != _FORM:
        raise UnreadType(f"unsupported type of form; expected {_FORM}")
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnreadType("unsupported charset of the form; expected UTF-8")
    body = await read(request, MAX_FORM_BYTES)
    try:
        text = body.decode()
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS))
    except UnicodeDecodeError as exc:  # a ValueError too
        raise BadQuestion("the form is not UTF-8") from exc
    except ValueError as exc:
        raise BadQuestion(f"the form has more than {MAX_FORM_FIELDS} fields") from exc
