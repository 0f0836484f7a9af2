"""Every JSON answer has the type from which /openapi.json describes it."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import images
import orjson
from conftest import COVERED, UNCOVERED, Got, Running, Start, configured
from forms import Visitor
from pydantic import ConfigDict, TypeAdapter

from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.web.api.address import Address
from coverproxy.web.api.addresses import addresses

TOKEN = "a token that nobody guesses"  # noqa: S105 - a test's
WORD = "the owners word"
JSON = "application/json"
OWNED = {"Authorization": f"Bearer {TOKEN}"}
RED = images.jpeg(images.solid(images.RED, 400, 600))
BLUE = images.jpeg(images.solid(images.BLUE, 300, 450))

DOCUMENTS = {("get", "/openapi.json"), ("get", "/docs")}
"""Their JSON is the OpenAPI document itself."""

Where = tuple[str, str]


def typed(folder: Path) -> dict[Where, Address]:
    """The addresses with JSON, by method and path."""
    found = addresses(configured(folder))
    return {(each.method, each.path): each for each in found if JSON in each.gives}


def ours(folder: Path) -> dict[Where, Address]:
    """Our own of them: not those of other services."""
    return {where: each for where, each in typed(folder).items() if each.tag != "others"}


class Program:
    """A program that asks for addresses and holds each answer against its type."""

    def __init__(self, server: Running, visitor: Visitor, types: dict[Where, Address]) -> None:
        self.server, self.visitor, self.types = server, visitor, types
        self.key = Key(new_name(), "library", 1000, owner=hashed(WORD))
        self.seen: set[Where] = set()

    def filled(self, path: str, values: dict[str, str]) -> str:
        """Fill in the {names} of a path."""
        return path.format(**{"scheme": "isbn", "value": COVERED, "key": self.key.name} | values)

    async def ask(self, method: str, path: str, query: str = "", data: Any = None, **values: str) -> Any:
        """Ask for an address."""
        got = await self.fetch(method, self.filled(path, values) + query, data)
        return self.judge((method, path), got.status, got.body)

    async def fetch(self, method: str, where: str, data: Any) -> Got:
        """Send a request."""
        headers = OWNED | {"Accept": JSON} | ({"Content-Type": JSON} if isinstance(data, bytes) else {})
        if data in (RED, BLUE):
            headers["Content-Type"] = "image/jpeg"
        url = self.server.listeners.url + where
        async with self.visitor.client.request(method, url, data=data, headers=headers) as got:
            return Got(got.status, got.headers, await got.read())

    async def submit(self, path: str, fields: dict[str, str], **values: str) -> Any:
        """Send the form of a page: its HTML has the token, and the answer is JSON."""
        where = self.filled(path, values)
        token = re.findall(r'name="form_token" value="([^"]+)"', await self.text(where))[-1]
        return await self.ask("post", path, data=fields | {"form_token": token}, **values)

    async def text(self, where: str) -> str:
        """Open a page as people do."""
        return (await self.visitor.get(where)).body.decode()

    def judge(self, where: Where, status: int, body: bytes) -> Any:
        """Hold an answer against its type: it has all fields of it, and no others."""
        address = self.types[where]
        assert status in address.statuses, (where, status, body)
        types: Any = list[address.gives[JSON]]  # type: ignore[name-defined]
        TypeAdapter(types, config=ConfigDict(extra="forbid")).validate_json(b"[" + body + b"]", strict=True)
        self.seen.add(where)
        return orjson.loads(body)


def test_each_json_address_has_a_type(tmp_path: Path) -> None:
    """No schema is written apart from the type that the handler returns."""
    assert {
        where for where, each in typed(tmp_path).items() if isinstance(each.gives[JSON], dict)
    } == DOCUMENTS


OTHERS = (
    ("get", "/b/{kind}/{name}", f"/b/isbn/{COVERED}.json"),
    ("get", "/a/{kind}/{name}", f"/a/isbn/{COVERED}.json"),
    ("get", "/w/{kind}/{name}", f"/w/isbn/{COVERED}.json"),
    ("get", "/api/books.json", f"/api/books.json?bibkeys={COVERED}"),
    ("get", "/api/books", f"/api/books?format=json&bibkeys={COVERED},{UNCOVERED}"),
    ("get", "/api/books", f"/api/books?format=json&jscmd=data&bibkeys={COVERED}"),
    ("get", "/api/books", f"/api/books?format=json&jscmd=details&bibkeys={COVERED}"),
    ("get", "/api/volumes/brief/json/{items}", f"/api/volumes/brief/json/id:1;isbn:{COVERED}"),
    ("get", "/api/volumes/brief/{kind}/{value}", f"/api/volumes/brief/isbn/{COVERED}.json"),
    ("get", "/api/volumes/brief/{kind}/{value}", f"/api/volumes/brief/isbn/{UNCOVERED}.json"),
    ("get", "/books", f"/books?jscmd=viewapi&bibkeys={COVERED}"),
    ("get", "/cover", f"/cover?provider=gb&id={COVERED},{UNCOVERED}"),
    ("get", "/cover", f"/cover?provider=gb&all&id={COVERED}"),
    ("get", "/covers/", f"/covers/?format=seealso&id={COVERED}"),
    ("get", "/covers", f"/covers?format=seealso&id={UNCOVERED}"),
    ("get", "/bookcover", f"/bookcover?isbn={COVERED}"),
    ("get", "/bookcover/{isbn}", f"/bookcover/{COVERED}"),
    ("get", "/v1/get", f"/v1/get?isbn={COVERED},{UNCOVERED}"),
    ("post", "/v1/get", "/v1/get"),
    ("get", "/v1/products", f"/v1/products?eans={COVERED}"),
    ("get", "/iiif/{version}/{id}/info.json", f"/iiif/2/{COVERED}/info.json"),
    ("get", "/iiif/{version}/{id}/info.json", f"/iiif/3/{COVERED}/info.json"),
)
"""Each address of another service with JSON, as a client asks for it."""


async def test_answers_of_other_services_are_of_their_types(server: Running, tmp_path: Path) -> None:
    """Each of their addresses answers with the fields of its type and no others."""
    types = {where: each for where, each in typed(tmp_path).items() if each.tag == "others"}
    async with Visitor(server) as visitor:
        program = Program(server, visitor, types)
        program.key = server.key
        for method, path, asked in OTHERS:
            data = {"isbn": COVERED} if method == "post" else None
            got = await program.fetch(method, f"/devkey/{server.key.name}{asked}", data)
            script = re.fullmatch(rb"var \w+ = (.*);", got.body)
            text = script[1] if script else got.body
            program.judge((method, f"/devkey/{{key}}{path}"), got.status, text)
    assert program.seen == {where for where in types if where[1].startswith("/devkey/")}


async def test_answers_are_of_their_types(start: Start, tmp_path: Path) -> None:
    """Each address of our own, asked as it is used, answers with the fields of its type and no others."""
    server = await start(admin={"token": TOKEN}, signup={"mode": "open", "tries_per_hour": 100})
    async with Visitor(server) as visitor:
        program = Program(server, visitor, ours(tmp_path))
        await server.service.accounts.save(program.key)
        await _covers(program)
        await _pages(program)
        await _keys(program)
        await _uploads(program)
        await _reports(program)
        await _administration(program)
        await _decisions(program)
    assert program.seen == program.types.keys() - DOCUMENTS


async def _covers(program: Program) -> None:
    await program.server.get(program.server.path(UNCOVERED, key=program.key.name))
    await program.ask("get", "/devkey/{key}/info/{scheme}/{value}")
    await program.ask("get", "/devkey/{key}/info/{scheme}/{value}", value=UNCOVERED)
    await program.ask("get", "/devkey/{key}/info/{scheme}/{value}", value="978014143951")
    await program.ask("get", "/devkey/{key}/info", f"?isbn={COVERED},nonsense")
    await program.ask("post", "/devkey/{key}/info", data=orjson.dumps({"isbns": [COVERED]}))


async def _pages(program: Program) -> None:
    for query in ("", f"?isbn={COVERED}", f"?isbn={UNCOVERED}", "?isbn=nonsense"):
        await program.ask("get", "/", query)
    await program.ask("get", "/item/{scheme}/{value}")
    await program.ask("get", "/status")
    await program.ask("get", "/status.json")
    await program.ask("get", "/batch")
    for act in ("gallery", "sheet"):
        form = aiohttp.FormData(
            {"key": program.key.name, "list": f"{COVERED} Emma\n{UNCOVERED}\nx", "as": act}
        )
        form.add_field("file", b"", filename="list.csv", content_type="text/csv")
        await program.ask("post", "/batch", data=form)


async def _keys(program: Program) -> None:
    fields = {"label": "A library", "contact": "a@example.org", "site": "https://a.example.org"}
    await program.ask("get", "/keys")
    await program.submit("/keys", fields)
    await program.visitor.submit("/keys", fields | {"label": "Another", "contact": "b@example.org"})
    await program.ask("get", "/keys/given")
    await program.ask("get", "/devkey/{key}/usage", f"?isbn={COVERED}")
    await program.submit("/devkey/{key}/usage", {"word": WORD, "role": "server"})
    await program.submit("/devkey/{key}/usage", {"word": WORD, "action": "rotate", "days": "7"})


async def _uploads(program: Program) -> None:
    one = "/devkey/{key}/original/{scheme}/{value}"
    sent = await program.ask("put", one, "?note=right&licence=CC0", RED)
    form = aiohttp.FormData({"source": "publisher"})
    form.add_field("file", BLUE, filename="cover.jpg")
    await program.ask("post", one, data=form)
    every = "/devkey/{key}/originals/{scheme}/{value}"
    hide = {"act": "hide", "digest": sent["digest"], "note": "wrong"}
    await program.ask("post", every, data=orjson.dumps(hide))
    await program.ask("get", every)
    assert (await program.ask("get", "/devkey/{key}/changes", "?since=0"))["changes"]
    await program.ask("get", "/upload/{scheme}/{value}")
    await program.ask("get", "/admin/upload/{scheme}/{value}")
    seen = await _sent(program, f"/upload/isbn/{UNCOVERED}")
    await program.ask("get", "/upload/seen/{seen}", seen=seen)
    await program.submit("/upload/seen/{seen}", {"act": "save"}, seen=seen)
    await program.ask("get", "/devkey/{key}/originals")


async def _sent(program: Program, page: str) -> str:
    """Send a picture with the form of the upload page; return the name of the page that follows."""
    token = re.findall(r'name="form_token" value="([^"]+)"', await program.text(page))[-1]
    form = aiohttp.FormData({"form_token": token, "key": program.key.name, "word": WORD})
    form.add_field("file", RED, filename="cover.jpg", content_type="image/jpeg")
    url = program.server.listeners.url + page
    async with program.visitor.client.post(url, data=form, headers={"Accept": "text/html"}) as got:
        return got.url.path.rpartition("/")[2]


async def _reports(program: Program) -> None:
    await program.ask("get", "/report/{scheme}/{value}")
    first, _ = [
        await program.ask(
            "post", "/report/{scheme}/{value}", data=orjson.dumps({"reason": reason, "mail": "c@example.org"})
        )
        for reason in ("wrong", "quality")
    ]
    await program.ask("get", "/report/{code}", code=first["code"])
    listed = await program.ask("get", "/devkey/{key}/reports")
    close, number = "/devkey/{key}/reports/{number}", str(listed["reports"][0]["number"])
    await program.ask("post", close, data=orjson.dumps({"state": "kept", "note": "right"}), number=number)
    assert (await program.ask("get", "/devkey/{key}/reports", "?state=closed"))["reports"]


async def _administration(program: Program) -> None:
    for path in ("/admin", "/admin/wanted", "/admin/keys", "/admin/new-key", "/admin/service"):
        await program.ask("get", path)
    wish = {"key": program.server.key.name, "daily_limit": "7", "sites": "a.example.org"}
    for action in ("settle", "rotate", "word"):
        await program.ask("post", "/admin/keys", data=wish | {"action": action})
    new = {"label": "New", "contact": "d@example.org", "daily_limit": "5"}
    await program.ask("post", "/admin/new-key", data=new)
    await program.visitor.post("/admin/new-key", new, **OWNED)
    await program.ask("get", "/admin/new-key/given")
    catalogue = program.server.folder.catalogue
    original = catalogue.sample(1)[0]
    catalogue.quarantine(original.digest, "crashed", 1_795_400_000)
    assert (await program.ask("get", "/admin/service"))["quarantined"]
    await program.ask("post", "/admin/service", data={"digest": original.digest.hex()})


async def _decisions(program: Program) -> None:
    await program.ask("get", "/admin/book", f"?isbn={COVERED}")
    await program.ask("get", "/admin/book", "?isbn=nonsense")
    await program.ask("post", "/admin/book", data={"isbn": COVERED})
    (waiting,) = (await program.ask("get", "/admin/review"))["pending"]
    await program.ask("post", "/admin/decide", data={"isbn": COVERED, "act": "hide_book", "note": "no"})
    await program.ask(
        "post", "/admin/review", data={"act": "approve", "pick-1": f"{waiting['digest']} {UNCOVERED}"}
    )
    report = (await program.ask("get", "/admin/reports"))["open"][0]
    await program.ask("post", "/admin/reports", data={"number": str(report["number"]), "act": "fixed"})
