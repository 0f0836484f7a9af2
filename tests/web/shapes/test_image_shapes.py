"""Shapes of vendors' pictures, as the clients' own code asks for them, against a real server."""

import asyncio
from pathlib import Path

import orjson
from conftest import COVERED, UNCOVERED, Got, Running, Start, take_in
from images import small_jpeg
from lxml import etree

from coverproxy.domain import isbn
from coverproxy.domain.formats import PLACEHOLDER
from coverproxy.web.app_keys import HOT

TEN = isbn.to_isbn10(COVERED) or ""
HYPHENS = f"{COVERED[0]}-{COVERED[1:8]}-{COVERED[8:]}"


async def ask(server: Running, rest: str, **headers: str) -> Got:
    return await server.get(f"/devkey/{server.key.name}{rest}", **headers)


async def is_cover(server: Running, path: str, size: str) -> bool:
    """Whether a path gives the very file of our own address in that size."""
    ours, theirs = await server.get(server.path(size=size)), await server.get(path)
    assert theirs.status == 200, (path, theirs)
    assert theirs.headers.get("Content-Location") == server.path(size=size), path
    return (theirs.body, theirs.headers["ETag"]) == (ours.body, ours.headers["ETag"])


def version_of(cover: Got) -> str:
    """The version of a cover: the first half of its ETag."""
    return cover.headers["ETag"].strip('"').partition("-")[0]


def paths(key: str) -> list[tuple[str, str]]:
    """Each vendor's address of a cover with its own field for the key, and the size that it means."""
    return [
        (f"/index.aspx?isbn={COVERED}/mc.gif&upc=&issn=0378-4371&client={key}", "medium"),
        (f"/index.aspx?client={key}&isbn={COVERED}&issn=03785955&oclc=1&upc=/LC.JPG", "large"),
        (f"/Index.ASPX?isbn={TEN}&pagename=SC.GIF&client={key}", "small"),
        (f"/index.aspx?type=xw12&amp;isbn={COVERED}/MC.GIF&amp;client={key}", "medium"),
        (f"/hw7.pl?isbn={COVERED}/SC.GIF&client={key}", "small"),
        (
            f"/ContentCafe/Jacket.aspx?UserID={key}&Password=P&Return=1&Type=L&Value={COVERED}&erroroverride=1",
            "large",
        ),
        (f"/contentcafe/jacket.aspx?userid={key}&type=s&value={TEN}", "small"),
        (f"/poca/content_img?apikey={key}&ean={COVERED}", "medium"),
        (f"/{COVERED}/m?access_token={key}", "medium"),
        (f"/{HYPHENS}/l?access_token={key}", "large"),
        (f"/2.0.0/image/isbn/{key}/{UNCOVERED}_{TEN}/small", "small"),
        (f"/devkey/{key}/?isbn={UNCOVERED},{COVERED},(OCOLC)000000012345678,0378-5955&size=M", "medium"),
        (f"/devkey/{key}/covers/?id={HYPHENS}&format=img", "medium"),
        (f"/devkey/{key}/{COVERED}.jpg", "large"),
        (f"/devkey/{key}/getImage.php?query={TEN}&return_error=true", "large"),
    ]


async def test_each_is_the_file_of_our_own_address(server: Running) -> None:
    """The same bytes, tag and quota, whatever the shape, with the key before the path or in its own field."""
    for path, size in paths(server.key.name):
        assert await is_cover(server, path, size), path
    assert server.service.accounts.made_today(server.key) == 3


async def test_a_key_is_needed_everywhere(server: Running) -> None:
    """Unknown, revoked, bound elsewhere and missing keys get 403 and never a cover, even one that is made."""
    await server.get(server.path())
    bound = await server.new_key(sites=("opac.example.org",))
    revoked = await server.new_key(revoked_at=1)
    for key in ("nosuchkeynosuchkey", bound.name, revoked.name, ""):
        for path, _ in paths(key):
            if not key and path.startswith(("/devkey", "/2.0.0")):
                continue
            got = await server.get(path)
            assert (got.status, got.cover) == (403, "key"), path
            assert not got.body.startswith(b"\xff\xd8")


async def test_the_quota_holds_everywhere(server: Running) -> None:
    """A key that may make none gets none by any shape, and none of it is kept."""
    poor = await server.new_key(daily_limit=0)
    for path, _ in paths(poor.name):
        got = await server.get(path)
        assert (got.cover, got.headers["Cache-Control"]) == ("quota", "no-store"), path
        assert "Retry-After" in got.headers


async def test_the_pace_holds_everywhere(start: Start) -> None:
    """A program that has made what it may at once is held back by every shape."""
    server = await start(automated={"covers_per_second": 0.001, "burst": 1})
    program = {"Sec_Fetch_Dest": "empty"}
    assert (await server.get(server.path(size="small"), **program)).cover == "made"
    for path, size in paths(server.key.name):
        got = await server.get(path, **program)
        assert got.cover == ("hit" if size == "small" else "throttled"), path


async def test_none_is_the_pixel(server: Running) -> None:
    """A book without a cover is 200 with the 43 bytes, or 404 where the shape has that."""
    for path, _ in paths(server.key.name):
        got = await server.get(
            path.replace(COVERED, UNCOVERED).replace(TEN, UNCOVERED).replace(HYPHENS, UNCOVERED)
        )
        is_error = ".jpg" in path or "return_error" in path
        assert (got.status, got.cover) == (404 if is_error else 200, "missing"), path
        assert is_error or got.body == PLACEHOLDER


async def test_syndetics_has_an_index(server: Running) -> None:
    """VuFind asks for the index first, and then for the file that it names."""
    got = await ask(server, f"/index.aspx?client=x&isbn={COVERED}/index.xml")
    found = {each.tag: each.text for each in etree.fromstring(got.body)}
    none = await ask(server, f"/index.aspx?isbn={UNCOVERED}/index.xml")

    assert (got.status, got.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert found == {"SC": "SC.GIF", "MC": "MC.GIF", "LC": "LC.JPG"}
    for name, size in (("SC", "small"), ("MC", "medium"), ("LC", "large")):
        path = f"/devkey/{server.key.name}/index.aspx?isbn={COVERED}/{found[name]}"
        assert await is_cover(server, path, size)
    assert list(etree.fromstring(none.body)) == []
    assert (await ask(server, f"/index.aspx?isbn={COVERED}/TOC.HTML")).status == 404
    assert (
        (await server.get(f"/index.aspx?isbn={COVERED}/index.xml"))
        .headers["Content-Type"]
        .startswith("text/xml")
    )


async def test_gbv_says_where_the_picture_is(server: Running) -> None:
    """seealso gives the canonical number, the type before the sides, and a relative address that works."""
    got = orjson.loads((await ask(server, f"/covers/?id={HYPHENS}&format=seealso")).body)
    cover = await server.get(server.path())
    none = orjson.loads((await ask(server, f"/covers/?id={UNCOVERED}&format=seealso")).body)

    address = f"?format=img&id={COVERED}&v={version_of(cover)}"
    assert got == [COVERED, ["image/jpeg"], [cover.headers["X-Cover-Size"]], [address]]
    assert await is_cover(server, f"/devkey/{server.key.name}/covers/{got[3][0]}", "medium")
    assert none == ["", [], [], []]
    formats = await ask(server, "/covers/?id=1")
    assert [each.get("name") for each in etree.fromstring(formats.body)] == ["img", "seealso"]


async def test_bookcover_api(server: Running) -> None:
    """An address for an ISBN-13; its own sentences for all else."""
    for rest in (
        f"/bookcover?isbn={COVERED}",
        f"/bookcover/{HYPHENS}",
        f"/bookcover/{COVERED}?image_size=large",
    ):
        got = await ask(server, rest)
        url = orjson.loads(got.body)["url"]
        cover = await server.get(url.removeprefix(server.listeners.url))
        assert (cover.status, url.partition("?v=")[2]) == (200, version_of(cover))
    for size in ("small", "medium", "large", "huge"):
        url = orjson.loads((await ask(server, f"/bookcover?isbn={COVERED}&image_size={size}")).body)["url"]
        assert f"/{'large' if size == 'huge' else size}/isbn/{COVERED}.jpg" in url
    neither = "expected isbn=…, or book_title=… and author_name=…"
    for rest, status, why in (
        ("/bookcover", 400, neither),
        ("/bookcover?isbn=", 400, neither),
        ("/bookcover?book_title=a", 400, neither),
        ("/bookcover?book_title=a&author_name=", 400, neither),
        ("/bookcover?isbn=&book_title=a&author_name=b", 404, "Bookcover was not found."),
        (f"/bookcover?isbn={TEN}", 400, "Invalid ISBN (please use ISBN-13)"),
        ("/bookcover/9780141439519", 404, "Bookcover was not found."),
        (f"/bookcover?isbn={UNCOVERED}", 404, "Bookcover was not found."),
        ("/bookcover?book_title=a&author_name=b", 404, "Bookcover was not found."),
        (
            f"/bookcover?isbn={COVERED}&book_title=a",
            400,
            "expected isbn=…, or book_title and author_name, not both",
        ),
    ):
        got = await ask(server, rest)
        assert (got.status, orjson.loads(got.body)) == (status, {"error": why})


async def test_the_home_page_stays_at_the_root(server: Running) -> None:
    """ChiliFresh shares / with it: both fields, and a size of theirs; all else is the page."""
    for rest in ("/", f"/?isbn={COVERED}", f"/?isbn={COVERED}&size=huge", "/?size=M"):
        assert (await server.get(rest, Accept="text/html")).headers["Content-Type"].startswith("text/html")
    assert (await server.get(f"/?isbn={COVERED}&size=M")).status == 403


async def test_bad_input_is_answered(server: Running) -> None:
    """Nulls, dots, twenty thousand characters, a thousand numbers: a refusal with a word, never a 5xx."""
    for path, _ in paths(server.key.name):
        for bad in ("%00", "..", "%FF", "'", "9" * 40):
            got = await server.get(path.replace(COVERED, bad).replace(TEN, bad).replace(HYPHENS, bad))
            assert got.status in (200, 400, 404), path
            assert got.cover in ("invalid", "path", "missing"), path
    for start in ("/index.aspx?isbn=", "/?size=M&isbn=", "/covers/?format=img&id=", "/poca/content_img?ean="):
        assert (await ask(server, start + "9" * 20_000)).status == 414
    assert (await ask(server, f"/?size=M&isbn={','.join(['1'] * 1001)}")).status == 400


async def test_hits_of_shapes_take_the_fast_path(server: Running) -> None:
    """Once answered from memory, a shape's address is answered at once, with every header that it had."""
    hot = server.app[HOT]
    assert hot is not None
    addresses = (
        f"/b/isbn/{COVERED}-M.jpg?default=false",
        f"/images/P/{TEN}.01.MZZZZZZZ.jpg",
        f"/{COVERED}.jpg",
    )
    for rest in addresses:
        for _ in range(2):
            slow = await ask(server, rest)
        known = len(hot._paths)
        fast = await ask(server, rest)
        assert (fast.body, {**fast.headers, "Date": ""}) == (slow.body, {**slow.headers, "Date": ""}), rest
        assert len(hot._paths) == known
        assert f"/devkey/{server.key.name}{rest}" in {name[0] for name in hot._paths._paths}
    other = await server.new_key(sites=("opac.example.org",))
    assert (await server.get(f"/devkey/{other.name}/{COVERED}.jpg")).status == 403


async def test_evergreens_base_may_lack_its_slash(server: Running) -> None:
    """ChiliFresh's address is the configured one with ?isbn=… appended: /devkey/KEY, or /devkey/KEY/."""
    made = await server.get(server.path())
    for rest in (f"?isbn={COVERED}&size=M", f"/?ISBN={COVERED}&SIZE=m", f"/?isbn={COVERED}&amp;size=M"):
        got = await server.get(f"/devkey/{server.key.name}{rest}")
        assert (got.status, got.body) == (200, made.body), rest
    assert (await server.get(f"/?ISBN={COVERED}&amp;size=m")).cover == "key"  # theirs, but without a key


async def test_syndetics_takes_a_repeated_field(server: Running) -> None:
    """A record's second ISBN, in a field of the same name, counts too, and so does the page behind it."""
    made = await server.get(server.path())
    got = await ask(server, f"/index.aspx?isbn={UNCOVERED}&isbn={COVERED}/MC.GIF")
    assert (got.status, got.body) == (200, made.body)


async def test_of_several_books_the_one_that_is_shown_is_named(server: Running) -> None:
    """A list, and an ISBN-10 that lost its X, can mean several books: Content-Location names the one with the
    cover, which is there, and not the first."""
    made = await server.get(server.path())
    for rest in (
        f"/index.aspx?isbn={UNCOVERED},{COVERED}/MC.GIF", f"/covers/?format=img&id={UNCOVERED}%20{COVERED}",
        f"/b/isbn/{UNCOVERED}%20%7C%20{COVERED}-M.jpg",
    ):  # fmt: skip
        got = await ask(server, rest)
        assert (got.body, got.headers["Content-Location"]) == (made.body, server.path()), rest


async def test_gbv_takes_ppns(server: Running, tmp_path: Path) -> None:
    """Its older clients send PPN and the number; a bare number is an ISBN to it."""
    (tmp_path / "a.jpg").write_bytes(small_jpeg(200, 300))
    (tmp_path / "list.csv").write_text("ppn,file\n862934397,a.jpg\n")
    await asyncio.to_thread(take_in, server.config, tmp_path / "list.csv", "copy")
    for text in ("PPN862934397", "ppn:862934397", "gvk:ppn:862934397"):
        assert (await ask(server, f"/covers/?id={text}&format=img")).cover in ("made", "hit"), text
    assert (await ask(server, "/covers/?id=862934397&format=img")).cover != "hit"


async def test_names_of_fields_count_in_refusals_too(server: Running) -> None:
    """Whoever writes a field in capitals, or behind &amp;, is refused in the form that was asked for."""
    for path, status, kind in (
        (f"/covers/?id={UNCOVERED}&FORMAT=img", 200, "image/gif"),
        (f"/covers/?id={UNCOVERED}&amp;format=img", 200, "image/gif"),
        (f"/getImage.php?query={UNCOVERED}&Return_Error=true", 404, "text/plain; charset=utf-8"),
        (f"/{COVERED}.JPG", 200, "image/jpeg"),
    ):
        got = await ask(server, path)
        assert (got.status, got.headers["Content-Type"]) == (status, kind), path
