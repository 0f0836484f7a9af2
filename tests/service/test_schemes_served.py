"""Covers of every identifier scheme: imported, served, told of, purged, in each way that takes an ISBN."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from click.testing import CliRunner, Result
from conftest import COVERED, UNCOVERED, Running, Start, take_in
from images import small_jpeg
from stdnum import isbn

from coverproxy.cli import main
from coverproxy.domain import schemes
from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_list import listed
from coverproxy.service.import_steps import Sender
from coverproxy.web.app_keys import DESK

IDENTIFIERS = [
    *(f"{scheme.name}:{scheme.example}" for scheme in schemes.ALL.values() if scheme.name != "isbn"),
    "oclc:1", "local:koha:4711", "local:koha:b/1 x", "lccn:n 78890351",
]  # fmt: skip


@pytest.fixture
async def others(start: Start, tmp_path: Path) -> Running:
    """A server that has a cover under an identifier of each scheme."""
    folder = tmp_path / "others"
    folder.mkdir()
    lines = ["isbn,file"]
    for number, text in enumerate(IDENTIFIERS):
        (folder / f"{number}.jpg").write_bytes(small_jpeg(200 + number, 300))
        lines.append(f"{text},{folder}/{number}.jpg")
    (folder / "list.csv").write_text("\n".join(lines))
    server = await start()
    report = await asyncio.to_thread(take_in, server.config, folder / "list.csv", "copy")
    assert not report.refused, report
    return server


def path(server: Running, text: str, size: str = "medium") -> str:
    scheme, _, value = (
        text.rpartition(":") if not text.startswith("local:koha:") else (text[:10], "", text[11:])
    )
    return f"/devkey/{server.key.name}/{size}/{scheme}/{value}"


@pytest.mark.parametrize("text", IDENTIFIERS)
async def test_every_scheme_has_covers(others: Running, text: str) -> None:
    """Each is made once, is then a hit, answers HEAD, an ending and another size, and /info knows it."""
    made, hit = await others.get(path(others, text)), await others.get(path(others, text))
    head = await others.get(path(others, text), "HEAD")
    webp = await others.get(path(others, text) + ".webp")
    told = orjson.loads((await others.get(path(others, text, "info"))).body)

    assert (made.cover, hit.cover, head.cover, webp.cover) == ("made", "hit", "hit", "made")
    assert hit.body == made.body
    assert webp.headers["Content-Type"] == "image/webp"
    assert (told["has_cover"], told["status"], told["isbn13"]) == (True, "found", None)
    assert schemes.read(told["identifier"]) == schemes.read(text)


async def test_an_address_from_info_works(others: Running) -> None:
    """The addresses that /info gives are good for values with slashes and blanks too."""
    for text in ("doi:10.1000/182", "local:koha:b/1 x"):
        told = orjson.loads((await others.get(path(others, text, "info"))).body)
        url = told["sizes"]["medium"]["formats"]["jpg"]["url"]
        assert (await others.get(url[url.index("/devkey/") :])).cover == "made"


async def test_lists_take_every_scheme(others: Running) -> None:
    """Bulk /info answers by the text that was sent: an ISBN or scheme:value; what is not valid is null."""
    asked = [*IDENTIFIERS, COVERED, "oclc:2", "oclc:0"]
    async with others.client.post(
        f"{others.listeners.url}/devkey/{others.key.name}/info", json={"isbns": asked}
    ) as response:
        have = await response.json()

    assert have == {**dict.fromkeys((*IDENTIFIERS, COVERED), True), "oclc:2": False, "oclc:0": None}


@pytest.mark.parametrize(
    ("end", "default", "strict", "status"),
    [
        ("medium/oclc/2", 200, 404, "missing"),
        ("medium/issn/0378-5954", 200, 400, "invalid"),
        ("medium/nope/1", 404, 404, "path"),
        ("medium/local:/1", 404, 404, "path"),
        ("medium/oclc/1/2", 404, 404, "path"),
        ("medium/oclc/", 404, 404, "path"),
    ],
)
async def test_what_is_not_there_is_answered_as_for_isbns(
    server: Running, end: str, default: int, strict: int, status: str
) -> None:
    """No cover, not valid and no such address have the answers of the design's table in every scheme."""
    for query, expected in (("", default), ("?default=404", strict)):
        got = await server.get(f"/devkey/{server.key.name}/{end}{query}")
        assert (got.status, got.cover) == (expected, status)


async def test_numbers_of_other_schemes_are_one_item(server: Running) -> None:
    """An EAN that is an ISBN and Amazon's ISBN-10 show the book's cover: one file, made once."""
    base = f"/devkey/{server.key.name}/medium"
    made = await server.get(f"{base}/ean/{COVERED}")
    again = await server.get(f"{base}/asin/{COVERED}")

    assert (made.cover, again.cover) == ("made", "hit")
    assert (await server.get(server.path())).body == made.body


async def test_commands_take_every_scheme(others: Running) -> None:
    """`cover`, `warm` and `purge` read scheme:value as they read an ISBN."""
    folder = others.config.data.dir
    await others.get(path(others, "oclc:1144565418"))

    def run(*arguments: str) -> dict[str, Any]:
        result = CliRunner().invoke(main, [*arguments, "--json", "--data", folder])
        assert result.exit_code == 0, result.output
        return dict(orjson.loads(result.stdout))

    told = await asyncio.to_thread(run, "cover", "oclc:(OCoLC)1144565418")
    (book,) = told["books"]
    assert (book["identifier"], len(book["originals"]), len(book["derivatives"])) == ("oclc:1144565418", 1, 1)
    assert (await asyncio.to_thread(run, "purge", "oclc:1144565418"))["removed"] == {"oclc:1144565418": 1}
    assert (await others.get(path(others, "oclc:1144565418"))).cover == "made"


async def test_the_home_page_picks_as_the_service_does(server: Running) -> None:
    """A 9-digit SBN leads page and image to one book; one without a cover is missing in both."""
    sbn = isbn.to_isbn10(COVERED)[1:]
    page = (await server.get(f"/?isbn={sbn}", Accept="text/html")).body.decode()
    picture, named = await server.get(server.path(sbn)), await server.get(server.path(COVERED))
    assert f"medium/isbn/{COVERED}" in page
    assert (picture.cover, picture.headers["ETag"]) == ("made", named.headers["ETag"])

    page = (await server.get(f"/?isbn={UNCOVERED}", Accept="text/html")).body.decode()
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    assert f"medium/isbn/{UNCOVERED}" not in page


def test_a_list_has_a_column_for_each_scheme(tmp_path: Path) -> None:
    """A row's cover is entered under its valid ISBN, else under the first other identifier that is valid."""
    (tmp_path / "list.csv").write_text(
        "title,ISSN,isbn,oclc,file\n"
        "both,0378-5955,9780545010221,1,a.jpg\n"
        "journal,0378-5955,,,b.jpg\n"
        "wrong,0378-5954,9780545010222,(OCoLC)12345,c.jpg\n"
        "nothing,,,,d.jpg\n"
        "invalid,0378-5954,,,e.jpg\n"
    )
    rows = list(listed(tmp_path / "list.csv", Sender()))

    found = {row.isbn: type(row) for row in rows if isinstance(row, Candidate | Refusal)}
    assert len(found) == sum(isinstance(row, Candidate | Refusal) for row in rows) == 5
    assert found == {
        "9780545010221": Candidate, "issn:0378-5955": Candidate, "oclc:(OCoLC)12345": Candidate, "": Refusal,
        "issn:0378-5954": Candidate,
    }  # fmt: skip


async def run(server: Running, *arguments: str) -> Result:
    """What a command says over the server's data folder, beside the running service."""
    line = [*arguments, "--data", server.config.data.dir]
    return await asyncio.to_thread(CliRunner().invoke, main, line)


async def test_lists_of_commands_take_every_scheme(others: Running, tmp_path: Path) -> None:
    """What is warmed and downloaded is named by ISBN, by scheme:value, or by the columns of a table."""
    table, lines, folder = tmp_path / "list.csv", tmp_path / "list.txt", tmp_path / "got"
    table.write_text(f"Title,OCLC,ISBN,local:koha\na,1,,\nb,,{COVERED},\nc,,,4711\n")
    lines.write_text("oclc:1\nlocal:koha:b/1 x\n")
    command = ["warm", str(table), "--size", "small", "--json", "--data", others.config.data.dir]
    warmed = orjson.loads(CliRunner().invoke(main, command).output)  # it takes signals, so: this thread
    assert (warmed["lines"], warmed["made"], warmed["missing"], warmed["invalid"]) == (3, 3, 0, 0)
    server = ("--server", others.listeners.url, "--key", others.key.name, "-o", str(folder), "--json")
    command = ["fetch", str(lines), *server, "--size", "small"]
    fetched = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert (fetched.exit_code, orjson.loads(fetched.output)["fetched"]) == (0, 2), fetched.output
    names = {each.name for each in folder.glob("*.jpg")}
    assert names == {"oclc=1.jpg", "local-koha=b=2f1=20x.jpg"}


async def test_decisions_take_every_scheme(others: Running) -> None:
    """Originals are listed, hidden and restored, and sources are tested, by scheme:value."""
    shown = orjson.loads((await run(others, "originals", "list", "oclc:1", "--json")).output)
    (digest,) = [each["digest"] for each in shown["originals"]]
    assert (shown["identifier"], shown["isbn13"]) == ("oclc:1", None)
    assert (await run(others, "originals", "hide", "oclc:1", digest)).exit_code == 0
    assert (await others.get(path(others, "oclc:1"))).cover == "missing"
    assert (await run(others, "originals", "restore", "oclc:1", digest)).exit_code == 0
    assert (await others.get(path(others, "oclc:1"))).cover == "made"
    asked = await run(others, "source", "test", "oclc:1", "--json")
    assert orjson.loads(asked.output) == {"identifier": "oclc:1", "isbn13": None, "answers": []}


async def test_pages_take_every_scheme(others: Running) -> None:
    """The home page's form shows a cover by any identifier, and what a key lacks is told by any name."""
    page = await others.get("/?isbn=oclc:1", Accept="text/html")
    tried = await others.get("/try/medium/oclc/1", Sec_Fetch_Site="same-origin")
    assert b'src="/try/large/oclc/1?v=' in page.body
    assert (tried.status, tried.cover) == (200, "made")
    for name, place in (("local:koha:4711", "local:koha/4711"), ("local:koha:b/1 x", "local:koha/b%2F1%20x")):
        page = await others.get(f"/?isbn={quote(name)}", Accept="text/html")
        assert f'href="/report/{place}"'.encode() in page.body
        for address in (f"/report/{place}", f"/item/{place}", f"/upload/{place}"):
            assert (await others.get(address, Accept="text/html")).status == 200, address
    assert (await others.get(path(others, "oclc:2"))).cover == "missing"
    await others.app[DESK].ledger.write()
    missing = await others.get(f"/devkey/{others.key.name}/usage/missing.csv")
    assert b"oclc:2," in missing.body
