"""Shapes that take more than an address: posted XML and forms, and Basic authentication."""

import base64

import orjson
from conftest import COVERED, UNCOVERED, Got, Running
from lxml import etree

from coverproxy.domain import isbn

TEN = isbn.to_isbn10(COVERED) or ""
HYPHENS = f"{COVERED[0]}-{COVERED[1:8]}-{COVERED[8:]}"


async def ask(server: Running, rest: str, **headers: str) -> Got:
    return await server.get(f"/devkey/{server.key.name}{rest}", **headers)


def version_of(cover: Got) -> str:
    """The version of a cover: the first half of its ETag."""
    return cover.headers["ETag"].strip('"').partition("-")[0]


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
