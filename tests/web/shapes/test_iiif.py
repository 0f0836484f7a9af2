"""IIIF at level 0: descriptions that viewers read, pictures in their sizes, refusals in words."""

import orjson
import pytest
from conftest import COVERED, UNCOVERED, Got, Running, Start

from coverproxy.domain.formats import Format, dimensions
from coverproxy.web.shapes import iiif

KNOWN = [(60, 90), (100, 150), (200, 300)]


async def ask(server: Running, rest: str, **headers: str) -> Got:
    return await server.get(f"/devkey/{server.key.name}/iiif/{rest}", **headers)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("max", (200, 300)),
        ("full", (200, 300)),
        ("100,150", (100, 150)),
        ("100,", (100, 150)),
        (",90", (60, 90)),
        ("!150,200", (100, 150)),
        ("!10,10", None),
        ("101,", None),
        ("100,151", None),
        (",", None),
        ("!100,", None),
        ("^max", None),
        ("pct:50", None),
        ("", None),
        ("0,0", None),
    ],
)
def test_which_sizes_there_are(text: str, sides: tuple[int, int] | None) -> None:
    """Those of info.json in every spelling of the standard; what level 0 has not is None."""
    assert iiif.chosen(text, KNOWN, is_lenient=False) == sides


def test_lenient_leads_to_the_next() -> None:
    """With the switch any width is answered with the next size that is no narrower, and no wider than all."""
    assert [iiif.chosen(f"{width},", KNOWN, is_lenient=True) for width in (1, 61, 200, 201)] == [
        (60, 90), (100, 150), (200, 300), None,
    ]  # fmt: skip


async def test_every_size_of_the_description_is_served(server: Running) -> None:
    """The id is the address asked, the sizes ascend, and each is a picture of just these sides."""
    got = await ask(server, f"3/{COVERED}/info.json")
    told = orjson.loads(got.body)
    counted = server.service.accounts.made_today(server.key)

    assert (got.status, got.headers["Content-Type"], counted) == (200, "application/json", 0)
    assert told["id"] == f"{server.listeners.url}/devkey/{server.key.name}/iiif/3/{COVERED}"
    assert (told["type"], told["profile"]) == ("ImageService3", "level0")
    assert not {"sizeByWh", "sizeByW"} & set(told["extraFeatures"])
    assert told["extraFormats"] == ["webp", "avif"]
    assert told["sizes"][-1] == {"width": told["width"], "height": told["height"]}
    assert [each["width"] for each in told["sizes"]] == sorted(each["width"] for each in told["sizes"])
    for each in told["sizes"]:
        image = await ask(server, f"3/{COVERED}/full/{each['width']},{each['height']}/0/default.jpg")
        assert dimensions(image.body, Format.JPEG) == (each["width"], each["height"])
        assert 'rel="canonical"' in image.headers["Link"]
    whole = await ask(server, f"3/{COVERED}/full/max/0/default.jpg")
    assert dimensions(whole.body, Format.JPEG) == (told["width"], told["height"])


async def test_version_2_1_and_media_types(server: Running) -> None:
    """The older description, its widths, the redirect of the base, and JSON-LD where it is asked for."""
    told = orjson.loads((await ask(server, f"2/{COVERED}/info.json")).body)
    width = told["sizes"][0]["width"]
    linked = await ask(server, f"2/{COVERED}/info.json", Accept="application/ld+json")
    base = server.listeners.url + f"/devkey/{server.key.name}/iiif/3/{COVERED}"
    async with server.client.get(base, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, f"{base}/info.json")

    assert told["@id"].endswith(f"/iiif/2/{COVERED}")
    beyond = {"supports": list(iiif.FEATURES), "formats": ["webp", "avif"]}
    assert told["profile"] == ["http://iiif.io/api/image/2/level0.json", beyond]
    assert linked.headers["Content-Type"].startswith("application/ld+json;profile=")
    for size in (f"{width},", "full"):
        got = await ask(server, f"2/isbn:{COVERED}/full/{size}/0/default.jpg")
        assert got.headers["Content-Type"] == "image/jpeg"


async def test_the_canonical_address_is_the_standards(server: Running) -> None:
    """Whatever spelling is asked, Link names one: max or full for the largest size, else sides or width."""
    told = orjson.loads((await ask(server, f"3/{COVERED}/info.json")).body)
    small, large = told["sizes"][0], told["sizes"][-1]
    for version, asked, canonical in (
        ("3", "max", "max"), ("3", f"{large['width']},{large['height']}", "max"),
        ("3", f"{small['width']},", f"{small['width']},{small['height']}"),
        ("2", "full", "full"), ("2", f"{large['width']},", "full"),
        ("2", f"{small['width']},{small['height']}", f"{small['width']},"),
    ):  # fmt: skip
        got = await ask(server, f"{version}/{COVERED}/full/{asked}/0/default.jpg")
        place = f"/devkey/{server.key.name}/iiif/{version}/{COVERED}/full/{canonical}/0/default.jpg"
        link = f'<{server.listeners.url}{place}>;rel="canonical", <{iiif.PROFILE[version]}>;rel="profile"'
        assert got.headers["Link"] == link, (version, asked)
    again = f"3/{COVERED}/full/max/0/default.jpg"
    for host in ("a.example", "b.example", "a.example"):  # hits from memory too, each for its own host
        got = await ask(server, again, Host=host)
        start = f"<http://{host}/devkey/{server.key.name}/iiif/3/"
        assert got.headers["Link"].startswith(start), host


@pytest.mark.parametrize(
    ("accept", "is_linked"),
    [
        ('application/ld+json;profile="http://iiif.io/api/image/3/context.json"', True),
        ("application/ld+json, application/json;q=0.9", True),
        ("application/json, application/ld+json;q=0.5", False), ("application/ld+json;q=0, */*", False),
        ("*/*", False), ("text/html", False),
    ],
)  # fmt: skip
async def test_json_ld_is_for_those_who_prefer_it(server: Running, accept: str, is_linked: bool) -> None:
    """Accept decides by its weights, and the answer says that it depends on it."""
    got = await ask(server, f"3/{COVERED}/info.json", Accept=accept)
    linked = 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
    assert got.headers["Content-Type"] == (linked if is_linked else "application/json")
    assert got.headers["Vary"] == "Accept"


async def test_every_format_of_the_description_is_served(start: Start) -> None:
    """Each of extraFormats is its picture; one that is switched off is not in the list, and 404."""
    server = await start(formats={"avif": False})
    name = server.key.name
    told = orjson.loads((await ask(server, f"3/{COVERED}/info.json")).body)
    older = orjson.loads((await ask(server, f"2/{COVERED}/info.json")).body)
    assert (told["extraFormats"], older["profile"][1]["formats"]) == (["webp"], ["webp"])
    for ending, status, kind in (("webp", 200, "image/webp"), ("avif", 404, "text/plain; charset=utf-8")):
        got = await server.get(f"/devkey/{name}/iiif/3/{COVERED}/full/60,90/0/default.{ending}")
        assert (got.status, got.headers["Content-Type"]) == (status, kind)

    server = await start(formats={"avif": False, "webp": False})
    told = orjson.loads((await ask(server, f"3/{COVERED}/info.json")).body)
    assert "extraFormats" not in told


async def test_what_is_not_there_is_404_in_words(server: Running) -> None:
    """No cover, no identifier, no such region or size: never the pixel, which a viewer would show."""
    for rest in (
        f"3/{UNCOVERED}/info.json", f"3/{UNCOVERED}/full/max/0/default.jpg", "3/nonsense/info.json",
        f"3/{COVERED}/0,0,10,10/max/0/default.jpg", f"3/{COVERED}/full/101,/0/default.jpg",
        f"3/{COVERED}/full/max/90/default.jpg", f"3/{COVERED}/full/max/0/gray.jpg",
        f"3/{COVERED}/full/max/0/default.png", f"3/{COVERED}/full/max/0/default.tif", "3/%00/info.json",
    ):  # fmt: skip
        got = await ask(server, rest)
        assert (got.status, got.headers["Content-Type"]) == (404, "text/plain; charset=utf-8"), rest
    poor = await server.new_key(daily_limit=0)
    got = await server.get(f"/devkey/{poor.name}/iiif/3/{COVERED}/full/max/0/default.jpg")
    assert (got.status, got.cover) == (429, "quota")
    assert (await server.get(f"/iiif/3/{COVERED}/info.json")).status == 403
