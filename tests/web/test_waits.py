"""Who waits how long for a cover that a slow source gives: browsers long, programs as ever."""

import asyncio
from contextlib import ExitStack

import orjson
from conftest import Start
from stdnum import ean
from upstream import BOOK, Asked, Upstream, gives, picture

from coverproxy.accounts.visitor import Visitor
from coverproxy.config import load
from coverproxy.config.sources import HttpSourceConfig
from coverproxy.domain.api_key import Key
from coverproxy.service.patience import Patience

KEY = Key("abcdefgh", "tests", 1)


def test_so_many_wait_for_long_and_no_more() -> None:
    """A place for long waits is held while it is waited, and given back; without one it is the least."""
    patience, browser = Patience(0.9, most=1), Visitor(KEY, is_automated=False, waits=8.0)

    program = Visitor(KEY, is_automated=True)
    with patience.of(program) as least, patience.of(browser) as first, patience.of(browser) as second:
        assert (least, first, second) == (0.9, 8.0, 0.9)
    with patience.of(browser) as again:
        assert again == 8.0


def test_an_account_leaves_places_to_others() -> None:
    """Of four places for long waits one account holds three; another gets the fourth."""
    patience = Patience(0.9, most=4)
    batch = Visitor(KEY, is_automated=True, waits=30.0)
    with ExitStack() as held:
        waits = [held.enter_context(patience.of(batch)) for _ in range(4)]
        other = Visitor(Key("hgfedcba", "other", 1), is_automated=False, waits=8.0)
        assert (waits, held.enter_context(patience.of(other))) == ([30.0, 30.0, 30.0, 0.9], 8.0)


def test_a_role_may_wait_less_than_the_config_says() -> None:
    """A server that gives up after half a second is told to ask again before."""
    with Patience(0.9).of(Visitor(KEY, is_automated=True, waits=0.4)) as seconds:
        assert seconds == 0.4


def test_nobody_waits_for_long_in_vain() -> None:
    """Where the queue of the sources is longer than a browser waits, it is answered as soon as a program."""
    patience, browser = Patience(0.9), Visitor(KEY, is_automated=False, waits=8.0)
    with patience.of(browser, expected=22.0) as in_vain, patience.of(browser, expected=7.5) as well:
        assert (in_vain, well) == (0.9, 8.0)


async def slow(asked: Asked) -> None:
    """A source with a second and a half of latency."""
    await asyncio.sleep(1.5)
    await gives(picture())(asked)


async def test_a_browser_waits_and_a_program_does_not(start: Start) -> None:
    """A page's cover appears with its first view; a catalogue's server is told to ask again in time."""
    waits = {"answer_within_seconds": 0.3, "browser_answer_within_seconds": 20.0}
    async with Upstream(slow).running() as upstream:
        server = await start(source=[upstream.source()], render=waits)
        program = await server.get(server.path(BOOK), Sec_Fetch_Dest="empty")
        browser = await server.get(server.path(BOOK))

    assert (program.cover, program.headers["Cache-Control"]) == ("pending", "no-store")
    assert (browser.status, browser.headers["Content-Type"]) == (200, "image/jpeg")
    assert browser.cover in ("made", "hit")
    assert len(upstream.asked) == 1


async def test_a_batch_program_waits(start: Start) -> None:
    """A program with a batch key gets the cover that a slow source gives, one with a server key does not."""
    async with Upstream(slow).running() as upstream:
        server = await start(
            source=[upstream.source()], render={"answer_within_seconds": 0.3},
            roles={"server": {"answer_within_seconds": 0.2}},
        )  # fmt: skip
        program = {"Sec_Fetch_Dest": "empty"}
        keys = [await server.new_key(role=role) for role in ("server", "batch")]
        hasty, patient = [await server.get(server.path(BOOK, key=key.name), **program) for key in keys]

    assert hasty.cover == "pending"
    assert (patient.status, patient.headers["Content-Type"]) == (200, "image/jpeg")


async def test_a_server_that_passes_on_its_readers_headers_is_one(start: Start) -> None:
    """With a server key it is answered as early as any server, whatever page its reader looks at."""
    async with Upstream(slow).running() as upstream:
        waits = {"answer_within_seconds": 0.3, "browser_answer_within_seconds": 20.0}
        server = await start(source=[upstream.source()], render=waits)
        key = await server.new_key(role="server")
        got = await server.get(server.path(BOOK, key=key.name), Sec_Fetch_Dest="image")

    assert (got.cover, got.headers["Cache-Control"]) == ("pending", "no-store")


async def test_a_server_waits_as_long_as_any_program_unless_the_config_says_otherwise(start: Start) -> None:
    """A changed render.answer_within_seconds holds for keys in the role "server" too."""
    async with Upstream(slow).running() as upstream:
        server = await start(source=[upstream.source()], render={"answer_within_seconds": 15.0})
        key = await server.new_key(role="server")
        got = await server.get(server.path(BOOK, key=key.name), Sec_Fetch_Dest="empty")

    assert (got.cover, got.headers["Content-Type"]) == ("made", "image/jpeg")


async def test_json_waits_for_the_sources(start: Start) -> None:
    """Coce keeps a "none" for a day: its shape waits three seconds, longer than a picture does."""
    async with Upstream(slow).running() as upstream:
        server = await start(source=[upstream.source()], render={"answer_within_seconds": 0.3})
        got = await server.get(f"/devkey/{server.key.name}/cover?id={BOOK}")

    assert list(orjson.loads(got.body)) == [BOOK]


async def test_what_no_source_has_said_yet_is_left_out_and_not_kept(start: Start) -> None:
    """An answer that may change in a moment is no-store, so that nobody keeps it for a day."""

    async def never(asked: Asked) -> None:
        await asyncio.sleep(60)

    async with Upstream(never).running() as upstream:
        server = await start(source=[upstream.source()])
        got = await server.get(f"/devkey/{server.key.name}/cover?id={BOOK}")

    assert (orjson.loads(got.body), got.headers["Cache-Control"]) == ({}, "no-store")


async def test_a_browser_waits_for_so_long_and_a_reload_shows_the_cover(start: Start) -> None:
    """A source that takes longer than browsers wait: they get the placeholder in time, and are told to ask
    again; the flight goes on, so whoever asks next shares it, and the source is asked once."""

    async def late(asked: Asked) -> None:
        await asyncio.sleep(1.0)
        await gives(picture())(asked)

    waits = {"answer_within_seconds": 0.1, "browser_answer_within_seconds": 0.3}
    async with Upstream(late).running() as upstream:
        server = await start(source=[upstream.source()], render=waits)
        first = await server.get(server.path(BOOK))
        views = [first]
        while views[-1].cover == "pending":
            views.append(await server.get(server.path(BOOK)))

    assert (first.status, first.cover, first.headers["Cache-Control"]) == (200, "pending", "no-store")
    assert int(first.headers["Retry-After"]) >= 1
    assert views[-1].cover in ("made", "hit")
    assert views[-1].headers["Content-Type"] == "image/jpeg"
    assert len(upstream.asked) == 1


NUMBERS = [f"97800000{number:04d}" for number in range(6)]
nothing = gives(b"", "404 Not Found")
RECORD = [number + ean.calc_check_digit(number) for number in NUMBERS]
"""Six ISBNs, as those of a record with many bindings."""


async def test_a_records_numbers_are_asked_for_at_once(start: Start) -> None:
    """If the first has no cover, the sources are asked for all others together: here they say nothing before
    they have been asked for every one. A record is answered in the time of two, however many it has."""
    others = asyncio.Barrier(len(RECORD) - 1)

    async def together(asked: Asked) -> None:
        if RECORD[0] not in asked.path:
            await others.wait()
        await (gives(picture()) if RECORD[3] in asked.path else nothing)(asked)

    async with Upstream(together).running() as upstream:
        server = await start(source=[upstream.source()], render={"answer_within_seconds": 20.0})
        path = f"/devkey/{server.key.name}/?isbn={','.join(RECORD)}&size=M"
        got = await server.get(path, Sec_Fetch_Dest="empty")
        place = server.path(RECORD[3])

    assert (got.cover, got.headers["Content-Location"]) == ("made", place)
    assert len(upstream.asked) == len(RECORD)


async def test_a_record_takes_no_longer_than_a_cover(start: Start) -> None:
    """A source that is late for each of its numbers makes a program wait once, not for each."""

    async def late(asked: Asked) -> None:
        await asyncio.sleep(0.3)
        await nothing(asked)

    async with Upstream(late).running() as upstream:
        server = await start(source=[upstream.source()], render={"answer_within_seconds": 0.4})
        path = (
            f"/index.aspx?client={server.key.name}&isbn={RECORD[0]}&isbn={RECORD[1]}&isbn={RECORD[2]}/MC.GIF"
        )
        views = [await server.get(path, Sec_Fetch_Dest="empty")]
        while views[-1].cover == "pending":
            views.append(await server.get(path, Sec_Fetch_Dest="empty"))

    assert len(views) > 1
    assert views[0].headers["Cache-Control"] == "no-store"
    assert (views[-1].status, views[-1].cover) == (200, "missing")
    assert len(upstream.asked) == 3


def test_a_source_may_take_longer_than_a_browser_waits() -> None:
    """By default no source is abandoned, or thought silent, while a browser waits for it."""
    source = {"name": "slow", "kind": "http", "url": "https://covers.example.org/{isbn13}.jpg"}
    for given in (source, {"preset": "openlibrary"}):
        config = load(None, {}, {"source": [given]})
        waited, (slow,) = config.render.browser_answer_within_seconds, config.source
        assert isinstance(slow, HttpSourceConfig)
        assert waited < slow.idle_seconds <= slow.timeout_seconds
