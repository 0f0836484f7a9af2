"""Amazon's pictures: the sizes that modifiers name, and 200 for everything."""

from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import COVERED, UNCOVERED, Running, Start
from fronting import before
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coverproxy.config import load
from coverproxy.domain import isbn
from coverproxy.domain.formats import PLACEHOLDER
from coverproxy.web.shapes import amazon

SIZES = load(None, {}).size_table
TEN = isbn.to_isbn10(COVERED) or ""


def at(server: Running, name: str, key: str | None = None) -> str:
    return f"/devkey/{key or server.key.name}/images/P/{name}"


@pytest.mark.parametrize(
    ("modifiers", "size"),
    [
        ("01.THUMBZZZ.jpg", "small"),
        ("01.TZZZZZZZ.jpg", "small"),
        ("01._SCTZZZZZZZ_.jpg", "small"),
        ("01.MZZZZZZZ.jpg", "medium"),
        ("01.MZZZZZZZZZ.jpg", "medium"),
        ("01._SCMZZZZZZZ_.jpg", "medium"),
        ("jpg", "medium"),
        ("01.LZZZZZZZ.jpg", "large"),
        ("01._SCLZZZZZZZ_.jpg", "large"),
        ("01._SCZZZZZZZ_.jpg", "large"),
        ("01._SCRMZZZZZZ_.jpg", "large"),
        ("_SX100_.jpg", "small"),
        ("_SX90_.jpg", "small"),
        ("_SY300_.jpg", "medium"),
        ("_AC_SX200_QL70_.jpg", "medium"),
        ("_SX201_.jpg", "w320"),
        ("_SX9999_.jpg", "w800"),
        ("_SX99999999999999999999_.jpg", "w800"),
        ("_UL500_SCLZZZZZZZ_.jpg", "w400"),
        ("_AC_QL70_FMwebp_.jpg", "medium"),
        ("09.LZZZZZZZ", "large"),
        ("_LZZZZZZZ_.jpg", "large"),
        ("01.20.LZZZZZZZ.jpg", "large"),
        ("01.20LZZZZZZZ.jpg", "large"),
        ("01.L.jpg", "large"),
        ("01.THUMZ", "small"),
        ("01.20TRZZZZ.jpg", "small"),
        ("09_SL110_.jpg", "small"),
        ("01._SCLZZZZZZZ_SX160_.jpg", "w160"),
        ("01._SCLZZZZZZZ_AC_SY400_.jpg", "w320"),
        ("", "medium"),
        ("01.mp3", "medium"),
    ],
)
def test_what_modifiers_mean(modifiers: str, size: str) -> None:
    """The words of Evergreen, Koha and Coce, and pixels, which lead to the next size that is no smaller."""
    assert amazon.size(SIZES, modifiers) == size


async def test_it_is_the_file_of_our_own_address(server: Running) -> None:
    """Evergreen's address by ISBN-10 gives the bytes and the tag of ours; .gif is a JPEG all the same."""
    ours = await server.get(server.path())
    for name in (f"{TEN}.01._SCMZZZZZZZ_.jpg", f"{TEN}.gif", f"/{TEN}.jpg", f"{COVERED}.01.MZZZZZZZ.jpg"):
        theirs = await server.get(at(server, name))
        assert (theirs.body, theirs.headers["ETag"]) == (ours.body, ours.headers["ETag"])
        assert theirs.headers["Content-Type"] == "image/jpeg"


NOTHING = (
    "", ".01._SCMZZZZZZZ_.jpg", "B00005N5PF.01.jpg", f"{UNCOVERED}.jpg", "%00.jpg", "..%2F..%2Fetc%2Fpasswd",
    "a/b/c", "%FF.jpg", "9780141439519.01.jpg", "?default=404", f"{UNCOVERED}.jpg?default=false",
)  # fmt: skip


async def test_nothing_is_200_with_the_pixel(server: Running) -> None:
    """Also without a number, with default=404, for a strict key: Evergreen counts all that is not 200."""
    strict = await server.new_key(strict=True)
    for name in NOTHING:
        for key in (server.key, strict):
            got = await server.get(at(server, name, key.name))
            assert (got.status, got.body) == (200, PLACEHOLDER)


async def test_refusals_are_200_too_and_say_so(server: Running) -> None:
    """A key that is unknown, has nothing left, or is bound elsewhere gets the pixel, and never a cover."""
    poor = await server.new_key(daily_limit=0)
    bound = await server.new_key(sites=("opac.example.org",))
    for key, word in (("nosuchkeynosuchkey", "key"), (poor.name, "quota"), (bound.name, "key")):
        got = await server.get(at(server, f"{TEN}.01.LZZZZZZZ.jpg", key), Accept="application/json")
        assert (got.status, got.cover, got.body) == (200, word, PLACEHOLDER)
        assert got.headers["Cache-Control"] == "no-store"
    keyless = await server.get(f"/images/P/{TEN}.01.LZZZZZZZ.jpg")
    assert (keyless.status, keyless.cover) == (200, "key")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=60), query=st.text(max_size=20))
async def test_never_anything_but_200(server: Running, name: str, query: str) -> None:
    """Whatever text stands below /images/P/, the answer is 200 with a picture."""
    text = quote(name, safe="")
    got = await server.get(at(server, f"{text}?{quote(query, safe='=')}"))

    assert got.status == 200
    assert got.headers["Content-Type"] in ("image/gif", "image/jpeg")


FAILING = (
    {"If-Match": '"another"'}, {"If-Unmodified-Since": "Mon, 01 Jan 1990 00:00:00 GMT"},
    {"Range": "bytes=99999999-"}, {"Range": "bytes=-0"}, {"If-Match": "x", "Range": "bytes=0-0"},
)  # fmt: skip


@pytest.mark.parametrize("x_accel", [False, True])
async def test_conditions_do_not_fail(start: Start, tmp_path: Path, *, x_accel: bool) -> None:
    """A condition that fails, and a range beyond the end, get the whole cover, by the app and through nginx.

    A part and an unchanged picture are still 206 and 304; our own address says what failed.
    """
    server = await start(front={"x_accel": x_accel})
    path, own = at(server, f"{TEN}.01.MZZZZZZZ.jpg"), server.path()
    whole = (await server.get(path)).headers["ETag"]
    async with before(server, tmp_path / "nginx") as front:
        for headers in FAILING:
            for at_host in (front,) if x_accel else (front, server.listeners.url):
                async with server.client.get(at_host + path, headers=headers) as answer:
                    assert (answer.status, answer.headers["ETag"]) == (200, whole), headers
                    assert (await answer.read()).startswith(b"\xff\xd8"), headers
                async with server.client.get(at_host + own, headers=headers) as answer:
                    assert answer.status in (412, 416), headers
        for status, headers in ((206, {"Range": "bytes=0-9"}), (304, {"If-None-Match": whole})):
            async with server.client.get(front + path, headers=headers) as answer:
                assert answer.status == status
