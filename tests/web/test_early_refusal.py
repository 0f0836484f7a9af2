"""A full render queue: who is refused before the router, who is not, and that the answers are the same."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from conftest import COVERED, UNCOVERED, Running, Start
from images import small_jpeg

from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import PLACEHOLDER, Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.service.held_covers import Glance
from coverproxy.web import plain_head
from coverproxy.web.app_keys import HOT
from coverproxy.web.early_refusal import EarlyRefusal
from coverproxy.web.own_misses import Miss


@pytest.fixture
async def full(start: Start) -> AsyncIterator[Running]:
    """A server whose queue has no place left; it has one cover, and knows of one that is missing."""
    server = await start(render={"queue": 2})
    assert (await server.get(server.path())).cover == "made"
    assert (await server.get(server.path(UNCOVERED))).cover == "missing"
    async with AsyncExitStack() as places:
        for account in ("one", "one", "another"):
            await places.enter_async_context(server.service.renders.place(account))
        yield server


def at_once(
    server: Running, path: str, line: str = "Sec-Fetch-Dest: image", method: str = "GET"
) -> bytes | None:
    """Return the answer to a request that nobody has parsed, if there is one."""
    head = plain_head.read(f"{method} {path} HTTP/1.1\r\nHost: here\r\n{line}\r\n\r\n".encode())
    hot = server.app[HOT]
    assert head is not None
    assert hot is not None
    return hot.at_once(head)


async def test_who_would_wait_in_vain_is_refused_and_a_hit_is_not(full: Running) -> None:
    """The prepared answer is the router's own, header by header; what is there, or missing, is as ever."""
    small = full.path(size="small")
    early, routed, head = [await full.get(*each) for each in ((small,), (f"{small}/",), (small, "HEAD"))]
    for each in (early, routed):
        assert (each.status, each.cover, each.body) == (200, "pending", PLACEHOLDER)
    assert {**early.headers, "Date": ""} == {**routed.headers, "Date": ""} == {**head.headers, "Date": ""}
    assert head.body == b""
    assert (await full.get(full.path())).cover == "hit"
    assert (await full.get(full.path(UNCOVERED))).cover == "missing"
    wrong = COVERED[:-1] + str((int(COVERED[-1]) + 1) % 10)
    assert (await full.get(full.path(wrong))).cover == "invalid"


async def test_it_is_refused_before_the_parser(full: Running) -> None:
    """The head as it came is answered with the same bytes, without aiohttp's parser and a task."""
    small = full.path(size="small")
    routed = await full.get(f"{small}/")
    head, _, body = (at_once(full, small) or b"").partition(b"\r\n\r\n")
    assert body == PLACEHOLDER
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    headers = {name: text for name, _, text in lines}
    assert headers | {"Date": ""} == {**routed.headers, "Date": ""}
    assert (at_once(full, small, method="HEAD") or b"").endswith(b"\r\n\r\n")
    for others in ("Sec-Fetch-Mode: navigate", "Accept: application/json", "Accept: text/html"):
        assert at_once(full, small, others) is None
    assert at_once(full, full.path(UNCOVERED)) is None


async def test_what_the_kernel_cannot_tell_is_looked_for(full: Running) -> None:
    """A cover on disk is not refused where a look that must not wait told nothing, in whatever format."""
    refusal = EarlyRefusal(full.covers, full.folder.cache, full.config)
    for size, forms, is_refused in (
        ("small", (Format.AVIF, Format.JPEG), True),
        ("medium", (Format.AVIF, Format.JPEG), False),
        ("medium", (Format.JPEG,), False),
    ):
        miss = Miss(full.key, COVERED, size, forms, Glance.UNSURE)
        assert refusal.concerns(miss, lambda: True) is is_refused


async def test_other_forms_of_the_refusal_come_from_the_router(full: Running) -> None:
    """A program gets a problem, a person a page, a strict key the status; none of them the pixel."""
    small = full.path(size="small")
    program = await full.get(small, Accept="application/json")
    person = await full.get(small, Accept="text/html", Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document")
    strict = await full.get(full.path(size="small", key=(await full.new_key(strict=True)).name))
    kinds = [each.headers["Content-Type"].partition(";")[0] for each in (program, person, strict)]
    assert kinds == ["application/problem+json", "text/html", "text/plain"]
    assert [each.cover for each in (program, person, strict)] == ["pending"] * 3
    assert strict.status == 503


async def test_a_cover_in_another_format_is_a_hit(full: Running) -> None:
    """Who would like AVIF best, and takes JPEG as well, gets the JPEG that is there."""
    chrome = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
    assert (await full.get(full.path(), Accept=chrome)).headers["Content-Type"] == "image/jpeg"
    assert (await full.get(full.path(size="small"), Accept=chrome)).cover == "pending"


async def test_printed_music_under_an_isbns_address_is_a_hit(full: Running) -> None:
    """A number that begins 9790 is an ISMN: its cover is not refused for lying elsewhere than an ISBN's."""
    music = Spec(Identifier("ismn", "9790260000438"), "medium", Format.JPEG)
    full.folder.cache.put(music, Derivative(small_jpeg(), Format.JPEG, 1_217_808_000, (200, 300), None))
    elsewhere = Spec(Identifier("isbn", "9790260000438"), "medium", Format.JPEG)
    assert not full.folder.cache.layout.paths(elsewhere)[0].exists()  # so the kernel knows it without a wait
    assert (await full.get(full.path("9790260000438"))).cover == "hit"
