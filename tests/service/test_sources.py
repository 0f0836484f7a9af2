"""Originals from elsewhere: what a client gets and what is remembered, whatever a source does."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import s3_server
from conftest import COVERED, Got, Running, Start
from images import cover, gif, jpeg, solid
from samples import book
from upstream import (
    BOOK,
    Asked,
    Behaviour,
    Upstream,
    bomb,
    cut,
    endless,
    gives,
    hangs_up,
    leads,
    of_its_own,
    picture,
    silent,
    slow_body,
    slow_head,
    storm,
)

from coverproxy.domain.isbn import to_isbn10
from coverproxy.domain.spec import Identifier
from coverproxy.imaging.decoder import ProcessDecoder
from coverproxy.imaging.render_process import Bounds, RenderReply
from coverproxy.imaging.render_processes import RenderProcesses
from coverproxy.sources.base import Fetched, Validators

PATIENT = {"answer_within_seconds": 15.0}

Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A source that gives a cover, until it is told otherwise."""
    async with Upstream(gives(picture())).running() as made:
        yield made


@pytest.fixture
async def serve(start: Start, upstream: Upstream) -> Serve:
    """A function that starts a service with that source; keyword arguments are keys of it."""

    async def serving(render: dict[str, Any] = PATIENT, **values: Any) -> Running:
        return await start(source=[upstream.source(**values)], render=render)

    return serving


async def metrics(server: Running) -> str:
    """All metrics as text."""
    async with server.client.get(server.listeners.ops_url + "/metrics") as response:
        return await response.text()


async def both(server: Running, isbn: str = BOOK) -> tuple[Got, Got]:
    """What a lenient and a strict client get."""
    return await server.get(server.path(isbn)), await server.get(server.path(isbn) + "?default=404")


async def test_a_cover_comes_from_a_source(serve: Serve, upstream: Upstream) -> None:
    """An unknown book is fetched once, in whatever size it is asked for, and counted per size as ever."""
    server = await serve()
    first = await server.get(server.path(BOOK))
    large = await server.get(server.path(to_isbn10(BOOK) or "", size="large"))
    again = await server.get(server.path(BOOK))

    assert [each.cover for each in (first, large, again)] == ["made", "made", "hit"]
    assert first.headers["X-Cover-Original"] == "300x450"
    assert large.headers["X-RateLimit-Remaining"] == "998"
    assert [each.path for each in upstream.asked] == [f"/{BOOK}.jpg"]
    assert 'source_asks_total{outcome="found",source="up"} 1.0' in await metrics(server)
    (original,) = server.folder.catalogue.find(Identifier("isbn", BOOK))
    assert (original.source, original.path) == ("up", None)


class Counted(RenderProcesses):
    """Real render processes that note what they are asked for."""

    asked: list[str]

    def run(self, operation: str, arguments: tuple[Any, ...], body: bytes) -> RenderReply:
        self.asked.append(operation)
        return super().run(operation, arguments, body)


async def test_what_comes_is_decoded_once(serve: Serve) -> None:
    """To keep a picture its header is read, and its pixels once: for damage and for its detail alike."""
    server = await serve()
    ingestor, got = server.service.ingestor, Fetched(picture(), Validators(None, None))
    processes = Counted(1, Bounds(30.0, 2**29, 2**24))
    processes.asked = []
    with closing(processes):
        sketch = ingestor.sketch(Identifier("isbn", BOOK), "up", got)
        original = await asyncio.to_thread(ingestor.examine, sketch, got.body, ProcessDecoder(processes))

    assert processes.asked == ["measure", "verify"]
    assert original.detail is not None
    assert original.detail > 0.8
    assert original.content == pytest.approx(0.9, abs=0.05)


async def test_what_is_here_is_never_asked_for(serve: Serve, upstream: Upstream) -> None:
    """A book that has an original here needs no source."""
    server = await serve()

    assert (await server.get(server.path(COVERED))).cover == "made"
    assert upstream.asked == []


NOT_THERE: list[tuple[str, Behaviour, dict[str, Any]]] = [
    ("404", gives(b"", "404 Not Found"), {}),
    ("a page", gives(b"<html>not found</html>", Content_Type="text/html"), {}),
    ("1x1 GIF", gives(gif(solid((1, 2, 3), 1, 1))), {}),
    ("too small for this source", gives(jpeg(cover(60, 90))), {"missing_under_px": 100}),
    ("not an image", gives(b"\x00" * 5000, Content_Type="image/jpeg"), {}),
    ("SVG", gives(b"<svg xmlns='http://www.w3.org/2000/svg'/>", Content_Type="image/svg+xml"), {}),
    ("PDF", gives(b"%PDF-1.7\n" + bytes(3000), Content_Type="image/jpeg"), {}),
    ("MATLAB", gives(b"MATLAB 5.0 MAT-file" + bytes(3000), Content_Type="image/jpeg"), {}),
    ("libvips' own", gives(b"\x08\xf2\xa6\xb6" + bytes(3000), Content_Type="image/jpeg"), {}),
    ("half a picture", gives(picture()[: len(picture()) // 2]), {}),
    ("endless", endless, {}),
    ("a lead to a page for none", leads("/none.html"), {"missing_redirects": ["none.html"]}),
]


@pytest.mark.parametrize(
    ("behave", "values"), [each[1:] for each in NOT_THERE], ids=[each[0] for each in NOT_THERE]
)
async def test_not_there_is_remembered(
    serve: Serve, upstream: Upstream, behave: Behaviour, values: dict[str, Any]
) -> None:
    """The client gets "missing", and the source is not asked again; nothing is kept, nothing counted."""
    server = await serve(**values)
    upstream.behave = behave
    lenient, strict = await both(server)
    asked = len(upstream.asked)
    server.service.absent._until.clear()  # as another worker would see it
    await server.get(server.path(BOOK, size="small"))

    assert (lenient.cover, lenient.status, strict.status) == ("missing", 200, 404)
    assert lenient.headers["X-RateLimit-Remaining"] == "1000"
    assert len(upstream.asked) == asked <= 1
    assert server.folder.catalogue.find(Identifier("isbn", BOOK)) == []
    assert not list(server.originals.rglob(f"{BOOK}*"))
    assert not list(server.folder.cache.layout.top.rglob(f"{BOOK}*"))


COULD_NOT_ASK: list[tuple[str, Behaviour, str]] = [
    ("silent", silent, "timeout"),
    ("slow head", slow_head, "timeout"),
    ("slow body", slow_body, "timeout"),
    ("cut", cut, "cut"),
    ("wrong length", gives(picture(), Content_Length=len(picture()) // 2), "protocol"),
    ("hangs up", hangs_up, "protocol"),
    ("500", gives(b"", "500 Internal Server Error"), "status"),
    ("gzip bomb", bomb(), "encoded"),
    ("redirect loop", leads("/a", "/b"), "redirect"),
    ("redirect to a private address", leads("http://192.168.0.1/"), "address"),
    ("redirect to metadata", leads("http://169.254.169.254/"), "address"),
]


@pytest.mark.parametrize(
    ("behave", "why"), [each[1:] for each in COULD_NOT_ASK], ids=[each[0] for each in COULD_NOT_ASK]
)
async def test_could_not_ask_is_not_remembered(
    serve: Serve, upstream: Upstream, behave: Behaviour, why: str
) -> None:
    """The client gets "unavailable" and may not keep it; once the source is well, it gets the cover."""
    server = await serve(timeout_seconds=2.0, idle_seconds=1.0)
    upstream.behave = behave
    lenient, strict = await both(server)
    upstream.behave = gives(picture())
    well = await server.get(server.path(BOOK))

    assert (lenient.cover, lenient.status, strict.status) == ("unavailable", 200, 503)
    assert (lenient.headers["Cache-Control"], "Retry-After" in lenient.headers) == ("no-store", True)
    assert lenient.headers["X-RateLimit-Remaining"] == "1000"
    assert well.cover == "made"
    assert f'outcome="{why}",source="up"' in await metrics(server)


async def test_a_source_slower_than_a_client_waits(serve: Serve, upstream: Upstream) -> None:
    """The client is told to ask again in time; the ask goes on, and the next one gets the cover."""
    told = asyncio.Event()

    async def behave(asked: Asked) -> None:
        await told.wait()
        await gives(picture())(asked)

    upstream.behave = behave
    server = await serve(render={"answer_within_seconds": 0.3})
    first = await server.get(server.path(BOOK))
    told.set()
    while len(server.service.flights):
        await asyncio.sleep(0.02)

    assert (first.cover, first.headers["Cache-Control"]) == ("pending", "no-store")
    assert (await server.get(server.path(BOOK))).cover == "hit"
    assert len(upstream.asked) == 1


async def test_a_source_may_be_asked_by_isbn10_only(serve: Serve, upstream: Upstream) -> None:
    """A 979 is missing at once where the source goes by ISBN-10; a 978 is asked for by that."""
    server = await serve(url=upstream.url.replace("isbn13", "isbn10"))

    assert (await server.get(server.path("9798992242508"))).cover == "missing"
    assert (await server.get(server.path(BOOK))).cover == "made"
    assert [each.path for each in upstream.asked] == [f"/{to_isbn10(BOOK)}.jpg"]


async def test_many_clients_are_one_ask(serve: Serve, upstream: Upstream) -> None:
    """A hundred requests for one book in three sizes and two formats at once are one ask."""
    server = await serve()
    sizes = [("small", ""), ("medium", ""), ("large", ""), ("medium", ".webp")] * 25
    got = await asyncio.gather(*(server.get(server.path(BOOK + end, size=size)) for size, end in sizes))

    assert {each.cover for each in got} == {"made", "hit"}
    assert len(upstream.asked) == 1


async def test_who_hangs_up_loses_nobody_the_cover(serve: Serve, upstream: Upstream) -> None:
    """The client that led hangs up while the source is asked: the others get the cover, of one ask."""
    told = asyncio.Event()

    async def behave(asked: Asked) -> None:
        await told.wait()
        await gives(picture())(asked)

    upstream.behave = behave
    server = await serve()
    leader = asyncio.ensure_future(server.get(server.path(BOOK)))
    while not upstream.asked:
        await asyncio.sleep(0.01)
    followers = [asyncio.ensure_future(server.get(server.path(BOOK))) for _ in range(5)]
    leader.cancel()
    await asyncio.sleep(0.05)
    told.set()
    got = await asyncio.gather(*followers)

    assert {each.cover for each in got} == {"hit"}
    assert len(upstream.asked) == 1


async def test_a_dead_source_touches_nothing_else(start: Start, upstream: Upstream) -> None:
    """With a source that is silent for a minute: hits are hits, originals here are made, all long before."""
    dead = upstream.source(timeout_seconds=60.0, idle_seconds=60.0, concurrency=2)
    server = await start(source=[dead], render={"answer_within_seconds": 0.5}, server={"stop_seconds": 0.1})
    upstream.behave = silent
    while (await server.get(server.path(COVERED))).cover == "pending":
        pass
    started = time.monotonic()
    paths = [server.path(COVERED if number % 2 else book(number)) for number in range(200)]
    labels = [each.cover for each in await asyncio.gather(*map(server.get, paths))]
    other = await server.get(server.path(COVERED, size="large"))

    assert time.monotonic() - started < 45
    assert set(labels[1::2]) == {"hit"}
    assert set(labels[::2]) == {"pending"}
    assert other.cover in ("made", "pending")
    assert len(upstream.asked) == 2


async def test_a_dead_source_is_left_alone(serve: Serve, upstream: Upstream) -> None:
    """After five failures it is not asked any more, for any book; /readyz tells, and stays ready."""
    server = await serve(idle_seconds=0.05)
    upstream.behave = silent
    labels = [(await server.get(server.path(book(number)))).cover for number in range(12)]
    async with server.client.get(server.listeners.ops_url + "/readyz") as response:
        ready = response.status, await response.json()

    assert set(labels) == {"unavailable"}
    assert len(upstream.asked) == 5
    assert (ready[0], ready[1]["sources"]) == (200, {"up": "open"})
    text = await metrics(server)
    assert 'coverproxy_source_state{source="up"} 2.0' in text
    assert 'coverproxy_source_asks_total{outcome="open",source="up"} 7.0' in text


async def test_a_storm_passes(serve: Serve, upstream: Upstream) -> None:
    """Five times 500 open the breaker; nothing was remembered, and when it closes the covers come."""
    server = await serve()
    upstream.behave = storm(5, of_its_own)
    labels = [(await server.get(server.path(book(number)))).cover for number in range(8)]
    (gate,) = server.service.fetcher._chain.gates
    gate._breaker = gate._breaker.told_to_wait(gate._now(), 0)
    object.__setattr__(gate._breaker, "open_until", gate._now())  # the pause is over
    after = [(await server.get(server.path(book(number)))).cover for number in range(2)]

    assert labels == ["unavailable"] * 8
    assert len(upstream.asked) == 7
    assert after == ["made", "made"]
    assert server.service.fetcher.states() == {"up": "closed"}


async def test_flapping_remembers_nothing_false(serve: Serve, upstream: Upstream) -> None:
    """A source that fails every other time: each book is made or unavailable, never missing."""
    server = await serve()
    turn = iter(range(100))

    async def behave(asked: Asked) -> None:
        is_well = next(turn) % 2
        await (gives(picture()) if is_well else cut)(asked)

    upstream.behave = behave
    labels = [(await server.get(server.path(BOOK, size=size))).cover for size in ("small", "small", "large")]

    assert labels == ["unavailable", "made", "made"]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
async def test_a_wish_to_be_left_alone_is_obeyed(serve: Serve, upstream: Upstream, status: str) -> None:
    """After a Retry-After nobody asks, for any book, and other processes know it too."""
    server = await serve()
    upstream.behave = gives(b"", status, Retry_After=90)
    labels = [(await server.get(server.path(book(number)))).cover for number in range(5)]
    paused = server.folder.recall.look(Identifier("isbn", BOOK), time.time()).paused

    assert labels == ["unavailable"] * 5
    assert len(upstream.asked) == 1
    assert 80 < paused["up"] <= 90


async def test_requests_per_second_are_kept(serve: Serve, upstream: Upstream) -> None:
    """At ten a second with a burst of two, five books take three tenths of a second."""
    server = await serve(requests_per_second=10.0, burst=2, timeout_seconds=5.0)
    upstream.behave = gives(b"", "404 Not Found")
    started = time.monotonic()
    await asyncio.gather(*(server.get(server.path(book(number))) for number in range(5)))

    assert time.monotonic() - started > 0.28
    assert len(upstream.asked) == 5


async def test_no_more_at_once_than_allowed(serve: Serve, upstream: Upstream) -> None:
    """A source that takes two at a time is never asked for a third meanwhile."""
    under_way = most = 0

    async def behave(asked: Asked) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= 1
        await gives(b"", "404 Not Found")(asked)

    upstream.behave = behave
    server = await serve(concurrency=2, timeout_seconds=5.0)
    await asyncio.gather(*(server.get(server.path(book(number))) for number in range(10)))

    assert (most, len(upstream.asked)) == (2, 10)


async def test_more_asks_than_may_wait_are_refused_at_once(start: Start, upstream: Upstream) -> None:
    """With room for three asks the fourth book is told to ask again; it is not remembered."""
    server = await start(source=[upstream.source(timeout_seconds=5.0)], asking={"queue": 3}, render=PATIENT)

    are_refused = asyncio.Event()

    async def behave(asked: Asked) -> None:
        await are_refused.wait()
        await of_its_own(asked)

    upstream.behave = behave
    asking = [asyncio.create_task(server.get(server.path(book(number)))) for number in range(8)]
    labels = [(await each).cover for each in islice(asyncio.as_completed(asking), 5)]
    are_refused.set()
    await asyncio.gather(*asking)

    assert labels == ["pending"] * 5
    assert len(upstream.asked) == 3


async def test_what_is_remembered_ends(start: Start, upstream: Upstream) -> None:
    """For `asking.absent_seconds`, give or take the jitter, it is missing; then the source is asked again."""
    asking = {"absent_seconds": 1000.0, "absent_jitter": 0.5}
    server = await start(
        source=[upstream.source()], asking=asking, render=PATIENT, cache={"absent_seconds": 0.01}
    )
    upstream.behave = gives(b"", "404 Not Found")
    for _ in range(3):
        assert (await server.get(server.path(BOOK))).cover == "missing"
    recall, name, now = server.folder.recall, Identifier("isbn", BOOK), time.time()
    is_absent = [recall.look(name, now + later).is_absent for later in (400, 1600)]
    asked = len(upstream.asked)
    recall.note_absent(name, now - 1, now)  # it is over
    upstream.behave = gives(picture())
    await asyncio.sleep(0.02)

    assert (is_absent, asked) == ([True, False], 1)
    assert (await server.get(server.path(BOOK))).cover == "made"


def two(upstream: Upstream, **values: Any) -> list[dict[str, object]]:
    """Two sources on one server, told apart by their paths."""
    first = upstream.source(name="first", url=upstream.url.replace("/{", "/first/{"), **values)
    return [first, upstream.source(name="second", url=upstream.url.replace("/{", "/second/{"))]


def by_source(first: Behaviour, second: Behaviour) -> Behaviour:
    """Answers each of two sources in its own way."""

    async def behave(asked: Asked) -> None:
        await (first if asked.path.startswith("/first/") else second)(asked)

    return behave


NO = gives(b"", "404 Not Found")
DOWN = gives(b"", "500 Internal Server Error")
YES = gives(picture())

WRONG = gives(b"\x00" * 100)

CHAINS = {
    "yes": (YES, YES, "made", 1, True),
    "no, yes": (NO, YES, "made", 2, True),
    "down, yes": (DOWN, YES, "made", 2, True),
    "no image, yes": (WRONG, YES, "made", 2, True),
    "no, no": (NO, NO, "missing", 2, True),
    "no, down": (NO, DOWN, "unavailable", 2, False),
    "down, no": (DOWN, NO, "unavailable", 2, False),
    "down, down": (DOWN, DOWN, "unavailable", 2, False),
}


@pytest.mark.parametrize(("first", "second", "label", "asks", "settled"), CHAINS.values(), ids=CHAINS.keys())
async def test_three_answers_of_two_sources(
    start: Start, upstream: Upstream, first: Any, second: Any, label: str, asks: int, settled: bool
) -> None:
    """The next is asked where one has none or fails; "missing" takes a "no" from both, and stays."""
    server = await start(source=two(upstream), render=PATIENT)
    upstream.behave = by_source(first, second)
    got = await server.get(server.path(BOOK))
    asked = len(upstream.asked)
    server.service.absent._until.clear()
    await server.get(server.path(BOOK, size="large"))

    assert (got.cover, asked) == (label, asks)
    assert (len(upstream.asked) == asked) is settled


async def test_the_higher_priority_is_asked_first(start: Start, upstream: Upstream) -> None:
    """The config's order counts only between equals."""
    server = await start(source=two(upstream, priority=-1), render=PATIENT)
    await server.get(server.path(BOOK))

    assert [each.path for each in upstream.asked] == [f"/second/{BOOK}.jpg"]


async def test_side_by_side_the_preferred_wins(start: Start, upstream: Upstream) -> None:
    """Asked at once, the slower but preferred source's cover is it."""

    async def late(asked: Asked) -> None:
        await asyncio.sleep(0.2)
        await YES(asked)

    server = await start(source=two(upstream), asking={"side_by_side": True}, render=PATIENT)
    upstream.behave = by_source(late, gives(picture(310)))
    got = await server.get(server.path(BOOK))

    assert {each.path.split("/")[1] for each in upstream.asked} == {"first", "second"}
    assert got.headers["X-Cover-Original"] == "300x450"


async def test_side_by_side_nobody_waits_for_the_less_preferred(start: Start, upstream: Upstream) -> None:
    """Once the preferred source has given a cover, the other is let go."""
    server = await start(source=two(upstream), asking={"side_by_side": True}, render=PATIENT)
    upstream.behave = by_source(YES, silent)
    started = time.monotonic()

    assert (await server.get(server.path(BOOK))).cover == "made"
    assert time.monotonic() - started < 2.9  # the other is silent for 3 s


async def test_a_list_is_asked_for_in_order(serve: Serve, upstream: Upstream) -> None:
    """Of Koha's `978… | 0…` list the first that a source has is it."""
    server = await serve()

    async def behave(asked: Asked) -> None:
        await (YES if BOOK in asked.path else NO)(asked)

    upstream.behave = behave
    got = await server.get(server.path(f"{book(1)}%20|%20{BOOK}"))

    assert got.cover == "made"
    assert [each.path for each in upstream.asked] == [f"/{book(1)}.jpg", f"/{BOOK}.jpg"]


ART = jpeg(cover(200, 280))


async def test_art_for_none_is_recognised_and_withdrawn(serve: Serve, upstream: Upstream) -> None:
    """The same bytes for books of three publishers: what was served of them is dropped; all are missing."""
    server = await serve()
    upstream.behave = gives(ART)
    labels = [(await server.get(server.path(book(number)))).cover for number in range(3)]
    after = [(await server.get(server.path(book(number)))).cover for number in range(5)]

    assert labels == ["made", "made", "missing"]
    assert after == ["missing"] * 5
    for number in range(5):
        assert server.folder.catalogue.find(Identifier("isbn", book(number))) == []
        assert not list(server.folder.cache.layout.top.rglob(f"{book(number)}*"))
        assert not list(server.originals.rglob(f"{book(number)}*"))
    assert 'source_refused_total{reason="same-bytes",source="up"} 5.0' in await metrics(server)


async def test_quarantined_bytes_are_not_decoded(serve: Serve, upstream: Upstream) -> None:
    """What once killed a worker is missing, whatever source gives it; it is not even measured."""
    server = await serve()
    digest = hashlib.sha256(picture()).digest()[:16]
    server.folder.catalogue.quarantine(digest, "SIGSEGV", 1)

    assert (await server.get(server.path(BOOK))).cover == "missing"
    assert server.folder.catalogue.find(Identifier("isbn", BOOK)) == []
    assert 'source_refused_total{reason="quarantined",source="up"} 1.0' in await metrics(server)


async def test_a_disk_that_takes_nothing_is_no_missing_cover(serve: Serve, upstream: Upstream) -> None:
    """An original that cannot be kept makes the answer "unavailable"; with the disk back, it is made."""
    server = await serve()
    folder = server.folder.files._temporary
    folder.rmdir()
    folder.write_bytes(b"in the way")
    full = await server.get(server.path(BOOK))
    folder.unlink()
    folder.mkdir()

    assert full.cover == "unavailable"
    assert (await server.get(server.path(BOOK))).cover == "made"


async def test_a_memory_that_fails_is_no_obstacle(serve: Serve, upstream: Upstream) -> None:
    """Where nothing can be remembered, sources are asked all the same."""
    server = await serve()
    server.folder.recall.close()
    found = await server.get(server.path(BOOK))
    upstream.behave = gives(b"", "404 Not Found")

    assert found.cover == "made"
    assert (await server.get(server.path(book(1)))).cover == "missing"


async def test_editions_may_share_a_cover(serve: Serve, upstream: Upstream) -> None:
    """Two books of one publisher with the same picture keep it."""
    server = await serve()
    labels = [(await server.get(server.path(isbn))).cover for isbn in ("9780141439495", "9780141439563")]

    assert labels == ["made", "made"] or labels == ["made", "hit"]


async def test_a_folder_and_an_object_store_are_sources(start: Start, tmp_path: Path) -> None:
    """A cover comes from a live folder, and, where that has none, from an S3 bucket; no one has the third."""
    shelf = tmp_path / "shelf" / "97814"
    shelf.mkdir(parents=True)
    (shelf / "9781401234560.jpg").write_bytes(picture(300))
    async with s3_server.running() as store:
        store.objects[f"{BOOK}.jpg"] = s3_server.Stored(picture(310), 1_217_851_200)
        folder = {"kind": "folder", "name": "shelf", "dir": str(shelf.parent), "priority": 1}
        keys = {"region": s3_server.REGION, "access_key_id": s3_server.KEY_ID}
        secret = {"secret_access_key": s3_server.SECRET}
        url = f"s3://{s3_server.BUCKET}"
        bucket = {"kind": "objectstore", "name": "bucket", "url": url, "endpoint": store.url}
        server = await start(
            source=[
                {**folder, "pattern": "{isbn13:0:5}/{isbn13}.jpg"}, {**bucket, "options": keys | secret},
            ],
            render=PATIENT,
        )  # fmt: skip
        books = ["9781401234560", BOOK, book(1)]
        got = [await server.get(server.path(isbn)) for isbn in books]

    assert [each.cover for each in got] == ["made", "made", "missing"]
    assert [each.headers.get("X-Cover-Original") for each in got] == ["300x450", "310x450", None]
    assert len(store.got) == 2


async def test_a_secret_stands_in_the_environment_only(
    serve: Serve, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`{env:NAME}` is put into URL and headers when the service starts, and stands in no config."""
    monkeypatch.setenv("COVER_TOKEN", "a b&c")
    server = await serve(
        url=upstream.url + "?t={env:COVER_TOKEN}", headers={"X-Key": "Bearer {env:COVER_TOKEN}"}
    )
    await server.get(server.path(BOOK))

    assert upstream.asked[0].path == f"/{BOOK}.jpg?t=a%20b%26c"
    assert upstream.asked[0].header("X-Key") == "Bearer a b&c"
    assert "a b&c" not in server.config.model_dump_json()


async def test_one_coverproxy_before_another(start: Start, upstream: Upstream) -> None:
    """Through the preset `librarything`: its covers come, its "none" is none, its "ask again" is not."""
    behind = await start(quota={"daily_limit": 1})
    few = await behind.new_key(daily_limit=2)
    url = f"{behind.listeners.url}/devkey/{few.name}/large/isbn/{{isbn13}}?default=404"
    before = await start(
        source=[{"preset": "librarything", "name": "behind", "url": url, "allow": ["127.0.0.1"]}],
        render=PATIENT,
    )
    with_none = (await before.get(before.path(BOOK))).cover
    for original in before.originals.rglob(f"{COVERED}-*"):
        original.unlink()
    with before.folder.catalogue.writing() as tables:
        for each in tables.find(Identifier("isbn", COVERED)):
            tables.remove(each)
    with_cover = await before.get(before.path(COVERED))

    assert with_none == "missing"
    assert (with_cover.cover, with_cover.headers["X-Cover-Size"]) == ("made", "200x300")
