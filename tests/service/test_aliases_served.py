"""Linked identifiers, from the command to the web server in front: one item, one cover, one count."""

import asyncio
from pathlib import Path

import aiohttp
import orjson
import pytest
from click.testing import CliRunner, Result
from conftest import BROWSER, COVERED, UNCOVERED, Running, Start
from fronting import before
from images import cover, jpeg
from upstream import Upstream, gives, picture

from coverproxy.cli import main
from coverproxy.domain import schemes
from coverproxy.domain.decisions import Decision
from coverproxy.domain.spec import Identifier

OCLC, OWN = "oclc:52517734", "local:koha:4711"


async def command(server: Running, *arguments: str) -> Result:
    """What a command says over the server's data folder, beside the running service."""
    name, *rest = arguments
    line = [name, *rest, "--data", server.config.data.dir]
    return await asyncio.to_thread(CliRunner().invoke, main, line)


def path(server: Running, text: str, size: str = "medium") -> str:
    one = schemes.read(text).identifiers[0]
    return f"/devkey/{server.key.name}/{size}/{one.scheme}/{one.value}"


async def test_a_link_shows_one_cover_and_counts_once(server: Running, tmp_path: Path) -> None:
    """Each name answers with the item's own derivative, the quota counts it once, nginx serves all."""
    assert (await server.get(path(server, OCLC))).cover == "missing"
    added = await command(server, "alias", "add", OCLC, OWN, COVERED)
    assert added.output == f"isbn:{COVERED}: {OCLC}, {OWN}\n"
    made, again = await server.get(path(server, OCLC)), await server.get(path(server, OCLC))
    own, isbn = await server.get(path(server, OWN)), await server.get(server.path())

    assert [each.cover for each in (made, again, own, isbn)] == ["made", "hit", "hit", "hit"]
    assert len({(each.body, each.headers["ETag"]) for each in (made, again, own, isbn)}) == 1
    assert server.service.accounts.made_today(server.key) == 1
    async with before(server, tmp_path / "nginx") as front, aiohttp.ClientSession(headers=BROWSER) as client:
        for text in (OCLC, OWN, COVERED):
            async with client.get(front + path(server, text)) as got:
                assert (await got.read(), got.headers["ETag"]) == (made.body, made.headers["ETag"]), text
                assert "RateLimit" not in got.headers, text  # no word of the app


async def test_info_and_lists_know_links(server: Running) -> None:
    """/info says what a name is linked to, and every list and shape finds the cover by any name."""
    await command(server, "alias", "add", OCLC, COVERED)
    told = orjson.loads((await server.get(path(server, OCLC, "info"))).body)
    assert (told["identifier"], told["item"], told["linked"]) == (
        OCLC,
        f"isbn:{COVERED}",
        [f"isbn:{COVERED}"],
    )
    assert (told["has_cover"], told["isbn13"]) == (True, None)
    assert f"/isbn/{COVERED}.jpg" not in told["sizes"]["medium"]["formats"]["jpg"]["url"]
    base = f"/devkey/{server.key.name}"
    have = orjson.loads((await server.get(f"{base}/info?isbn={OCLC},oclc:1")).body)
    assert have == {OCLC: True, "oclc:1": False}
    books = orjson.loads(
        (await server.get(f"{base}/api/books?bibkeys=OCLC:52517734&jscmd=data&format=json")).body
    )
    assert books["OCLC:52517734"]["identifiers"]["isbn_13"] == [COVERED]
    assert (await server.get(f"{base}/b/oclc/ocm52517734-M.jpg?default=false")).status == 200
    (book,) = orjson.loads((await command(server, "cover", "--json", OCLC)).output)["books"]
    assert (book["item"], len(book["originals"])) == (f"isbn:{COVERED}", 1)


async def test_what_changes_by_one_name_changes_by_all(server: Running) -> None:
    """Purged, hidden and restored through a link, an item is so under every name, nginx's files too."""
    await command(server, "alias", "add", OCLC, COVERED)
    await server.get(path(server, OCLC))
    layout = server.folder.cache.layout
    names = {"52517734.jpg", f"{COVERED}.jpg"}
    assert {each.name for each in layout.images.rglob("*.jpg")} >= names
    await command(server, "purge", OCLC)
    assert not {each.name for each in layout.images.rglob("*.jpg")} & names
    assert (await server.get(path(server, OCLC))).cover == "made"

    curator, by = server.service.curator, Decision("anna", 1)
    await asyncio.to_thread(curator.hide, Identifier("oclc", "52517734"), None, by)
    assert {(await server.get(each)).cover for each in (path(server, OCLC), server.path())} == {"missing"}
    await asyncio.to_thread(curator.restore, Identifier("isbn", COVERED), None, by)
    assert {(await server.get(each)).cover for each in (path(server, OCLC), server.path())} == {"made", "hit"}


async def test_a_link_taken_back_gives_back_what_was(server: Running, tmp_path: Path) -> None:
    """A name that is taken out shows what came for it alone, by another date; one without shows nothing."""
    (tmp_path / "own.jpg").write_bytes(jpeg(cover(300, 450)))
    (tmp_path / "list.csv").write_text(f"oclc,issn,file\n52517734,0378-5955,{tmp_path}/own.jpg\n")
    await command(server, "import", str(tmp_path / "list.csv"))
    assert (await command(server, "alias", "list")).output == f"{OCLC} -> issn:03785955\n"
    alone = await server.get(path(server, OCLC))
    await command(server, "alias", "add", OCLC, OWN, COVERED)
    linked = await server.get(path(server, OCLC))
    assert (await server.get(path(server, OWN))).body == linked.body == (await server.get(server.path())).body
    assert linked.body != alone.body
    removed = await command(server, "alias", "remove", OCLC, OWN, "issn:03785955")

    assert removed.exit_code == 0, removed.output
    after = await server.get(path(server, OCLC))
    assert after.body == alone.body
    assert after.headers["ETag"] not in (linked.headers["ETag"], alone.headers["ETag"])
    assert (await server.get(path(server, OWN))).cover == "missing"
    assert (await command(server, "alias", "remove", OCLC)).exit_code == 1


async def test_a_table_links_its_rows(server: Running, tmp_path: Path) -> None:
    """Any columns, in any order; a bad cell costs itself, a row with one identifier is told by its line."""
    (tmp_path / "ids.csv").write_text(
        f"Title,OCLC,ISBN-13,LCCN,local:koha\nPride,(OCoLC)ocm52517734,{COVERED},n 78890351,4711\n"
        f"Bad,0,{UNCOVERED},,9\nAlone,,9780306406157,,\n"
    )
    report = tmp_path / "report.jsonl"
    done = await command(
        server, "alias", "import", str(tmp_path / "ids.csv"), "--report", str(report), "--json"
    )
    listed = await command(server, "alias", "list")
    asked = await command(server, "alias", "list", OWN)

    assert (done.exit_code, orjson.loads(done.output)) == (3, {"linked": 2, "faults": 2})
    assert [orjson.loads(line)["line"] for line in report.read_bytes().splitlines()] == [3, 4]
    assert asked.output == f"isbn:{COVERED}: {OCLC}, lccn:n78890351, {OWN}\n"
    assert f"local:koha:9 -> isbn:{UNCOVERED}\n" in listed.output
    assert (await server.get(path(server, "lccn:n78890351"))).cover == "made"
    (tmp_path / "none.csv").write_text("title,author\na,b\n")
    none = await command(server, "alias", "import", str(tmp_path / "none.csv"))
    assert (none.exit_code, "has no column for identifiers" in none.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("add", "oclc:1"), "two or more"), (("add", "oclc:0", "1"), "not a valid"),
        (("list", "042502740"), "not a valid"), (("remove", "lccn:"), "not a valid"),
    ],
)  # fmt: skip
async def test_what_is_not_an_identifier_is_said(
    server: Running, arguments: tuple[str, ...], says: str
) -> None:
    """A mistake in a command is told in a line that names it, and changes nothing."""
    result = await command(server, "alias", *arguments)

    assert result.exit_code in (1, 2)
    assert says in result.output, result.output


async def test_a_source_is_asked_by_the_names_it_goes_by(start: Start) -> None:
    """A cover asked for by its OCLC number comes from a source that knows ISBNs, and is counted once."""
    async with Upstream(gives(picture())).running() as upstream:
        server = await start(source=[upstream.source()])
        assert (await server.get(path(server, OCLC))).cover == "missing"
        await command(server, "alias", "add", OCLC, UNCOVERED)
        got, isbn = await server.get(path(server, OCLC)), await server.get(server.path(UNCOVERED))

    assert (got.cover, isbn.cover) == ("made", "hit")
    assert [each.path for each in upstream.asked] == [f"/{UNCOVERED}.jpg"]
