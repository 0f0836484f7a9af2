"""Shapes of vendors' pictures, as the clients' own code asks for them, against a real server."""

import base64

import orjson
from conftest import COVERED, UNCOVERED, Got, Running, Start
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


def posted(key: str, text: str = COVERED, kind: str = "S") -> bytes:
    return (
        f'<?xml version="1.0"?><ContentCafe xmlns="http://ContentCafe2.btol.com">'
        f'<RequestItems UserID="{key}" Password="p"><RequestItem><Key>{UNCOVERED}</Key><Key>{text}</Key>'
        f'<Content Type="{kind}" Encoding="HEX">JacketDetail</Content>'
        "</RequestItem></RequestItems></ContentCafe>"
    ).encode()


async def post(server: Running, path: str, body: bytes, kind: str = "text/xml") -> Got:
    url = server.listeners.url + path
    async with server.client.post(url, data=body, headers={"Content-Type": kind}) as response:
        return Got(response.status, response.headers, await response.read())


XML_POST = "/ContentCafe/ContentCafe.asmx/XmlPost"


async def test_content_cafe_posts_xml(server: Running) -> None:
    """Evergreen reads Type's Code, and the picture in hexadecimal digits: the bytes of our own address."""
    ours = await server.get(server.path(size="small"))
    got = await post(server, XML_POST, posted(server.key.name))
    item = etree.fromstring(got.body).find(".//{http://ContentCafe2.btol.com}JacketItem")
    assert item is not None
    found = {each.tag.partition("}")[2]: each for each in item}

    assert got.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert (found["Type"].get("Code"), found["Format"].text) == ("S", "JPEG")
    assert bytes.fromhex(found["Jacket"].text or "") == ours.body
    none = await post(server, XML_POST, posted(server.key.name, "nonsense"))
    assert b"JacketItem>" not in none.body


async def test_content_cafe_takes_what_evergreen_posts(server: Running) -> None:
    """An item for each ISBN and UPC of a record, each with all wishes, as bare XML that is called a form: the
    answer has one picture of each size, of the first that has one, and nothing of what we do not have."""
    wishes = "".join(
        f'<Content Type="{kind}" Encoding="HEX">JacketDetail</Content>' for kind in ("S", "M", "L", "X")
    )
    numbers = (UNCOVERED, "9786300000001", TEN, "036000291452", COVERED)
    items = "".join(
        f"<RequestItem><Key>{number}</Key><Content>TocDetail</Content>{wishes}</RequestItem>"
        for number in numbers
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<ContentCafe xmlns="http://ContentCafe2.btol.com" DateTime="2026-11-27T09:00:00">'
        f'<RequestItems UserID="{server.key.name}" Password="p">{items}</RequestItems></ContentCafe>'
    )
    got = await post(server, XML_POST, text.encode(), "application/x-www-form-urlencoded")
    names = {"cc": "http://ContentCafe2.btol.com"}
    found = etree.fromstring(got.body).findall(".//cc:JacketItem", names)

    assert got.status == 200
    assert [each.find("cc:Type", names).get("Code") for each in found] == ["S", "M", "L"]  # type: ignore[union-attr]
    for each, size in zip(found, ("small", "medium", "large"), strict=True):
        ours = await server.get(server.path(size=size))
        assert bytes.fromhex(each.findtext("cc:Jacket", "", names)) == ours.body


async def test_content_cafe_refuses_as_xml(server: Running) -> None:
    """What is not XML, has no key in it, or bombs is an error as XML; never a 5xx."""
    bomb = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'
    for body, status in (
        (b"", 400),
        (b"nonsense", 400),
        (b"<a/>", 403),
        (bomb, 403),
        (posted("nosuchkeynosuchkey"), 403),
    ):
        got = await post(server, XML_POST, body)
        assert (got.status, got.headers["Content-Type"]) == (status, "text/xml; charset=utf-8"), body
        etree.fromstring(got.body)


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
    for rest, status, why in (
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


async def test_openbd_answers_in_the_order_asked(server: Running) -> None:
    """As long as the list, null for none, each ISBN twice where it was asked twice; the same by POST."""
    asked = [UNCOVERED, TEN, "nonsense", HYPHENS, TEN, ""]
    got = await ask(server, f"/v1/get?isbn={','.join(asked)}")
    told = orjson.loads(got.body)
    form = "application/x-www-form-urlencoded"
    path = f"/devkey/{server.key.name}/v1/get"
    again = await post(server, path, f"isbn={','.join(asked)}".encode(), form)

    assert [each and each["summary"]["isbn"] for each in told] == [
        None,
        COVERED,
        None,
        COVERED,
        COVERED,
        None,
    ]
    resource = told[1]["onix"]["CollateralDetail"]["SupportingResource"][0]
    cover = await server.get(server.path(size="large"))
    url = f"{server.listeners.url}/devkey/{server.key.name}/large/isbn/{COVERED}.jpg?v={version_of(cover)}"
    assert resource["ResourceVersion"][0]["ResourceLink"] == told[1]["summary"]["cover"] == url
    assert orjson.loads(again.body) == told
    many = ("isbn=" + ",".join([COVERED] * 10_000)).encode()
    assert len(orjson.loads((await post(server, path, many, form)).body)) == 10_000
    for body, kind, status in (
        (many + b",1", form, 400),
        (b"x" * 300_000, form, 413),
        (b"isbn=1", "text/plain", 415),
        (b"", form, 400),
        (b"isbn=\xff", form, 400),
    ):
        got = await post(server, path, body, kind)
        assert (got.status, list(orjson.loads(got.body))) == (status, ["error"])


async def test_orb_takes_the_key_as_basic_authentication(server: Running) -> None:
    """As Coce asks it: a user and a word, of which one is the key."""
    for pair in (f"{server.key.name}:x", f"user:{server.key.name}"):
        basic = f"Basic {base64.b64encode(pair.encode()).decode()}"
        got = await server.get(f"/v1/products?eans={COVERED},{UNCOVERED}", Authorization=basic)
        told = orjson.loads(got.body)["data"]
        assert [each["ean13"] for each in told] == [COVERED]
        assert (
            told[0]["images"]["front"]["original"]["src"]
            .partition("?v=")[0]
            .endswith(f"/large/isbn/{COVERED}.jpg")
        )
    for basic in ("Basic ÿÿ", "Basic", "Bearer x"):
        assert (await server.get(f"/v1/products?eans={COVERED}", Authorization=basic)).status == 403


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
