"""Shapes that answer with JSON: Open Library's Books and Read API, Google's viewapi, Coce."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from conftest import COVERED, UNCOVERED, Got, Running, Start

from coverproxy.domain import isbn
from coverproxy.domain.formats import PLACEHOLDER

TEN = isbn.to_isbn10(COVERED) or ""
SCRIPT = "application/javascript; charset=utf-8"


async def ask(server: Running, rest: str, key: str | None = None) -> Got:
    return await server.get(f"/devkey/{key or server.key.name}{rest}")


async def told(server: Running, rest: str) -> Any:
    got = await ask(server, rest)
    assert (got.status, got.headers["Content-Type"]) == (200, "application/json"), got.body
    return orjson.loads(got.body)


async def of_script(server: Running, rest: str, before: str, after: str) -> Any:
    """What a script holds between the call, or the assignment, and its end."""
    got = await ask(server, rest)
    assert (got.status, got.headers["Content-Type"]) == (200, SCRIPT)
    text = got.body.decode()
    assert text.startswith(before)
    assert text.endswith(after)
    return orjson.loads(text.removeprefix(before).removesuffix(after))


async def is_cover(server: Running, url: str) -> bool:
    """Whether an answer's address leads to a cover, and names its version, so that it is kept for ever."""
    assert url.startswith(server.listeners.url)
    parts = urlsplit(url)
    got = await server.get(f"{parts.path}?{parts.query}")
    version = got.headers["ETag"].strip('"').partition("-")[0]
    assert parse_qs(parts.query)["v"] == [version]
    assert "immutable" in got.headers["Cache-Control"]
    return got.cover in ("made", "hit")


async def test_books_data_is_what_koha_reads(server: Running) -> None:
    """Bare and prefixed keys are echoed as sent; each cover's address leads to a cover; none is left out."""
    keys = f"ISBN:{TEN},isbn:{COVERED},{COVERED},ISBN{TEN},ISBN:{UNCOVERED},nonsense,ISBN:"
    rest = f"/api/books?bibkeys={keys}&callback=KOHA.OpenLibrary.olCallBack&jscmd=data"
    found = await of_script(server, rest, "/**/KOHA.OpenLibrary.olCallBack(", ");")

    assert list(found) == [f"ISBN:{TEN}", f"isbn:{COVERED}", COVERED, f"ISBN{TEN}"]
    book = found[COVERED]
    assert book["identifiers"]["isbn_13"] == [COVERED]
    paths = [urlsplit(book["cover"][size]).path for size in ("small", "medium", "large")]
    assert [path.rpartition("/b/")[2] for path in paths] == [
        f"id/{COVERED}-S.jpg", f"id/{COVERED}-M.jpg", f"id/{COVERED}-L.jpg",
    ]  # fmt: skip
    for url in book["cover"].values():
        assert await is_cover(server, url)


async def test_books_come_in_three_wrappers(server: Running) -> None:
    """JSON for format=json, a call where a callback is named, else an assignment, which Coce evals."""
    rest = f"/api/books?bibkeys=ISBN:{COVERED}"
    view = (await told(server, f"{rest}&format=json"))[f"ISBN:{COVERED}"]

    assert view["bib_key"] == f"ISBN:{COVERED}"
    assert view["preview"] == "noview"
    assert re.search(rf"/b/id/{COVERED}-S\.jpg\?v=[0-9a-f]+$", view["thumbnail_url"])
    assert await of_script(server, rest, "var _OLBookInfo = ", ";") == {f"ISBN:{COVERED}": view}
    details = (await told(server, f"{rest}&format=json&jscmd=details"))[f"ISBN:{COVERED}"]["details"]
    assert (details["isbn_13"], details["covers"], details["title"]) == ([COVERED], [int(COVERED)], "")
    assert await told(server, "/api/books?bibkeys=&format=json") == {}


async def test_scripts_end_as_the_services_own(server: Running) -> None:
    """In the semicolon: PHP clients cut off the last character, Ruby's chomp(';'), and Java ones compare the
    whole with that of no book."""
    for rest, none in (
        ("/api/books?bibkeys={}", b"var _OLBookInfo = {};"),
        ("/books?jscmd=viewapi&bibkeys={}", b"var _GBSBookInfo = {};"),
        ("/books?jscmd=viewapi&callback=cb&bibkeys={}", b"/**/cb({});"),
        ("/cover?callback=cb&id={}", b"/**/cb({});"),
    ):
        assert (await ask(server, rest.format(UNCOVERED))).body == none
        found = (await ask(server, rest.format(COVERED))).body
        assert found.endswith(none[none.index(b"}") :]), rest
        if none.startswith(b"var"):
            assert orjson.loads(found[none.index(b"{") : -1])[COVERED]


async def test_read_api_answers_by_the_asked_key(server: Running) -> None:
    """Evergreen looks its own key up; several items are answered by their id; none is an empty object."""
    one = await told(server, f"/api/volumes/brief/json/isbn:{COVERED}")
    record = next(iter(one[f"isbn:{COVERED}"]["records"].values()))
    many = await told(
        server, f"/api/volumes/brief/json/id:1;isbn:{UNCOVERED};isbn:{TEN}|id:2;isbn:{UNCOVERED}"
    )

    assert await is_cover(server, record["data"]["cover"]["large"])
    assert one[f"isbn:{COVERED}"]["items"] == []
    assert list(many) == ["1"]
    assert await told(server, f"/api/volumes/brief/json/isbn:{UNCOVERED}") == {}


async def test_read_api_tells_of_one_book(server: Running) -> None:
    """By its scheme and value, with .json or without; brief and full are the same; none is an empty list."""
    many = (await told(server, f"/api/volumes/brief/json/isbn:{COVERED}"))[f"isbn:{COVERED}"]
    for rest in (f"brief/isbn/{COVERED}.json", f"brief/ISBN/{COVERED}", f"full/isbn/{TEN}.json"):
        one = await told(server, f"/api/volumes/{rest}")
        assert (one["records"], one["items"]) == (many["records"], []), rest
    assert await told(server, f"/api/volumes/full/json/isbn:{COVERED}") == {f"isbn:{COVERED}": many}
    assert await told(server, f"/api/volumes/brief/isbn/{UNCOVERED}.json") == []
    assert await told(server, "/api/volumes/brief/oclc/nonsense.json") == []
    got = await ask(server, f"/api/volumes/brief/isbn/{COVERED}.json?callback=cb")
    assert got.body.startswith(b'/**/cb({"records":')


async def test_google_viewapi_is_what_vufind_and_koha_read(server: Running) -> None:
    """VuFind's expression finds the JSON; zoom=5 is in the thumbnail's address, and zoom=1 leads on."""
    got = await ask(server, f"/books?jscmd=viewapi&bibkeys=ISBN:{COVERED}&callback=addTheCover")
    script = re.fullmatch(r"[^{]*(\{.*\})[^}]*", got.body.decode(), re.DOTALL)
    assert script
    found = orjson.loads(script[1])
    url = found[f"ISBN:{COVERED}"]["thumbnail_url"]

    assert got.headers["Content-Type"] == SCRIPT
    assert "zoom=5" in url
    for zoom, size in (("5", "small"), ("1", "medium"), ("0", "large"), ("2", "large")):
        parts = urlsplit(url.replace("zoom=5", f"zoom={zoom}") + "&edge=curl")
        got = await server.get(f"{parts.path}?{parts.query}")
        assert got.headers["Content-Location"] == server.path(size=size)
        assert "immutable" in got.headers["Cache-Control"]


async def test_google_keys_as_clients_write_them(server: Running) -> None:
    """Bare (Koha), without a colon (SearchWorks), with &amp; in the query (Coce); no callback is a script."""
    rest = f"/books?bibkeys={TEN},ISBN{COVERED},OCLC123,LCCNsa64009056,{UNCOVERED}&jscmd=viewapi&amp;hl=en"
    found = await of_script(server, rest, "var _GBSBookInfo = ", ";")

    assert list(found) == [TEN, f"ISBN{COVERED}"]
    assert [each["bib_key"] for each in found.values()] == [TEN, f"ISBN{COVERED}"]
    for command in ("", "ViewAPI"):
        rest = f"/books?bibkeys={TEN}&jscmd={command}"
        assert list(await of_script(server, rest, "var _GBSBookInfo = ", ";")) == [TEN]
    none = await of_script(server, f"/books?bibkeys={UNCOVERED}&jscmd=viewapi", "var _GBSBookInfo = ", ";")
    assert none == {}


async def test_google_had_its_pictures_at_books(server: Running) -> None:
    """calibre asks for them there, by id or vid and img=1; none is the pixel, and a list stays a list."""
    for query, size in (
        (f"id={COVERED}&printsec=frontcover&img=1", "medium"),
        (f"vid=ISBN{TEN}&img=1&zoom=0", "large"),
    ):
        got = await ask(server, f"/books?{query}")
        assert (got.status, got.headers["Content-Location"]) == (200, server.path(size=size))
    assert (await ask(server, f"/books?id={UNCOVERED}&img=1")).body == PLACEHOLDER
    assert (await ask(server, "/books?id=x")).headers["Content-Type"] == "application/json"
    got = await ask(server, f"/books?bibkeys={TEN}&jscmd=viewapi&id=1&img=1")
    assert got.headers["Content-Type"] == SCRIPT


async def test_google_fife_is_snapped_up(server: Running) -> None:
    """Pixels lead to the next size that is no smaller; no zoom is medium; no book is the pixel."""
    for query, size in (
        ("fife=w100-h150", "small"),
        ("fife=w300-h450", "w320"),
        ("zoom=1&fife=w90", "small"),
        ("", "medium"),
    ):
        got = await ask(server, f"/books/content?id={COVERED}&{query}")
        assert got.headers["Content-Location"] == server.path(size=size)
    assert (await ask(server, "/books/content?id=nonsense")).cover == "invalid"
    assert (await ask(server, f"/books/content?id={UNCOVERED}&default=404")).status == 404


async def test_coce_is_what_koha_and_aspen_read(server: Running) -> None:
    """Koha reads an address by the id as sent; Aspen one below the first provider that it knows."""
    ids = f"{COVERED},{TEN},{UNCOVERED}"
    plain = await of_script(
        server, f"/cover?id={ids}&provider=ol&callback=jQuery1_2&_=1", "/**/jQuery1_2(", ");"
    )
    every = await told(server, f"/cover?id={TEN}&provider=gb,aws,ol&all")
    orb = await told(server, f"/cover?id={TEN}&provider=orb,ol&all")

    assert list(plain) == [COVERED, TEN]
    assert plain[TEN].partition("?v=")[0].endswith(f"/medium/isbn/{COVERED}.jpg")
    assert await is_cover(server, plain[TEN])
    assert every == {TEN: {"gb": plain[TEN]}}
    assert orb == {TEN: {"ol": plain[TEN]}}
    assert await told(server, f"/cover?id={UNCOVERED}") == {}


@pytest.mark.parametrize(
    ("rest", "why"),
    [("/cover", "ID parameter is missing"), ("/cover?id=1234567", "ID parameter is missing"),
     (f"/cover?id={COVERED}&provider=x", "Unavailable provider: x")],
)  # fmt: skip
async def test_coce_refuses_in_its_own_words(server: Running, rest: str, why: str) -> None:
    """What Coce refuses is refused with its sentence; nobody can set a cover."""
    got = await ask(server, rest)

    assert (got.status, orjson.loads(got.body)) == (400, {"error": why})
    assert (await ask(server, "/set?provider=ol&id=1&url=x")).status == 404


LISTS = ("/api/books?format=json&bibkeys=", "/books?jscmd=viewapi&bibkeys=", "/cover?id=")


async def test_bad_input_is_a_clear_error_as_json(server: Running) -> None:
    """Callbacks that are not names, too many keys, a query that is too long, a missing field: never a 5xx."""
    many = ",".join("1" for _ in range(1001))
    for start in LISTS:
        for rest, status in (
            (f"{COVERED}&callback=a';alert(1)//", 400), (f"{COVERED}&callback=", 400),
            (f"{COVERED}&callback=a&callback=b", 400), (many, 400), ("x" * 20_000, 414),
        ):  # fmt: skip
            got = await ask(server, start + rest)
            assert (got.status, got.headers["Content-Type"]) == (status, "application/json"), start
            assert list(orjson.loads(got.body)) == ["error"]
        assert (await ask(server, f"{start}%00%00%00%00,..,null,%FF%FF")).status == 200
    for rest in ("/api/books", "/books", "/api/books?bibkeys=1&jscmd=x", "/books?bibkeys=1&jscmd=x"):
        assert (await ask(server, rest)).status == 400


async def test_nothing_is_told_without_a_key_that_may(server: Running) -> None:
    """Unknown, bound elsewhere or none: 403 as JSON; making none, they count nothing either."""
    bound = await server.new_key(sites=("opac.example.org",))
    for start in LISTS:
        for path in (f"/devkey/nosuchkeynosuchkey{start}", f"/devkey/{bound.name}{start}", start):
            got = await server.get(path + COVERED)
            assert (got.status, got.cover) == (403, "key")
            assert list(orjson.loads(got.body)) == ["error"]
        await ask(server, start + COVERED)
    assert server.service.accounts.allowance(server.key).made == 0


async def test_a_host_of_the_config_needs_no_key(start: Start) -> None:
    """There no answer names the key, and the addresses in them keep the host; elsewhere nothing is open."""
    key = "payingkeypayingkey"
    server = await start(shapes={"hosts": {"covers.openlibrary.org": key}, "off": ["coce"]})
    await server.new_key()
    from coverproxy.domain.api_key import Key

    await server.service.accounts.save(Key(key, "pays", 5))
    there = {"Host": "covers.openlibrary.org"}
    got = await server.get(f"/api/books?bibkeys={COVERED}&format=json&jscmd=data", **there)
    url = orjson.loads(got.body)[COVERED]["cover"]["medium"]

    assert url.partition("?v=")[0] == f"http://covers.openlibrary.org/b/id/{COVERED}-M.jpg"
    made = await server.get(urlsplit(url).path, **there)
    assert made.cover == "made"
    for path in (f"/{COVERED}.jpg", f"/images/P/{TEN}.01.MZZZZZZZ.jpg", f"/iiif/3/{COVERED}/info.json"):
        shown = await server.get(path, **there)
        assert shown.status == 200
        assert key not in str(shown.headers) + str(shown.body) + str(made.headers), path
    assert (await server.get(urlsplit(url).path)).status == 403
    assert (await server.get(urlsplit(url).path, Host="evil.example")).status == 403
    assert server.service.accounts.made_today(Key(key, "pays", 5)) == 2
    assert (await server.get(f"/cover?id={COVERED}", **there)).status == 404
