"""One judgement for every way in: a file that is not a picture is refused everywhere in the same words."""

import html
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import images
import pytest
import s3_server
from click.testing import CliRunner
from conftest import Running, Start
from forms import Visitor
from library import Library, open_taker, strangers
from link_host import link_host
from senders import onix, product, zip_of

from coverproxy.cli import main
from coverproxy.config import FeedConfig
from coverproxy.domain.isbn import to_isbn10
from coverproxy.originals.examine import Refusal
from coverproxy.service.import_file import offered
from coverproxy.wiring.feeds import open_sender

TOKEN = "a-long-admin-token"  # noqa: S105 - of these tests only

TAIL = " is not supported; JPEG, PNG, WebP, GIF, TIFF and AVIF are"

BODIES: list[tuple[bytes, str, str]] = [
    (body, "type", words + TAIL)
    for body, words in [
        (b"<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"%PDF-1.7\n" + bytes(40), "a PDF"),
        (b"\xff\n\xba\x12\0\0", "JPEG XL"),
        (b"BM" + bytes(60), "BMP"),
        (b"\x1f\x8b\x08\0" + bytes(20), "a file compressed with gzip"),
        (b'<?xml version="1.0"?><svg xmlns="x"/>', "an SVG drawing"),
        (b"<Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b'{"error": "not found"}', "a JSON document"),
        (b"Not Found", "a text"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1" + bytes(20), "a Photoshop file (PSD)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript file"),
        (b"\0\0\1\0\1\0\x10\x10" + bytes(30), "an icon (ICO)"),
        (b"/9j/4AAQSkZJRgABAQ==", "a picture written as base64 text"),
        (
            b"<b>Warning</b>: x\n\xff\xd8\xff\xe0\0\x10JFIF",
            "a picture with other bytes before it",
        ),
        (b"\x89PNG\n\x1a\n\0\0\0\rIHDR", "a PNG whose first bytes were changed on the way, as a transfer "
         "in text mode does"),
        (bytes(60), "a file of zeros"),
        (b"\x01\x02\x03\x04" * 9, "an unknown kind of file"),
    ]
]  # fmt: skip
BODIES += [
    (b"", "bytes", "the file is empty"),
    (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50),
        "codec", "HEIC with HEVC: this libvips has no decoder for it",
    ),
    (
        b"\xff\xd8\xff\xe0\0\x04ab",
        "header", "a JPEG whose header cannot be read: it is truncated, or declares no picture, or several",
    ),
]  # fmt: skip

BOOKS = strangers(len(BODIES))
FILES = {isbn: body for isbn, (body, _, _) in zip(BOOKS, BODIES, strict=True)}
SAID = {isbn: (reason, words) for isbn, (_, reason, words) in zip(BOOKS, BODIES, strict=True)}
EMPTY = next(isbn for isbn, body in FILES.items() if not body)

Verdicts = dict[str, tuple[str, str]]
"""The word for programs and the words for people, by ISBN."""


def of_refusals(refusals: list[Refusal]) -> Verdicts:
    """What an import reports."""
    told = {each.isbn.removeprefix("isbn:")[:13]: (each.reason, each.detail) for each in refusals}
    assert len(told) == len(refusals)
    return told


def filled(library: Library) -> Path:
    """The folder of covers, with a file of each kind."""
    for isbn, body in FILES.items():
        library.put(f"{isbn}.jpg", body)
    return library.covers


def folder(library: Library) -> Verdicts:
    library.take_in(filled(library))
    return of_refusals(library.refusals)


def single_files(library: Library) -> Verdicts:
    for path in sorted(filled(library).iterdir()):
        library.take_in(path)
    return of_refusals(library.refusals)


def table(library: Library) -> Verdicts:
    filled(library)
    rows = "".join(f"{isbn},{isbn}.jpg\n" for isbn in FILES)
    library.take_in(library.put("list.csv", ("isbn,file\n" + rows).encode()))
    return of_refusals(library.refusals)


def archive(library: Library) -> Verdicts:
    library.take_in(zip_of(library, {f"{isbn}.jpg": body for isbn, body in FILES.items()}))
    return of_refusals(library.refusals)


def feed(library: Library) -> Verdicts:
    filled(library)
    path = onix(library, *(product(f"{isbn}.jpg", isbn=isbn, record=isbn) for isbn in FILES))
    take(library, path)
    return of_refusals(library.refusals)


def links_of_a_feed(library: Library) -> Verdicts:
    with link_host({f"/{isbn}.jpg": body for isbn, body in FILES.items()}) as host:
        products = (product(f"{host.url}/{isbn}.jpg", isbn=isbn, record=isbn) for isbn in FILES)
        take(library, onix(library, *products), host.name)
    return of_refusals(library.refusals)


def links_of_a_list(library: Library) -> Verdicts:
    with link_host({f"/{isbn}.jpg": body for isbn, body in FILES.items()}) as host:
        rows = "".join(f"{isbn},{host.url}/{isbn}.jpg\n" for isbn in FILES)
        take(library, library.put("list.csv", ("isbn,url\n" + rows).encode()), host.name)
    return of_refusals(library.refusals)


def take(library: Library, path: Path, *hosts: str) -> None:
    """Take in a file of a sender, whose links are at *hosts*."""
    config = library.config()
    rules = FeedConfig(name="house", dir=".", hosts=hosts, allow=("127.0.0.1",), requests_per_second=1000)
    with (
        library.shelf() as shelf,
        open_sender(config, rules) as sender,
        open_taker(config, shelf, library.refusals.append) as importer,
    ):
        importer.run(offered(path, sender), lambda report: None)


def watched(library: Library) -> Verdicts:
    filled(library)
    folders = [str(library.covers), "--data", str(library.data)]
    arguments = ["watch", *folders, "--once", "--settle", "0", "--json"]
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    (report,) = {json.loads(line)["report"] for line in ran.stdout.splitlines()}
    lines = [json.loads(line) for line in Path(report).read_text().splitlines()]
    return {each["isbn"]: (each["reason"], each["detail"]) for each in lines}


def added_by_hand(library: Library) -> Verdicts:
    with library.shelf():
        pass
    told = {}
    for path in filled(library).iterdir():
        arguments = ["originals", "add", path.stem, str(path), "--data", str(library.data)]
        ran = CliRunner().invoke(main, arguments)
        assert ran.exit_code == 1, ran.output
        words, _, reason = ran.stderr.strip().removeprefix(f"Error: {path}: ").rpartition(" (")
        told[path.stem] = (reason.removesuffix(")"), words)
    return told


IMPORTS: list[Callable[[Library], Verdicts]] = [
    folder, single_files, table, archive, feed, links_of_a_feed, links_of_a_list, watched, added_by_hand,
]  # fmt: skip


@pytest.mark.parametrize("way", IMPORTS, ids=lambda way: way.__name__)
def test_every_command_says_the_same(tmp_path: Path, way: Callable[[Library], Verdicts]) -> None:
    """By folder, file, list, zip, feed, link, watched folder or by hand: each kind is named alike."""
    library = Library(tmp_path)
    assert way(library) == SAID
    assert library.all_originals() == []


@dataclass
class Service:
    """A service that takes pictures by every way, and a host with one of each kind."""

    server: Running
    host: str
    logged: list[logging.LogRecord]


@pytest.fixture
def host() -> Iterator[str]:
    """The address of a host with a file of each kind."""
    with link_host({f"/{isbn}.jpg": body for isbn, body in FILES.items()}) as opened:
        yield opened.url


async def put(service: Service) -> Verdicts:
    return {isbn: await told(service.server, isbn, "PUT", body) for isbn, body in FILES.items()}


async def multipart(service: Service) -> Verdicts:
    found = {}
    for isbn, body in FILES.items():
        form = aiohttp.FormData()
        form.add_field("file", body, filename="cover.jpg", content_type="image/jpeg")
        found[isbn] = await told(service.server, isbn, "POST", form)
    return found


async def by_address(service: Service) -> Verdicts:
    wishes = {isbn: json.dumps({"url": f"{service.host}/{isbn}.jpg"}) for isbn in FILES}
    return {isbn: await told(service.server, isbn, "POST", wish, "application/json")
            for isbn, wish in wishes.items()}  # fmt: skip


async def told(server: Running, isbn: str, method: str, body: Any, kind: str = "") -> tuple[str, str]:
    """Send a picture as a program does; return what is told, with the reason that belongs to the words."""
    path = f"/devkey/{server.key.name}/original/isbn/{isbn}"
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": kind} if kind else {})
    async with server.client.request(
        method, server.listeners.url + path, data=body, headers=headers
    ) as response:
        assert response.status == 422
        words: str = json.loads(await response.read())["detail"]
    reasons = {words: reason for reason, words in SAID.values()}
    return reasons.get(words, ""), words


async def sent(visitor: Visitor, server: Running, page: str, body: bytes, url: str = "") -> tuple[int, str]:
    """Send the upload page's form with a file, or with an address; return the status and the page."""
    text = (await visitor.get(page)).body.decode()
    form = aiohttp.FormData()
    form.add_field("form_token", re.findall(r'name="form_token" value="([^"]+)"', text)[-1])
    form.add_field("url", url)
    form.add_field("file", body, filename="" if url else "cover.jpg", content_type="image/jpeg")
    target = server.listeners.url + page
    async with visitor.client.post(target, data=form, headers={"Accept": "text/html"}) as got:
        return got.status, html.unescape(await got.text())


PROGRAMS: list[Callable[[Service], Awaitable[Verdicts]]] = [put, multipart, by_address]


@pytest.fixture
async def service(start: Start, host: str, caplog: pytest.LogCaptureFixture) -> Service:
    """A service with a way in for administrators, which takes links to the host."""
    caplog.set_level(logging.INFO, "coverproxy")
    upload = {"hosts": [host.removeprefix("http://")], "allow": ["127.0.0.1"], "per_hour": 1000}
    server = await start(admin={"token": TOKEN}, upload=upload, signup={"tries_per_hour": 100})
    return Service(server, host, caplog.records)


@pytest.mark.parametrize("way", PROGRAMS, ids=lambda way: way.__name__)
async def test_every_upload_says_the_same(
    service: Service, way: Callable[[Service], Awaitable[Verdicts]]
) -> None:
    """By PUT, form or address: each kind is named as in an import, and nothing is kept."""
    assert await way(service) == SAID
    assert not list(Path(service.server.config.data.dir, "originals", "tmp").iterdir())


@pytest.mark.parametrize("is_linked", [False, True], ids=["by file", "by address"])
async def test_the_upload_page_names_each_kind(service: Service, is_linked: bool) -> None:
    """The form comes back with the kind of the file in words."""
    async with Visitor(service.server) as visitor:
        await visitor.submit("/admin", {"token": TOKEN}, to="/admin/login")
        for isbn, (body, reason, words) in zip(BOOKS, BODIES, strict=True):
            address = f"{service.host}/{isbn}.jpg" if is_linked else ""
            status, page = await sent(visitor, service.server, f"/admin/upload/isbn/{isbn}", body, address)
            assert status == 422
            assert reason != "type" or f"This file is {words.removesuffix(TAIL)}." in page


@pytest.mark.parametrize("kind", ["http", "folder", "objectstore"])
async def test_every_source_says_the_same(
    start: Start, tmp_path: Path, host: str, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """What a source returns is refused in the log by the same words, and none of it is shown or kept."""
    caplog.set_level(logging.INFO, "coverproxy")
    async with s3_server.running() as store:
        source = await source_of(kind, tmp_path, host, store)
        server = await start(source=[source], render={"answer_within_seconds": 20.0})
        got = {isbn: (await server.get(server.path(isbn))).cover for isbn in FILES}
    assert set(got.values()) == {"missing"}
    event = "a picture from a source is refused"
    lines = [vars(each) for each in caplog.records if each.getMessage() == event]
    found = {each["of"].removeprefix("isbn:"): tuple(each["why"].split(": ", 1)) for each in lines}
    assert found == {isbn: said for isbn, said in SAID.items() if isbn != EMPTY}  # it has none


async def source_of(kind: str, tmp_path: Path, host: str, store: s3_server.S3) -> dict[str, Any]:
    """A source's table."""
    if kind == "http":
        return {"name": "up", "kind": kind, "url": host + "/{isbn13}.jpg", "allow": ["127.0.0.0/8"],
                "requests_per_second": 1000.0, "burst": 1000}  # fmt: skip
    if kind == "folder":
        filled(Library(tmp_path))
        return {"name": "up", "kind": kind, "dir": str(tmp_path / "covers"), "pattern": "{isbn13}.jpg",
                "requests_per_second": 1000.0, "burst": 1000}  # fmt: skip
    store.objects |= {f"{isbn}.jpg": s3_server.Stored(body, 1_217_851_200) for isbn, body in FILES.items()}
    keys = {"region": s3_server.REGION, "access_key_id": s3_server.KEY_ID}
    options = keys | {"secret_access_key": s3_server.SECRET}
    return {"name": "up", "kind": kind, "url": f"s3://{s3_server.BUCKET}", "endpoint": store.url,
            "options": options, "requests_per_second": 1000.0, "burst": 1000}  # fmt: skip


def test_a_source_is_tested_as_it_is_used(tmp_path: Path, host: str) -> None:
    """`source test` says by the same words why the service would not keep a picture, a cut one too."""
    config = tmp_path / "config.toml"
    config.write_text(
        f'[data]\ndir = "{tmp_path / "data"}"\n[[source]]\nname = "up"\nkind = "http"\n'
        f'url = "{host}/{{isbn13}}.jpg"\nallow = ["127.0.0.0/8"]\n'
    )
    ran = CliRunner().invoke(main, ["source", "test", BOOKS[0], "--config", str(config), "--json"])
    (answer,) = json.loads(ran.stdout)["answers"]
    reason, words = SAID[BOOKS[0]]
    assert (answer["answer"], answer["detail"]) == ("not there", f"its picture is refused: {reason}: {words}")


def test_a_cut_picture_is_not_found(tmp_path: Path) -> None:
    """`source test` decodes as the service does: it does not praise what would be refused."""
    cut = images.broken(images.jpeg(images.cover(300, 450)), 0.5)
    with link_host({f"/{to_isbn10(BOOKS[0])}.jpg": cut}) as opened:
        config = tmp_path / "config.toml"
        config.write_text(
            f'[data]\ndir = "{tmp_path / "data"}"\n[[source]]\nname = "up"\nkind = "http"\n'
            f'url = "{opened.url}/{{isbn10}}.jpg"\nallow = ["127.0.0.0/8"]\n'
        )
        ran = CliRunner().invoke(main, ["source", "test", BOOKS[0], "--config", str(config), "--json"])
    (answer,) = json.loads(ran.stdout)["answers"]
    assert answer["answer"] == "not there"
    assert answer["detail"].startswith("its picture is refused: decode: ")
