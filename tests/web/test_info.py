"""What is known of covers, told without making one: of one ISBN, and of a thousand at once."""

import asyncio
import base64
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from conftest import BROWSER, COVERED, UNCOVERED, Got, Running, Start
from fronting import before
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.domain import isbn
from coverproxy.domain.formats import Format, dimensions
from coverproxy.domain.identifier import Reading
from coverproxy.domain.original import Original
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.service.cover_info import MAX_WAITING
from coverproxy.web.shapes.info import MAX_BODY_BYTES

JSON = "application/json"
TEN = isbn.to_isbn10(COVERED)
BAD_CHECK_DIGIT = "9780141439519"


def list_path(server: Running, query: str = "", key: str | None = None) -> str:
    return f"/devkey/{key or server.key.name}/info{query}"


async def about(server: Running, text: str) -> Any:
    got = await server.get(f"/devkey/{server.key.name}/info/isbn/{text}")
    assert (got.status, got.headers["Content-Type"]) == (200, JSON), got.body
    return orjson.loads(got.body)


async def post(server: Running, body: bytes, kind: str = JSON, key: str | None = None) -> Got:
    url = server.listeners.url + list_path(server, key=key)
    async with server.client.post(url, data=body, headers={"Content-Type": kind}) as response:
        return Got(response.status, response.headers, await response.read())


def original(server: Running, value: str = COVERED) -> Original:
    return server.folder.catalogue.find(Identifier(ISBN, value))[0]


async def test_a_cover_is_told_with_its_original(shared: Running) -> None:
    """How the ISBN is understood, the original's size, bytes, source and times: as the catalogue has them."""
    told = await about(shared, f"ISBN%20{TEN}")
    known = original(shared)

    assert (told["text"], told["isbn13"], told["isbn10"]) == (f"ISBN {TEN}", COVERED, TEN)
    assert (told["readings"], told["only_one"], told["why"]) == ([COVERED], False, None)
    assert (told["has_cover"], told["status"]) == (True, "found")
    assert told["original"]["width"] == known.width
    assert told["original"]["height"] == known.height
    assert told["original"]["bytes"] == known.bytes
    assert (told["original"]["type"], told["original"]["source"]) == (known.loader.value, "test")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["original"]["added"])


async def test_each_size_is_told_as_it_is_made(server: Running) -> None:
    """Width, height and bytes told of a size are those of the very picture, in each format that is made."""
    before = await about(server, COVERED)
    made = {}
    for size in server.config.sizes:
        for ending in ("jpg", "webp", "avif"):
            got = await server.get(f"{server.path(size=size)}.{ending}")
            made[size, ending] = (dimensions(got.body, Format(ending)), len(got.body))
    after = await about(server, COVERED)

    assert all(each["formats"]["jpg"]["bytes"] is None for each in before["sizes"].values())
    assert {
        (size, ending): ((told["width"], told["height"]), form["bytes"])
        for size, told in after["sizes"].items()
        for ending, form in told["formats"].items()
    } == made


async def test_the_address_of_each_size_answers(shared: Running) -> None:
    """The address that is told of a size gives it."""
    told = await about(shared, COVERED)
    async with shared.client.get(told["sizes"]["small"]["formats"]["webp"]["url"]) as response:
        assert (response.status, response.content_type) == (200, "image/webp")


async def test_it_counts_nothing(server: Running) -> None:
    """Whatever is asked, the day's quota stays whole; a key without any is answered too."""
    poor = await server.new_key(daily_limit=0)
    path = f"/devkey/{poor.name}/info/isbn/{COVERED}"
    told = orjson.loads((await server.get(path)).body)
    got = await server.get(list_path(server, f"?isbn={COVERED}", poor.name))

    assert told["thumbhash"] is not None
    assert (got.status, got.headers["X-RateLimit-Remaining"]) == (200, "0")
    assert server.service.accounts.allowance(poor).made == 0


async def test_the_look_is_taken_once(server: Running) -> None:
    """Colour and thumbhash come with the first answer, are remembered, and are the same for ever."""
    digest = original(server).digest
    assert server.folder.catalogue.look(digest) is None
    first, *others = await asyncio.gather(*(about(server, COVERED) for _ in range(6)))
    kept = server.folder.catalogue.look(digest)

    assert kept is not None
    assert all(each == first for each in others)
    assert first["colour"] == kept.hex
    assert base64.b64decode(first["thumbhash"]) == kept.thumbhash
    for path in server.originals.rglob(f"{COVERED}-*"):
        path.unlink()
    assert await about(server, COVERED) == first


async def test_no_look_delays_an_answer(server: Running) -> None:
    """Where renders are busy or the original is gone, all but the look is told."""
    server.service.renders.taken = 10_000
    busy = await about(server, COVERED)
    server.service.renders.taken = 0
    for path in server.originals.rglob(f"{COVERED}-*"):
        path.unlink()
    gone = await about(server, COVERED)

    assert busy == gone
    assert (busy["has_cover"], busy["colour"], busy["thumbhash"]) == (True, None, None)


async def test_a_corrupt_original_is_found_out(server: Running) -> None:
    """An original that proves corrupt when it is looked at is passed over from then on."""
    for path in server.originals.rglob(f"{COVERED}-*"):
        body = path.read_bytes()
        path.unlink()  # it is a link to the drawn one
        path.write_bytes(body[: len(body) // 2])
    first, second = await about(server, COVERED), await about(server, COVERED)

    assert (first["has_cover"], first["thumbhash"]) == (True, None)
    assert (second["has_cover"], second["status"]) == (False, "missing")


@pytest.mark.parametrize("text", [UNCOVERED, BAD_CHECK_DIGIT, "nothing", "a%2Fb", "%0A", "%00", "7" * 500])
async def test_without_a_cover_it_is_told_too(shared: Running, text: str) -> None:
    """A book without a cover, and what is no ISBN, are 200: has_cover is false, and status says why."""
    told = await about(shared, text)

    assert told["status"] == ("missing" if text == UNCOVERED else "invalid")
    assert told["isbn13"] == (UNCOVERED if text == UNCOVERED else None)
    assert (told["why"] is None) == (text == UNCOVERED)
    assert (told["has_cover"], told["original"], told["sizes"]) == (False, None, {})


@pytest.mark.parametrize("rest", ["info?isbn=1", f"info/isbn/{COVERED}"])
async def test_keys_are_asked_for(shared: Running, rest: str) -> None:
    """Unknown keys, and bound ones where no site is told, are 403 as a problem; on their site they work."""
    bound = await shared.new_key(sites=("opac.example.org",))
    for name in ("nosuchkeynosuchkey", bound.name):
        got = await shared.get(f"/devkey/{name}/{rest}")
        assert (got.status, got.headers["Content-Type"]) == (403, "application/problem+json")
        assert orjson.loads(got.body)["code"] == "key"
    got = await shared.get(f"/devkey/{bound.name}/{rest}", Referer="https://opac.example.org/1")
    assert got.status == 200


async def test_a_list_is_answered_by_what_was_sent(shared: Running) -> None:
    """Each ISBN as it was sent has true, false, or null where it is none; parameters and commas both part."""
    query = f"?isbn={COVERED},{UNCOVERED}&isbn=ISBN%20{TEN},%20,&isbn={BAD_CHECK_DIGIT}"
    got = await shared.get(list_path(shared, query))

    assert got.headers["Content-Type"] == JSON
    assert orjson.loads(got.body) == {
        COVERED: True, UNCOVERED: False, f"ISBN {TEN}": True, BAD_CHECK_DIGIT: None,
    }  # fmt: skip


async def test_bodies_are_json_or_lines(shared: Running) -> None:
    """POST takes JSON, keyed exactly as sent, and text with a line each; the answers agree with GET."""
    as_json = await post(shared, orjson.dumps({"isbns": [f" {COVERED}", UNCOVERED, ""]}))
    as_text = await post(
        shared, f"\ufeff{COVERED}\r\n\r\n{UNCOVERED}\n".encode(), "text/plain; charset=utf-8"
    )

    assert orjson.loads(as_json.body) == {f" {COVERED}": True, UNCOVERED: False, "": None}
    assert orjson.loads(as_text.body) == {COVERED: True, UNCOVERED: False}


BAD = [
    (b"{", JSON, 400), (b"[]", JSON, 400), (b'{"isbns": "1"}', JSON, 400), (b'{"isbns": [1]}', JSON, 400),
    (b"", JSON, 400), (b"", "text/plain", 400), (b"\xff", "text/plain", 400), (b"a=b", "text/html", 415),
    (b"x" * 524_289, "text/plain", 413),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind", "status"), BAD, ids=[str(at) for at in range(len(BAD))])
async def test_what_cannot_be_read_is_a_problem(shared: Running, body: bytes, kind: str, status: int) -> None:
    """A body that is not what is expected is refused as problem details, which say what is."""
    got = await post(shared, body, kind)
    problem = orjson.loads(got.body)

    assert (got.status, got.headers["Content-Type"]) == (status, "application/problem+json")
    assert problem["status"] == status
    assert len(problem["detail"]) > 10


async def test_a_thousand_and_no_more(shared: Running) -> None:
    """A thousand ISBNs are answered by GET, JSON and lines; of one more the problem says how many."""
    many = [f"978{number:010d}" for number in range(1000)]
    many[500] = COVERED
    got = await shared.get(list_path(shared, f"?isbn={','.join(many)}"))
    sent = await post(shared, orjson.dumps({"isbns": many}))
    lines = await post(shared, "\n".join(many).encode(), "text/plain")

    assert orjson.loads(got.body) == orjson.loads(sent.body) == orjson.loads(lines.body)
    assert len(orjson.loads(got.body)) == 1000
    assert orjson.loads(got.body)[COVERED] is True
    many.append(UNCOVERED)
    for refused in (
        await shared.get(list_path(shared, f"?isbn={','.join(many)}")),
        await post(shared, orjson.dumps({"isbns": many})),
        await post(shared, "\n".join(many).encode(), "text/plain"),
    ):
        assert (refused.status, orjson.loads(refused.body)["code"]) == (400, "many")
        assert "1001" in orjson.loads(refused.body)["detail"]
        assert "1000" in orjson.loads(refused.body)["detail"]


async def test_long_texts_fit(shared: Running) -> None:
    """A thousand texts as long as are looked at are taken: 400 characters each, in JSON."""
    got = await post(shared, orjson.dumps({"isbns": [f"{number:0400d}" for number in range(1000)]}))

    assert (got.status, set(orjson.loads(got.body).values())) == (200, {None})


async def test_a_thousand_pass_the_web_server_in_front(server: Running, tmp_path: Path) -> None:
    """nginx lets a thousand ISBNs through, by GET and as the largest body, and the info of one cover."""
    many = [f"978{number:010d}" for number in range(1000)]
    full = orjson.dumps({"isbns": [COVERED]}).ljust(MAX_BODY_BYTES)
    async with (
        before(server, tmp_path / "nginx") as url,
        aiohttp.ClientSession(url, headers=BROWSER) as client,
    ):
        async with client.get(list_path(server, f"?isbn={','.join(many)}")) as response:
            assert len(await response.json()) == 1000
        async with client.post(list_path(server), data=full, headers={"Content-Type": JSON}) as response:
            assert await response.json() == {COVERED: True}
        async with client.get(f"/devkey/{server.key.name}/info/isbn/{TEN}") as response:
            told = await response.json()
    assert told["sizes"]["small"]["formats"]["jpg"]["url"].startswith(url)


async def test_jsonp_is_a_script_that_calls(shared: Running) -> None:
    """With a callback the answer is a script: a comment first, nosniff, line separators escaped."""
    got = await shared.get(list_path(shared, f"?isbn={COVERED},%E2%80%A8x&callback=my.$f_1"))

    assert got.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.body.decode() == f'/**/my.$f_1({{"{COVERED}":true,"x":null}});'
    inner = await shared.get(list_path(shared, "?isbn=a%E2%80%A8%E2%80%A9b&callback=f"))
    assert inner.body == b'/**/f({"a\\u2028\\u2029b":null});'


@pytest.mark.parametrize(
    "callback",
    ["", "a;b", "alert(1)", "a.", ".a", "a..b", "1a", "a%0A", "%3Cscript%3E", "a-b", "ä", "a" * 129,
     "f&callback=g"],
)  # fmt: skip
async def test_callbacks_are_names(shared: Running, callback: str) -> None:
    """What is no JavaScript name, or too long, or twice there, is refused, and none of it is a script."""
    got = await shared.get(list_path(shared, f"?isbn=1&callback={callback}"))

    assert (got.status, got.headers["Content-Type"]) == (400, "application/problem+json")


async def test_lists_are_bounded(server: Running) -> None:
    """With as many lists in hand as may be, another is 503 at once, with Retry-After."""
    server.service.books.waiting = MAX_WAITING
    got = await server.get(list_path(server, "?isbn=1"))

    assert (got.status, orjson.loads(got.body)["code"]) == (503, "pending")
    assert int(got.headers["Retry-After"]) > 0


async def test_a_catalogue_that_cannot_be_read_is_told(server: Running) -> None:
    """Where the catalogue cannot be read, both addresses are 503, and never say that there is no cover."""
    with closing(sqlite3.connect(Path(server.config.data.dir) / "catalogue.db")) as other:
        other.execute("ALTER TABLE original RENAME TO lost")
    one = await server.get(f"/devkey/{server.key.name}/info/isbn/{COVERED}")
    many = await server.get(list_path(server, f"?isbn={COVERED}"))

    assert [orjson.loads(got.body)["code"] for got in (one, many)] == ["unavailable"] * 2


async def test_pages_of_other_sites_may_post(shared: Running) -> None:
    """A preflight for a POST of JSON is answered for lists, and HEAD is as GET."""
    got = await shared.get(list_path(shared), "OPTIONS", Origin="https://opac.example.org")
    head = await shared.get(list_path(shared, f"?isbn={COVERED}"), "HEAD")

    assert (got.status, got.body) == (204, b"")
    assert "POST" in got.headers["Access-Control-Allow-Methods"]
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


async def test_a_cover_too_thin_for_a_size_is_told(start: Start) -> None:
    """A size that would be thinner than clients take for a cover has null in place of its measures."""
    server = await start(sizes={"tiny": {"width": 10, "height": 300}, "slim": {"width": 300, "height": 10}})
    told = await about(server, COVERED)

    assert told["sizes"]["slim"] is None
    assert told["sizes"]["tiny"]["width"] == 10


@given(
    st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True), st.sets(st.sampled_from("abcde"))
)
def test_readings_that_contradict_need_one_alone(values: list[str], covered: set[str]) -> None:
    """Of readings in a row one with a cover is enough; of contradicting ones it must be exactly one."""
    count = len(covered & set(values))
    can_mean = tuple(Identifier("isbn", value) for value in values)
    have = {Identifier("isbn", value) for value in covered}

    assert (Reading(can_mean).pick(have) is not None) == (count > 0)
    assert (Reading(can_mean, only_one=True).pick(have) is not None) == (count == 1)
