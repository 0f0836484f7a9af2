"""Answers: built as values, then sent; one way for every picture, placeholder and problem."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import orjson
from aiohttp import web

from coverproxy import __version__
from coverproxy.accounts.visitor import Allowance
from coverproxy.config import Answers
from coverproxy.deploy.nginx import ACCEL
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.errors import CoverError, OwnFault
from coverproxy.domain.formats import PLACEHOLDER
from coverproxy.web import conditional
from coverproxy.web.errors import Meaning, told

SERVER = f"coverproxy/{__version__}"
"""Our name, without versions of the libraries below."""

IMMUTABLE = "public, max-age=31536000, immutable"
"""How a cover is kept under an address that names its version: RFC 8246, for a year."""

PICTURE = {
    "Vary": "Accept",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Timing-Allow-Origin": "*",
    "X-Content-Type-Options": "nosniff",
}
"""What every cover says. Each byte counts here: a hit through nginx is one read of a file and this.

No Content-Security-Policy: a JPEG, WebP or AVIF that is not to be sniffed never runs a script.
"""

COMMON = {**PICTURE, "Content-Security-Policy": "default-src 'none'; sandbox"}
"""What every other answer says: text, JSON, SVG and the placeholder."""

PREFLIGHT = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "86400",
}


_QUOTA = {
    "RateLimit-Policy": '"daily";q={limit};w=86400',
    "RateLimit": '"daily";r={left};t={seconds}',
    "X-RateLimit-Limit": "{limit}",
    "X-RateLimit-Remaining": "{left}",
    "X-RateLimit-Reset": "{end}",
}

_QUOTA_HEAD = "".join(f"{name}: {text}\r\n" for name, text in _QUOTA.items())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer before it is sent: status, headers, body."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(answer: Answer) -> web.Response:
    """Convert an answer to aiohttp's response, which omits the body for HEAD and keeps every header."""
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


def picture(
    derivative: Derivative, label: str, config: Answers, asked: web.BaseRequest, *, x_accel: bool = False,
    is_interim: bool = False, never_fails: bool = False,
) -> Answer:  # fmt: skip
    """Answer with a derivative: all of it, a part, or 304.

    *x_accel*: nginx is in front, and gets the file's path. *is_interim*: a better format is to follow
    soon, so this one is not kept for long. *never_fails*: a condition that fails, and a range beyond the end,
    get all of it. RFC 9110 §14.2 allows the latter; of the former nobody has anything who only reads.
    """
    etag, mtime, length = derivative.etag, derivative.mtime, len(derivative.body)
    headers = _picture_headers(derivative, label, config)
    if is_interim:
        headers["Cache-Control"] = interim_keep(config)
    elif derivative.is_version(asked.query.get("v", "")):
        headers["Cache-Control"] = IMMUTABLE
    has_failed = conditional.has_failed(asked.headers, etag, mtime)
    if has_failed and not never_fails:
        return Answer(412, headers, b"")
    if not has_failed and conditional.is_unchanged(asked.headers, etag, mtime):
        return Answer(304, headers, b"")
    headers["Content-Type"] = derivative.format.media_type
    wanted = None if has_failed else conditional.part(asked.headers, etag, mtime, length)
    is_spared = has_failed or (never_fails and wanted == conditional.NOTHING)
    if wanted is None or is_spared:
        by_nginx = x_accel and not is_spared  # which would decide the condition once more
        return _whole(derivative, headers, by_nginx=by_nginx)
    if wanted == conditional.NOTHING:
        return Answer(416, headers | {"Content-Range": f"bytes */{length}"}, b"")
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{length}"
    return Answer(206, headers, derivative.body[wanted])


def _whole(derivative: Derivative, headers: dict[str, str], *, by_nginx: bool) -> Answer:
    headers["Accept-Ranges"] = "bytes"  # like nginx, only in a 200
    if by_nginx and derivative.place:
        return Answer(200, headers | {"X-Accel-Redirect": ACCEL + derivative.place}, b"")
    return Answer(200, headers, derivative.body)


def _picture_headers(derivative: Derivative, label: str, config: Answers) -> dict[str, str]:
    headers = {
        **hit_headers(config),
        "X-Cover-Status": label,
        "ETag": derivative.etag,
        "Last-Modified": derivative.last_modified,
        "X-Cover-Size": "{}x{}".format(*derivative.size),
    }
    if derivative.original:
        headers["X-Cover-Original"] = "{}x{}".format(*derivative.original)
    return headers


def hit_head(derivative: Derivative) -> bytes:
    """Return the lines that a hit adds to hit_headers(): what picture() says of the whole cover, prepared."""
    original = "X-Cover-Original: {}x{}\r\n".format(*derivative.original) if derivative.original else ""
    width, height = derivative.size
    return (
        f"ETag: {derivative.etag}\r\nLast-Modified: {derivative.last_modified}\r\n"
        f"X-Cover-Size: {width}x{height}\r\n{original}"
        f"Content-Type: {derivative.format.media_type}\r\nAccept-Ranges: bytes\r\n"
        f"Content-Length: {len(derivative.body)}\r\n"
    ).encode("ascii")


def lines(headers: Mapping[str, str]) -> bytes:
    """Return headers as they are sent."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")


def hit_headers(config: Answers) -> dict[str, str]:
    """Return the headers that every hit has; nginx sends the same with the file."""
    age, stale = config.cover_max_age_seconds, config.cover_stale_seconds
    keep = f"public, max-age={age}, stale-while-revalidate={stale}"
    return {**PICTURE, "X-Cover-Status": "hit", "Cache-Control": keep}


def interim_keep(config: Answers) -> str:
    """Return how long a cover is cached until a better format follows: clients ask again soon."""
    return f"public, max-age={config.interim_max_age_seconds}"


def refusal(
    error: CoverError, meaning: Meaning, config: Answers, *, is_strict: bool, as_json: bool
) -> Answer:
    """Answer without a picture, and say why: with the placeholder, a status, or a problem (RFC 9457).

    The strict body is text: a browser would show a picture in a 404, and Koha hides a slide only if it shows
    none.
    """
    headers = refusal_headers(error, meaning, config)
    if as_json:
        headers["Content-Type"] = "application/problem+json"
        return Answer(meaning.status, headers, problem(error, meaning))
    if is_strict and not meaning.is_hard:
        text = f"{meaning.title}.\n".encode()
        return Answer(meaning.status, headers | {"Content-Type": "text/plain; charset=utf-8"}, text)
    status = meaning.status if meaning.is_hard else 200
    return Answer(status, headers | {"Content-Type": "image/gif"}, PLACEHOLDER)


def refusal_headers(error: CoverError, meaning: Meaning, config: Answers) -> dict[str, str]:
    """Return the headers that every refusal has: the status word, and when to try again."""
    headers = {**COMMON, "X-Cover-Status": meaning.label, "Cache-Control": _keep(meaning, config)}
    if meaning.status in (429, 503):
        seconds = error.retry_after if isinstance(error, OwnFault) else config.retry_after_seconds
        headers["Retry-After"] = str(max(ceil(seconds), 1))
    return headers


def _keep(meaning: Meaning, config: Answers) -> str:
    return f"public, max-age={config.missing_max_age_seconds}" if meaning.keep == "missing" else "no-store"


def problem(error: CoverError, meaning: Meaning) -> bytes:
    """Return problem details; `code` is the X-Cover-Status."""
    details = {
        "type": "about:blank",
        "title": meaning.title,
        "status": meaning.status,
        "detail": told(error),
        "code": meaning.label,
    }
    return orjson.dumps(details)


def quota_headers(allowance: Allowance) -> dict[str, str]:
    """Return headers about a key's remaining quota.

    `RateLimit` and its policy follow draft-ietf-httpapi-ratelimit-headers-10; the older plain names are sent
    too. `X-RateLimit-Reset` is in seconds since 1970, like GitHub's.
    """
    values = _quota_values(allowance)
    return {name: text.format(**values) for name, text in _QUOTA.items()}


def quota_head(allowance: Allowance) -> bytes:
    """Return the lines of quota_headers(), which every cover that is made changes."""
    return _QUOTA_HEAD.format(**_quota_values(allowance)).encode("ascii")


def _quota_values(allowance: Allowance) -> dict[str, int]:
    end = int(allowance.resets_at.timestamp())
    return {"limit": allowance.limit, "left": allowance.left, "seconds": allowance.resets_in, "end": end}


def json(value: object, status: int = 200) -> Answer:
    """Answer with JSON that must not be cached."""
    headers = {**COMMON, "Cache-Control": "no-store", "Content-Type": "application/json"}
    return Answer(status, headers, orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
