"""What real clients send, replayed: each asks as its own code does, and decides by its own rule."""

import asyncio
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import orjson
import pytest
from conftest import UNCOVERED, Running, take_in
from fronting import before
from images import small_jpeg
from PIL import Image
from replay import (
    BOOK,
    PERL,
    K,
    Row,
    has,
    has_address,
    has_page,
    has_record,
    has_total,
    is_jpeg_by_name,
    is_ok,
    is_picture_for_axios,
    longer_than,
    no_magic,
    opens,
    played,
    sides,
)

OWN = K + "/{0}/isbn/{i}"
OL = K + "/b/isbn/{i}-{0}.jpg?default=false"
AMAZON = K + "/images/P/{t}.01.{0}.jpg"
SYNDETICS = "/index.aspx?isbn={i}/mc.gif&upc=&issn=0378-4371&client={k}"


def of(template: str, word: str) -> str:
    return template.replace("{0}", word)


ROWS = [
    *(Row(f"VuFind LibraryThing {size}", of(OWN, size), is_front=True)
      for size in ("small", "medium", "large")),
    Row("VuFind 0.8, raw ISBN", of(OWN, "medium").replace("{i}", "{t}%20%28pbk.%29"), no_magic),
    *(Row(f"VuFind OpenLibrary {letter}", of(OL, letter), is_ok, is_front=True) for letter in "SML"),
    Row("VuFind ContentCafe", "/ContentCafe/Jacket.aspx?UserID={k}&Password=P&Return=1&Type=M&Value={i}"
        "&erroroverride=1"),
    Row("VuFind Google", K + "/books?jscmd=viewapi&bibkeys=ISBN:{i}&callback=addTheCover",
        has("ISBN:{i}", "thumbnail_url")),
    Row("VuFind Syndetics index", "/index.aspx?client={k}&isbn={i}&issn=03784371&oclc=1/index.xml", has_page),
    Row("VuFind Syndetics", "/index.aspx?client={k}&isbn={i}&issn=03784371&oclc=1&upc=/MC.GIF"),
    Row("VuFind Booksite", "/poca/content_img?apikey={k}&ean={i}"),
    Row("VuFind Buchhandel", "/{i}/m?access_token={k}"),
    Row("VuFind Summon", "/2.0.0/image/isbn/{k}/{i}_{t}/medium"),
    Row("Koha Coce", K + "/cover?id={i},{t}&provider=ol&callback=jQuery1&_=1", has("{t}")),
    Row("Koha Open Library", K + "/api/books?bibkeys=ISBN%3A{t}%2CISBN%3A{i}"
        "&callback=KOHA.OpenLibrary.olCallBack&jscmd=data", has("ISBN:{t}", "cover", "medium")),
    Row("Koha Read API", K + "/api/volumes/brief/json/id:1;isbn:{t}%7Cid:2;oclc:1?callback=cb",
        has("1", "records", "/books/isbn:{i}", "data", "cover", "large")),
    Row("Koha Read API, a page of 60 books", K + "/api/volumes/brief/json/"
        + "%7C".join(f"id:{number};isbn:{{t}};oclc:{number};lccn:n7889{number:04d}" for number in range(60)),
        has("59", "records", "/books/isbn:{i}", "data", "cover", "large")),
    Row("Koha Google", K + "/books?bibkeys={t}&jscmd=viewapi&callback=KOHA.Google.gbsCallBack",
        has("{t}", "thumbnail_url")),
    *(Row(f"Koha Amazon {word}", of(AMAZON, word), is_front=True)
      for word in ("TZZZZZZZ", "MZZZZZZZ", "LZZZZZZZ")),
    Row("Koha custom", of(OWN, "medium").replace("{i}", "{i}%20%7C%20{t}") + "?default=404",
        lambda got, _: got.status == 200 and sides(got)[1] != 0),
    Row("Koha Syndetics", "/index.aspx?isbn={t}/MC.GIF&client={k}&type=xw10&upc=&oclc="),
    *(Row(f"Evergreen Amazon {page}", of(AMAZON, page), headers=PERL, is_front=True)
      for page in ("_SCMZZZZZZZ_", "_SCZZZZZZZ_")),
    Row("Evergreen ChiliFresh", K + "/?isbn={i},{t},(OCOLC)000000012345678&size=M", no_magic, headers=PERL),
    Row("Evergreen OpenLibrary", K + "/api/volumes/brief/json/isbn:{i}", has_record, headers=PERL),
    Row("Evergreen Syndetics", SYNDETICS, headers=PERL),
    Row("Aspen Coce", K + "/cover?id={t}&provider=gb,aws,ol&all", has("{t}", "gb")),
    Row("Aspen Syndetics", "/index.aspx?isbn={t}&pagename=LC.JPG&client={k}"),
    Row("Umlaut, X stripped", K + "/medium/isbn/{n}", longer_than(50), "HEAD"),
    Row("Umlaut OpenLibrary", K + "/b/isbn/{t}-M.jpg?default=false", longer_than(50), "HEAD", is_front=True),
    Row("Rust tagger", of(OWN, "large"), longer_than(999), "HEAD", is_front=True),
    Row("TypeScript, axios", of(OWN, "large"), is_picture_for_axios,
        headers={"Accept": "application/json, text/plain, */*"}, is_front=True),
    Row("Ruby", of(OWN, "medium"), longer_than(900), is_front=True),
    Row("PHP", of(OWN, "large"), longer_than(100), is_front=True),
    Row("JavaScript", of(OWN, "small"), lambda got, _: sides(got)[0] != 1, is_front=True),
    Row("Perl", K + "/medium/isbn/{t}", is_front=True),
    Row("calibre", of(OL, "L"), lambda got, _: got.status == 200 and min(sides(got)) >= 50,
        is_front=True),
    Row("calibre-web", of(OL, "L"), is_jpeg_by_name, is_front=True),
    Row("BookWyrm", K + "/b/id/{i}-L.jpg", opens, headers={"User-Agent": "BookWyrm (BookWyrm/0.7)"},
        is_front=True),
    Row("Inventaire", of(OL, "L"), is_ok, "HEAD", is_front=True),
    Row("NeverTooManyBooks", of(OL, "L"),
        lambda got, _: got.status == 200 and len(got.body) >= 2048 and min(sides(got)) >= 10, is_front=True),
    Row("Readarr", of(OWN, "large"), has_total, headers={"Range": "bytes=0-0"}, is_front=True),
    Row("orangelight", K + "/books?callback=addBookCoversToDom&jscmd=viewapi"
        "&bibkeys=isbn:{n},oclc:1299297250", has("isbn:{n}", "thumbnail_url")),
    Row("SearchWorks", K + "/books?jscmd=viewapi&callback=jsonp_1_2&bibkeys=OCLC123,LCCNsa64009056,ISBN{i}",
        has("ISBN{i}", "thumbnail_url")),
    Row("GBV", K + "/covers/?id={h}&format=img", lambda got, _: sides(got)[1] > 1),
    Row("biblioteq Amazon", of(AMAZON, "_SCMZZZZZZZ_"), is_front=True),
    Row("biblioteq OpenLibrary", K + "/b/isbn/{t}-L.jpg", is_front=True),
    Row("Coce's aws", of(AMAZON, "MZZZZZZZZZ"), is_front=True),
    Row("Coce's gb", K + "/books?bibkeys={t},{i}&jscmd=viewapi&amp;hl=en", has("{i}", "thumbnail_url")),
    Row("Coce's ol", K + "/api/books?bibkeys={i}&jscmd=data", has("{i}", "cover", "medium")),
    Row("Koha Coce, a host that ends in a slash", K + "//cover?id={t}&provider=ol&callback=cb", has("{t}")),
    Row("BookWyrm, an address that ends in a slash", K + "//b/id/{i}-L.jpg", opens),
    Row("VuFind ContentCafe, an address that ends in a slash", "//ContentCafe/Jacket.aspx?UserID={k}"
        "&Password=P&Return=1&Type=M&Value={i}&erroroverride=1"),
    Row("VuFind Booksite, an address that ends in a slash", "//poca/content_img?apikey={k}&ean={i}"),
    Row("VuFind Buchhandel, an address that ends in two", K + "//{i}/m?access_token={k}"),
    Row("SearchWorks, an address that ends in a slash", K + "/books/?jscmd=viewapi&bibkeys=ISBN{i}"
        "&callback=jsonp_1_2", has("ISBN{i}", "thumbnail_url")),
    Row("Koha Baker & Taylor", "/ContentCafe/Jacket.aspx?UserID={k}&Password=P&Options=Y&Return=T&Type=S"
        "&Value={t}"),
    Row("Koha Read API, as its script asks", K + "/api/volumes/brief/json/id:0;isbn:{t}"
        "?show_all_items=true&callback=jQuery36_1&_=17",
        has("0", "records", "/books/isbn:{i}", "data", "url")),
    Row("VuFind ORB", K + "/v1/products?eans={i}&sort=ean_asc",
        has("data", 0, "images", "front", "thumbnail", "src")),
    Row("Aspen Content Cafe", "/ContentCafe/Jacket.aspx?UserID={k}&Password=P&Return=1&Type=L&erroroverride=1"
        "&Value={t}"),
    Row("Finna", K + "/getImage.php?query={i}&return_error=true", is_ok),
    Row("openBD", K + "/{i}.jpg", is_ok, is_front=True),
    Row("openBD list", K + "/v1/get?isbn={i}", has_address),
    Row("bookcover-api", K + "/bookcover?isbn={i}", has_address),
    Row("ORB", K + "/v1/products?eans={i}&sort=ean_asc",
        has("data", 0, "images", "front", "original", "src")),
]  # fmt: skip


async def test_each_client_finds_the_cover_and_sees_that_there_is_none(server: Running) -> None:
    """Asked as its own code asks, each client decides rightly; nothing leads elsewhere or fails."""
    for row in ROWS:
        (found, is_cover), (none, is_none_cover) = [
            await played(server, row, server.listeners.url, book) for book in (BOOK, UNCOVERED)
        ]
        assert is_cover, (row.client, found)
        assert not is_none_cover, (row.client, none)
        for got in (found, none):
            assert not 300 <= got.status < 400, row.client
            assert got.status < 500, row.client
            assert got.headers["Access-Control-Allow-Origin"] == "*", row.client


async def test_head_tells_each_client_what_get_does(server: Running) -> None:
    """Umlaut, Inventaire and others decide by HEAD: of any shape it has the status and headers of GET."""
    changing = ("Date", "RateLimit", "X-RateLimit-Remaining", "X-Cover-Status")
    for row in ROWS:
        for book in (BOOK, UNCOVERED):
            (get, _), (head, _) = [
                await played(server, replace(row, method=method, is_cover=is_ok), server.listeners.url, book)
                for method in ("GET", "HEAD")
            ]
            told = [{name: text for name, text in each.headers.items() if name not in changing}
                    for each in (get, head)]  # fmt: skip
            assert (head.status, told[1], head.body) == (get.status, told[0], b""), row.client


async def test_each_client_is_served_through_nginx(server: Running, tmp_path: Path) -> None:
    """The same behind nginx, which answers hits of pictures by itself, without the app's headers."""
    for row in ROWS:
        await played(server, row, server.listeners.url, BOOK)
    async with before(server, tmp_path / "nginx") as front:
        for row in ROWS:
            found, is_cover = await played(server, row, front, BOOK)
            none, is_none_cover = await played(server, row, front, UNCOVERED)
            assert is_cover, (row.client, found)
            assert not is_none_cover, (row.client, none)
            assert none.status < 500, row.client
            why = (row.client, dict(found.headers), (tmp_path / "nginx" / "error.log").read_text()[-2000:])
            assert not (row.is_front and "RateLimit" in found.headers), why


async def test_vufind_keeps_the_picture_as_it_is(server: Running) -> None:
    """VuFind stores bytes that getimagesize() calls a JPEG, with no expiry, and reads no headers: the picture
    is one, and a later request, for a reader whose copy is gone, brings the same bytes."""
    address = server.path(size="medium")
    first, second = [await server.get(address, User_Agent="VuFind", Accept="*/*") for _ in range(2)]

    assert Image.open(BytesIO(first.body)).format == "JPEG"
    assert (first.status, first.body) == (second.status, second.body)


async def test_fastimage_leaves_after_the_head(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Ruby's FastImage closes the socket as soon as it has read the sides: nothing is logged, and the next
    client is answered."""
    path = server.path(size="large")
    whole = await server.get(path)
    caplog.clear()
    for _ in range(3):
        reader, writer = await asyncio.open_connection(*server.listeners.covers.getsockname())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\xff\xd8"), 20)
        writer.transport.abort()
        assert head.startswith(b"HTTP/1.1 200 ")

    assert (await server.get(path)).body == whole.body
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


async def test_audiobookshelf_asks_in_capitals(server: Running, tmp_path: Path) -> None:
    """Its covers come by Open Library's own numbers, /b/OLID/OL…M-L.jpg, and by the number of a picture."""
    (tmp_path / "a.jpg").write_bytes(small_jpeg(200, 300))
    (tmp_path / "list.csv").write_text(f"olid,file\nOL7353617M,{tmp_path}/a.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    start = f"/devkey/{server.key.name}/b"
    number = orjson.loads((await server.get(f"{start}/olid/OL7353617M.json")).body)["id"]
    for rest in ("OLID/OL7353617M-L.jpg", "olid/ol7353617m-L.jpg", f"id/{number}-L.jpg"):
        got = await server.get(f"{start}/{rest}")
        assert sides(got) == (200, 300), rest
    assert sides(await server.get(f"{start}/OLID/OL1M-L.jpg")) == (1, 1)
