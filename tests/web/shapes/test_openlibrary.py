"""Open Library's covers, as its clients ask for them, against a real server."""

import asyncio
from pathlib import Path

import orjson
from conftest import COVERED, UNCOVERED, Running, take_in
from images import small_jpeg

from coverproxy.domain import isbn
from coverproxy.domain.formats import PLACEHOLDER
from coverproxy.domain.spec import Identifier

TEN = isbn.to_isbn10(COVERED) or ""


def at(server: Running, rest: str) -> str:
    return f"/devkey/{server.key.name}/b/{rest}"


async def test_each_letter_is_one_of_our_sizes(server: Running) -> None:
    """A cover is the very file of our own address: the same tag and bytes, made and counted once."""
    for letter, size in (("-S", "small"), ("-M", "medium"), ("-L", "large"), ("", "w800")):
        ours = await server.get(server.path(size=size))
        theirs = await server.get(at(server, f"isbn/{COVERED}{letter}.jpg?default=false"))

        assert (theirs.status, theirs.body, theirs.cover) == (200, ours.body, "hit")
        assert theirs.headers["ETag"] == ours.headers["ETag"]
        assert theirs.headers["Content-Type"] == "image/jpeg"
        assert theirs.headers["Content-Location"] == server.path(size=size)
    assert theirs.headers["X-RateLimit-Remaining"] == "996"


async def test_spellings_of_a_book(server: Running) -> None:
    """ISBN-10, hyphens, and any case of the key; the number of a picture is the ISBN-13 itself."""
    ours = await server.get(server.path())
    for spelled in (
        f"isbn/{TEN}-M.jpg", f"ISBN/{COVERED}-M.jpg", f"isbn/{COVERED[:3]}-{COVERED[3:]}-M.jpg",
        f"id/{COVERED}-M.jpg", f"isbn//{COVERED}-M.jpg", f"isbn/{COVERED}-m.JPG",
    ):  # fmt: skip
        got = await server.get(at(server, spelled))
        assert (got.status, got.cover, got.body) == (200, "hit", ours.body)


async def test_none_is_404_without_a_body_where_asked_for(server: Running) -> None:
    """calibre, VuFind and Inventaire look at the status alone; also of what is not an ISBN."""
    for name in (UNCOVERED, "9780141439519", "nonsense"):
        for wish in ("false", "False", "404"):
            got = await server.get(at(server, f"isbn/{name}-L.jpg?default={wish}"))
            assert (got.status, got.body) == (404, b"")
            head = await server.get(at(server, f"isbn/{name}-L.jpg?default={wish}"), "HEAD")
            assert got.headers["Content-Length"] == head.headers["Content-Length"] == "0"


async def test_none_is_the_pixel_else(server: Running) -> None:
    """Without default=false it is 200 with the pixel; an address in it leads nowhere."""
    for query in ("", "?default=http://evil.example/x.jpg", "?default=true"):
        got = await server.get(at(server, f"isbn/{UNCOVERED}-L.jpg{query}"))
        assert (got.status, got.body) == (200, PLACEHOLDER)
        assert "Location" not in got.headers


async def test_an_unknown_number_is_404_always(server: Running) -> None:
    """BookWyrm keeps whatever opens as a picture: the pixel must not come by a number."""
    for number in (UNCOVERED, "12345", "9780141439519", "-1", "0"):
        assert (await server.get(at(server, f"id/{number}-L.jpg"))).status == 404


async def test_json_tells_number_and_sides(server: Running) -> None:
    """The number of .json leads to the same cover; none is 404 with an error as JSON."""
    got = await server.get(at(server, f"isbn/{TEN}.json"))
    about = orjson.loads(got.body)
    original = server.folder.catalogue.find(Identifier("isbn", COVERED))[0]

    assert about == {"id": int(COVERED), "width": original.width, "height": original.height}
    assert (await server.get(at(server, f"id/{about['id']}-L.jpg"))).status == 200
    none = await server.get(at(server, f"isbn/{UNCOVERED}.json"))
    assert (none.status, list(orjson.loads(none.body))) == (404, ["error"])


async def test_bad_input_is_answered(server: Running) -> None:
    """What makes no sense is an answer with a word for it, never a fault of ours."""
    for rest in ("isbn/%00-L.jpg", "isbn/..-L.jpg", "nokey/1-L.jpg", "isbn/x", "isbn/-L.png"):
        got = await server.get(at(server, rest))
        assert got.cover in ("invalid", "path", "missing")
        assert got.status in (200, 404)


async def test_head_is_get_without_its_body(server: Running) -> None:
    """Inventaire asks by HEAD: every header of the GET, and its length."""
    path = at(server, f"isbn/{COVERED}-L.jpg?default=false")
    await server.get(path)
    get, head = await server.get(path), await server.get(path, "HEAD")

    assert head.body == b""
    assert {**head.headers, "Date": ""} == {**get.headers, "Date": ""}


async def test_items_without_isbn_have_a_number(server: Running, tmp_path: Path) -> None:
    """Their .json gives a number below 10^12, by which /b/id/ finds the cover; one that is unknown is 404."""
    (tmp_path / "a.jpg").write_bytes(small_jpeg(200, 300))
    (tmp_path / "list.csv").write_text(f"lccn,file\nn 78890351,{tmp_path}/a.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    about = orjson.loads((await server.get(at(server, "lccn/n%2078890351.json"))).body)
    assert 0 < about["id"] < 10**12
    assert (about["width"], about["height"]) == (200, 300)
    by_number = await server.get(at(server, f"id/{about['id']}-M.jpg"))
    assert (by_number.status, by_number.body) == (
        200,
        (await server.get(at(server, "lccn/n78890351-M.jpg"))).body,
    )
    assert (await server.get(at(server, "id/999999-M.jpg"))).status == 404
    assert (await server.get(at(server, "isbn/123.json"))).status == 404
