"""More of what real clients send: for items without ISBN, by number, from fixed hosts, and when it fails."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from conftest import COVERED, UNCOVERED, Got, Running, Start, take_in
from fronting import before
from images import small_jpeg
from lxml import etree
from replay import BOOK, PERL, Fill, K, Row, has, is_ok, longer_than, more_than_a_pixel, opens, played, sides

from coverproxy.domain.api_key import Key
from coverproxy.domain.formats import PLACEHOLDER

LIST = """olid,oclc,issn,ean,local:koha,file
OL23919A,,,,,a.jpg
OL45883W,,,,,b.jpg
,ocm00012345,,,,c.jpg
,,0378-5955,,,d.jpg
,,,036000291452,,e.jpg
,,,,1729,f.jpg
"""
MANY = ",".join(f"{number:013}" for number in range(9780000000000, 9780000000500))
"""The numbers of a set of five hundred volumes."""

ITEMS = [
    Row("Inventaire, an author", K + "/a/olid/OL23919A.jpg?default=false", is_ok, "HEAD"),
    Row("Inventaire, a work", K + "/b/olid/OL45883W.jpg?default=false", is_ok, "HEAD"),
    Row("a work by its key", K + "/w/OLID/OL45883W-M.jpg", more_than_a_pixel),
    Row("Coce's orb, a disc", K + "/v1/products?eans=0036000291452&sort=ean_asc",
        has("data", 0, "images", "front", "thumbnail", "src")),
    Row("Coce, a journal", K + "/cover?id=0378-5955&provider=orb", has("0378-5955")),
    Row("Aspen Syndetics, a disc whose zero is gone",
        "/index.aspx?type=xw12&pagename=MC.GIF&client={k}&upc=36000291452"),
    Row("Evergreen ChiliFresh, a set of volumes",
        K + "/?isbn=" + MANY + ",0378-5955,(OCOLC)000000000012345&size=M", headers=PERL),
    Row("Aspen Content Cafe, a journal",
        "/ContentCafe/Jacket.aspx?UserID={k}&Password=P&Return=1&Type=S&erroroverride=1&Value=03785955"),
    Row("VuFind Koha, a thumbnail", K + "/cgi-bin/koha/opac-image.pl?thumbnail=1&biblionumber=1729"),
    Row("VuFind Koha, large", K + "/cgi-bin/koha/opac-image.pl?biblionumber=1729"),
    Row("SearchWorks, an OCLC number", K + "/books?jscmd=viewapi&bibkeys=OCLC12345,LCCNsa64009056"
        "&callback=jsonp_1_2", has("OCLC12345", "thumbnail_url")),
]  # fmt: skip
"""Rows whose items LIST brings; of `none` below there is nothing."""

NUMBERS = {
    "OL23919A": "OL1A", "OL45883W": "OL1W", "0036000291452": "4006381333931", "36000291452": "4006381333931",
    "0378-5955": "2434-561X", "03785955": "2434561X", "000012345": "000000777", "OCLC12345": "OCLC777",
    "1729": "1730",
}  # fmt: skip


@pytest.fixture
async def library(server: Running, tmp_path: Path) -> Running:
    """A server with the items of LIST."""
    for at, name in enumerate("abcdef"):
        (tmp_path / f"{name}.jpg").write_bytes(small_jpeg(200 + at, 300))
    (tmp_path / "list.csv").write_text(LIST)
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    return server


def without(row: Row) -> Row:
    """The same request for an item that nobody has."""
    found = re.compile("|".join(map(re.escape, NUMBERS)))

    def other(text: str) -> str:
        return found.sub(lambda each: NUMBERS[each[0]], text)

    return replace(row, path=other(row.path))


async def test_items_without_isbn_are_found_as_their_clients_ask(library: Running, tmp_path: Path) -> None:
    """Authors, works, discs, journals, OCLC numbers, through the app and through nginx; others are not."""
    async with before(library, tmp_path / "nginx") as front:
        for base in (library.listeners.url, front):
            for row in ITEMS:
                found, is_cover = await played(library, row, base, BOOK)
                none, is_none_cover = await played(library, without(row), base, BOOK)
                assert is_cover, (row.client, base, found)
                assert not is_none_cover, (row.client, base, none)
                assert none.status in (200, 404), row.client


ONIX = {"o": "http://ns.editeur.org/onix/3.0/reference"}
LINK = ".//o:SupportingResource[o:ResourceContentType='01']/o:ResourceVersion/o:ResourceLink"


def link_in(body: bytes) -> str:
    """The text of the element that VuFind's Bokinfo looks for, whatever the status."""
    return str(etree.fromstring(body).findtext(LINK, "", ONIX))


def has_link(got: Got, _: Fill) -> bool:
    """VuFind goes on with the address in ONIX."""
    return link_in(got.body).startswith("http")


BOOKS = [
    Row("BookWyrm's search by ISBN", K + "/api/books?jscmd=data&format=json&bibkeys=ISBN:{i}",
        has("ISBN:{i}", "cover", "medium")),
    Row("Open Library's JSON by its ending", K + "/api/books.json?bibkeys={i}&jscmd=viewapi",
        has("{i}", "thumbnail_url")),
    Row("the same as a script", K + "/api/books.json?bibkeys={i}&callback=cb", has("{i}", "thumbnail_url")),
    Row("Read API, with its ending", K + "/api/volumes/brief/json/isbn:{i}.json",
        has("isbn:{i}", "records", "/books/isbn:{i}", "data", "cover", "small")),
    Row("VuFind Bokinfo", K + "/book/get/{i}", has_link),
    Row("calibre's Google", K + "/books?id={i}&printsec=frontcover&img=1&zoom=0",
        lambda got, _: min(sides(got)) >= 50),
    Row("calibre-web's Google", K + "/books/content?id={i}&printsec=frontcover&img=1&zoom=1&source=gbs_api"
        "&fife=w800-h900", longer_than(999)),
    Row("orangelight's snippets", K + "/books?callback=addGoogleBooksSnippetsToDom&jscmd=viewapi"
        "&bibkeys=://books.google.com/books?callback=?&jscmd=viewapi&bibkeys={t},1",
        has("{t}", "preview_url")),
    Row("VuFind LibraryThing, an ISBN in capitals", K + "/LARGE/ISBN/{t}"),
    Row("a tagger, by number", K + "/w/id/{i}-L.jpg", opens),
]  # fmt: skip


async def test_books_are_found_as_more_clients_ask(server: Running, tmp_path: Path) -> None:
    """The same of books, by addresses of the services' newer and older pages."""
    async with before(server, tmp_path / "nginx") as front:
        for base in (server.listeners.url, front):
            for row in BOOKS:
                found, is_cover = await played(server, row, base, BOOK)
                none, is_none_cover = await played(server, row, base, UNCOVERED)
                assert is_cover, (row.client, base, found)
                assert not is_none_cover, (row.client, base, none)


async def by(server: Running, path: str, **headers: str) -> Got:
    """Ask as a program does: without a browser's headers."""
    url, sent = server.listeners.url + path, {name.replace("_", "-"): text for name, text in headers.items()}
    async with server.client.get(url, headers=sent) as response:
        return Got(response.status, response.headers, await response.read())


async def test_bookwyrm_lists_what_it_finds(server: Running, tmp_path: Path) -> None:
    """Its search lists title and authors: what the senders said, or nothing. So do the other answers
    and openBD's."""
    row = replace(BOOKS[0], headers={"Accept": "application/json, application/activity+json"})
    (bare,) = orjson.loads((await played(server, row, server.listeners.url, BOOK))[0].body).values()
    (tmp_path / "a.jpg").write_bytes(small_jpeg(400, 600))
    (tmp_path / "list.csv").write_text(f'isbn,title,author,file\n{BOOK},Emma,"Austen, Jane",a.jpg\n')
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    (book,) = orjson.loads((await played(server, row, server.listeners.url, BOOK))[0].body).values()

    assert (bare["key"], bare["title"], "authors" in bare) == (f"/books/isbn:{BOOK}", "", False)
    names = [author["name"] for author in book["authors"]]
    assert (book["title"], names) == ("Emma", ["Austen, Jane"])
    key = f"/devkey/{server.key.name}"
    details = await by(server, f"{key}/api/books?bibkeys={BOOK}&jscmd=details&format=json")
    assert orjson.loads(details.body)[BOOK]["details"]["title"] == "Emma"
    (record,) = orjson.loads((await by(server, f"{key}/api/volumes/brief/isbn/{BOOK}.json")).body)[
        "records"
    ].values()
    assert record["data"]["title"] == "Emma"
    (summary,) = [
        each["summary"] for each in orjson.loads((await by(server, f"{key}/v1/get?isbn={BOOK}")).body)
    ]
    assert (summary["title"], summary["author"]) == ("Emma", "Austen, Jane")


PAGES = ("Sec-Fetch-Dest", "image")


async def test_a_number_that_cannot_be_shown_now_is_an_error_for_programs(start: Start) -> None:
    """BookWyrm and audiobookshelf keep the pixel as the cover for ever: with the quota used up, and too fast,
    they get a status and nothing else. A page gets the pixel, and so does Evergreen, which counts errors and
    asks for the addresses that the Read API gave it."""
    server = await start(automated={"covers_per_second": 0.001, "burst": 1})
    key = server.key.name
    read = await by(server, f"/devkey/{key}/api/volumes/brief/json/isbn:{COVERED}")
    (record,) = orjson.loads(read.body)[f"isbn:{COVERED}"]["records"].values()
    poor = await server.new_key(daily_limit=0)
    assert (await by(server, server.path(size="w160"))).cover == "made"

    for name, word, status in ((key, "throttled", 429), (poor.name, "quota", 429)):
        got = await by(server, f"/devkey/{name}/b/id/{COVERED}-L.jpg")
        assert (got.status, got.cover, got.body) == (status, word, b"")
        assert got.headers["Cache-Control"] == "no-store"
        assert int(got.headers["Retry-After"]) > 0
        for address in record["data"]["cover"].values():
            path = address.removeprefix(server.listeners.url).replace(key, name)
            got = await by(server, path, **{name.replace("-", "_"): text for name, text in PERL.items()})
            assert (got.status, got.cover, got.body) == (200, word, PLACEHOLDER), address
    got = await by(server, f"/devkey/{poor.name}/b/id/{COVERED}-L.jpg", **dict([PAGES]))
    assert (got.status, got.body) == (200, PLACEHOLDER)


async def test_nginx_has_no_pixel_for_a_number_either(tmp_path: Path, start: Start) -> None:
    """While the app is down, a program that keeps what opens gets 503; a cover by its ISBN is the pixel."""
    server = await start()
    async with before(server, tmp_path / "nginx", apps=["127.0.0.1:1"]) as front:
        for rest, status in ((f"b/id/{UNCOVERED}-L.jpg", 503), (f"b/isbn/{UNCOVERED}-L.jpg", 200)):
            async with server.client.get(f"{front}/devkey/{server.key.name}/{rest}") as got:
                assert (got.status, got.headers["X-Cover-Status"]) == (status, "unavailable"), rest
                assert (await got.read() == PLACEHOLDER) == (status == 200)


VENDORS = (
    f"/index.aspx?client=ourlibrary&isbn={COVERED}/MC.GIF",
    f"/index.aspx?client=ourlibrary&isbn={COVERED}/index.xml",
    f"/ContentCafe/Jacket.aspx?UserID=LL17984&Password=P&Type=M&Value={COVERED}",
    f"/poca/content_img?apikey=1234&ean={COVERED}", f"/{COVERED}/m?access_token=1234",
    f"/2.0.0/image/isbn/AB1CD2EF3/{COVERED}/medium",
)  # fmt: skip


async def test_a_host_that_pays_takes_the_vendors_own_names(start: Start) -> None:
    """Where a vendor's host leads here, the catalogue still sends the name that the vendor gave it: the host
    pays. A key of ours that is revoked stays so, and elsewhere nothing opens."""
    paying = "payingkeypayingkey"
    server = await start(shapes={"hosts": {"syndetics.com": paying}})
    await server.service.accounts.save(Key(paying, "pays", 50))
    revoked = await server.new_key(revoked_at=1)
    for path in VENDORS:
        got = await by(server, path, Host="syndetics.com")
        assert got.status == 200, path
        assert got.body.startswith((b"\xff\xd8", b"<?xml")), path
        assert paying not in str(got.headers) + str(got.body), path
        assert (await by(server, path)).status == 403, path
    post = {"Host": "syndetics.com", "Content-Type": "text/xml"}
    xml = (
        '<ContentCafe xmlns="http://ContentCafe2.btol.com"><RequestItems UserID="LL17984" Password="P">'
        f'<RequestItem><Key>{COVERED}</Key><Content Type="M" Encoding="HEX">JacketDetail</Content>'
        "</RequestItem></RequestItems></ContentCafe>"
    )
    url = f"{server.listeners.url}/ContentCafe/ContentCafe.asmx/XmlPost"
    async with server.client.post(url, data=xml, headers=post) as answer:
        assert b"<Jacket>FFD8" in await answer.read()
    closed = await by(server, VENDORS[0].replace("ourlibrary", revoked.name), Host="syndetics.com")
    assert (closed.status, closed.cover) == (403, "key")
    assert server.service.accounts.made_today(Key(paying, "pays", 50)) == 1


async def test_koha_reads_every_answer_of_the_index(server: Running, tmp_path: Path) -> None:
    """Koha asks for INDEX.XML and looks for elements in the root, whatever the status: text alone is none to
    its reader, and the page of the record fails. So also while the app is down."""

    def is_read(body: bytes) -> bool:
        root = etree.fromstring(body)
        return len(root) > 0 or not (root.text or "").strip()

    key = server.key.name
    for isbn, client in ((COVERED, key), (UNCOVERED, key), (COVERED, "nosuchkeynosuchkey")):
        got = await by(server, f"/index.aspx?isbn={isbn}/INDEX.XML&client={client}&type=xw10&upc=&oclc=")
        assert got.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert is_read(got.body), got
    long = await by(server, f"/index.aspx?isbn={'9' * 5000}/INDEX.XML&client={key}")
    assert (long.status, is_read(long.body)) == (414, True)
    async with (
        before(server, tmp_path / "nginx", apps=["127.0.0.1:1"]) as front,
        server.client.get(f"{front}/index.aspx?isbn=1/INDEX.XML&client={key}") as down,
    ):
        assert (down.status, is_read(await down.read())) == (503, True)


async def test_json_names_the_scheme_that_a_front_before_nginx_has(start: Start, tmp_path: Path) -> None:
    """Where another proxy takes TLS off and is trusted, addresses are https, as browsers block others in such
    pages; from anybody else it counts nothing."""
    server = await start()
    for trusted, scheme in (["127.0.0.1"], "https"), (["10.0.0.1"], "http"):
        async with before(server, tmp_path / scheme, trusted=trusted) as front:
            path = f"/devkey/{server.key.name}/cover?id={COVERED}"
            sent = {"X-Forwarded-Proto": "https", "Host": "covers.example.org"}
            async with server.client.get(front + path, headers=sent) as got:
                url = orjson.loads(await got.read())[COVERED]
            assert url.startswith(f"{scheme}://covers.example.org/"), trusted


LISTS = (
    ("/cover?id={}", b"{}"), ("/api/books?bibkeys={}&format=json&jscmd=data", b"{}"),
    ("/api/volumes/brief/json/isbn:{}", b"{}"), ("/v1/get?isbn={}", b"[null]"),
    ("/v1/products?eans={}", b'{"data":[]}'), ("/covers/?format=seealso&id={}", b'["",[],[],[]]'),
)  # fmt: skip


async def test_what_may_not_be_made_any_more_is_left_out(server: Running) -> None:
    """With the quota used up a list names covers that are made, and no others: Koha and Aspen would show the
    pixel. Nobody keeps such an answer; and descriptions, which are no addresses of pictures, stay."""
    poor = await server.new_key(daily_limit=0)
    at = f"/devkey/{poor.name}"
    for path, none in LISTS:
        got = await by(server, at + path.format(COVERED))
        assert (got.status, got.body, got.headers["Cache-Control"]) == (200, none, "no-store"), path
    index = await by(server, f"{at}/index.aspx?isbn={COVERED}/index.xml")
    assert (len(etree.fromstring(index.body)), index.headers["Cache-Control"]) == (0, "no-store")
    assert (await by(server, f"{at}/iiif/3/{COVERED}/info.json")).status == 200

    for size in ("medium", "large"):
        await server.get(server.path(size=size))
    for path, none in LISTS:
        got = await by(server, at + path.format(COVERED))
        assert (got.status, got.body == none) == (200, False), path
        assert got.headers["Cache-Control"].startswith("public"), path
    assert server.service.accounts.made_today(poor) == 0


async def plain(url: str, target: str) -> bytes:
    """What comes for a request of HTTP/1.0 that names no host."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


async def test_a_client_of_http_1_0_names_no_host(server: Running, tmp_path: Path) -> None:
    """Old scripts need not: what nginx passes on is answered all the same, also where that is no cover, and
    addresses in JSON are those of the socket."""
    key = f"/devkey/{server.key.name}"
    async with before(server, tmp_path / "nginx") as front:
        for base in (server.listeners.url, front):
            for target in (f"{key}/images/P/{UNCOVERED}.01.MZZZZZZZ.jpg", f"{key}/medium/isbn/{UNCOVERED}"):
                answer = await plain(base, target)
                assert answer[8:13] == b" 200 ", (base, answer)
                assert answer.endswith(PLACEHOLDER), (base, answer)
            listed = await plain(base, f"{key}/cover?id={COVERED}")
            assert b'{"%s":"http://127.0.0.1' % COVERED.encode() in listed, (base, listed)
        assert front.encode() in await plain(front, f"{key}/cover?id={COVERED}")


async def test_bokinfo_has_its_key_in_a_header(server: Running) -> None:
    """Its own field for the key; the address that it tells is a cover's, and an error is XML."""
    header = {"Ocp_Apim_Subscription_Key": server.key.name}
    got = await by(server, f"/book/get/{BOOK}", **header)
    cover = await by(server, link_in(got.body).removeprefix(server.listeners.url))

    assert got.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert cover.body.startswith(b"\xff\xd8")
    for path, status, sent in (
        (f"/book/get/{BOOK}", 403, {}), (f"/book/get/{UNCOVERED}", 404, header), ("/book/get/x", 404, header),
        ("/book/get/" + "9" * 3000, 414, header),
    ):  # fmt: skip
        refused = await by(server, path, **sent)
        assert refused.status == status, path
        assert etree.fromstring(refused.body).tag == "ERRORS", path
