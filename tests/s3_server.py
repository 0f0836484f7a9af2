"""A small S3 as a real server: it checks signatures, knows conditions, and can do what stores do wrong.

moto is the usual one; it brings 60 packages and 300 MB for one verb, lets any signature pass unless roles are
set up in it first, and is never slow, cut or endless.
"""

import asyncio
import hashlib
import hmac
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from html import unescape

from aiohttp import web
from ending import end

BUCKET, REGION, KEY_ID, SECRET = "covers", "eu-test-1", "AKTEST", "s3cr3t/with+signs"


@dataclass(frozen=True)
class Stored:
    """An object; `modified` in seconds since 1970."""

    body: bytes
    modified: int

    @property
    def listed_at(self) -> str:
        return f"{datetime.fromtimestamp(self.modified, UTC):%Y-%m-%dT%H:%M:%S.000Z}"

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class S3:
    """What the server has, what it does wrong (`fault`), and the requests that it got."""

    url: str = ""
    objects: dict[str, Stored] = field(default_factory=dict)
    fault: str = ""
    signed: bool = True
    conditions: bool = True
    got: list[web.Request] = field(default_factory=list)
    sent: int = 0
    delay: float = 0.0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append(request)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fault:
            return await self._wrong(request)
        if self.signed and (code := refusal(request)):
            return error(403, code)
        bucket, _, key = request.path.removeprefix("/").partition("/")
        if bucket != BUCKET:
            return error(404, "NoSuchBucket")
        if request.method in ("PUT", "POST"):
            return await self._changed(request, key)
        if "list-type" in request.query:
            return self._listed(request.query.get("prefix", ""))
        return self._found(request, key)

    async def _changed(self, request: web.Request, key: str) -> web.Response:
        if request.method == "POST":  # several are deleted at once
            names = re.findall("<Key>([^<]+)</Key>", await request.text())
            for name in names:
                self.objects.pop(unescape(name), None)
            deleted = "".join(f"<Deleted><Key>{name}</Key></Deleted>" for name in names)
            return web.Response(
                text=f"<DeleteResult>{deleted}</DeleteResult>", content_type="application/xml"
            )
        written = self.objects[key] = Stored(await request.read(), int(time.time()))
        return web.Response(headers={"ETag": written.etag})

    def _found(self, request: web.Request, key: str) -> web.Response:
        stored = self.objects.get(key)
        if stored is None:
            return error(404, "NoSuchKey")
        headers = {"ETag": stored.etag, "Last-Modified": formatdate(stored.modified, usegmt=True)}
        if self.conditions and is_known(request, stored):
            return web.Response(status=304, headers=headers)
        return web.Response(body=stored.body, headers=headers)

    def _listed(self, prefix: str) -> web.Response:
        found = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(each.body)}</Size><ETag>{each.etag}</ETag>"
            f"<LastModified>{each.listed_at}</LastModified></Contents>"
            for key, each in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        text = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        return web.Response(text=text, content_type="application/xml")

    async def _wrong(self, request: web.Request) -> web.StreamResponse:
        if self.fault.isdigit():
            return error(int(self.fault), "SlowDown", **{"Retry-After": "7"})
        if self.fault == "page":
            return web.Response(status=404, text="<html>nothing here", content_type="text/html")
        if self.fault == "no-blob":
            return error(404, "BlobNotFound")
        if self.fault.startswith("http"):
            return web.Response(status=307, headers={"Location": self.fault})
        if self.fault == "gzip":
            return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
        if self.fault == "overlong":
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na cover" + bytes(100_000))
        if self.fault == "slow headers":
            await asyncio.sleep(30)
        return await self._wrong_body(request)

    async def _wrong_body(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"ETag": '"wrong"'})
        if self.fault == "endless":
            response.enable_chunked_encoding()
        else:
            response.content_length = 10**9 if self.fault == "huge" else 80_000
        await response.prepare(request)
        with suppress(ConnectionError):
            while self.sent < 80_000 or self.fault in ("endless", "huge"):
                await response.write(bytes(1000))
                self.sent += 1000
                if self.fault == "cut" and request.transport is not None:
                    request.transport.close()
                    break
                await asyncio.sleep(0.05 if self.fault == "slow body" else 0)
        return response


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[S3]:
    """Serve on a free port, over HTTPS where told how."""
    store = S3()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{any:.*}", store.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    store.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield store
    finally:
        await end(runner)


def error(status: int, code: str, **headers: str) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>-</Message></Error>'
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)


def is_known(request: web.Request, stored: Stored) -> bool:
    """RFC 9110 §13.2.2: with If-None-Match the other is not looked at."""
    if etag := request.headers.get("If-None-Match"):
        return etag == stored.etag
    since = request.headers.get("If-Modified-Since")
    return since is not None and stored.modified <= parsedate_to_datetime(since).timestamp()


def refusal(request: web.Request) -> str:
    """Check an AWS Signature, version 4, as Amazon describes it; the code of what is wrong, or ""."""
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    if kind != "AWS4-HMAC-SHA256":
        return "AccessDenied"
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    key_id, _, scope = given["Credential"].partition("/")
    if key_id != KEY_ID:
        return "InvalidAccessKeyId"
    day = request.headers["x-amz-date"][:8]
    if scope != f"{day}/{REGION}/s3/aws4_request":
        return "AuthorizationHeaderMalformed"
    names = given["SignedHeaders"]
    lines = [f"{name}:{request.headers[name].strip()}\n" for name in names.split(";")]
    path, _, query = request.raw_path.partition("?")
    query = "&".join(each if "=" in each else f"{each}=" for each in query.split("&") if each)
    parts = [request.method, path, query, "".join(lines), names, request.headers["x-amz-content-sha256"]]
    canonical = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    secret = f"AWS4{SECRET}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{request.headers['x-amz-date']}\n{scope}\n{canonical}"
    right = hmac.digest(secret, text.encode(), "sha256").hex()
    return "" if hmac.compare_digest(right, given["Signature"]) else "SignatureDoesNotMatch"
