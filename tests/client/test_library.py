"""The client library: each verb and each error against a real server, and its patience against a slow one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import images
import pytest
from aiohttp import web
from conftest import COVERED, UNCOVERED, Running, Start
from ending import end
from ports import free_port

from coverproxy import client
from coverproxy.client import AsyncClient, Client
from coverproxy.client.classify import ServerAnswer
from coverproxy.client.errors import error_of, is_passing
from coverproxy.domain.api_key import Key, hashed, new_name, new_secret
from coverproxy.domain.cover_status import CoverStatus

TOKEN = "a-long-admin-token"  # noqa: S105 - of these tests only
RED = images.jpeg(images.solid(images.RED, 400, 600))
KEY = "secretkeysecret"

Serving = Callable[[Callable[[int], web.Response]], Awaitable[str]]


@pytest.fixture
async def server(start: Start) -> Running:
    """A server with a way in for administrators."""
    return await start(admin={"token": TOKEN})


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """A function that starts a server which answers its nth request, from 0, as a function says."""
    runners = []

    async def start(answer: Callable[[int], web.Response]) -> str:
        asked: list[web.Request] = []

        async def handle(request: web.Request) -> web.Response:
            await request.read()
            asked.append(request)
            return answer(len(asked) - 1)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        return site.name

    yield start
    for runner in runners:
        await end(runner)


def busy(seconds: str = "0", label: str = "pending", status: int = 503) -> web.Response:
    return web.Response(status=status, headers={"X-Cover-Status": label, "Retry-After": seconds})


def cover() -> web.Response:
    return web.Response(body=RED, headers={"X-Cover-Status": "hit"})


async def test_a_cover_is_got_by_any_spelling(server: Running) -> None:
    """It comes whole with its type and status, in the size asked for; a book without one gives None."""
    async with AsyncClient(server.listeners.url + "/", server.key.name) as here:
        made, hit = await here.get(f"ISBN {COVERED}"), await here.get(f"isbn:{COVERED}")
        assert made
        assert hit
        assert (made.status, hit.status, made.type, made.extension) == ("made", "hit", "image/jpeg", "jpg")
        assert made.bytes == hit.bytes == (await server.get(server.path(COVERED))).body
        assert made.etag
        large = await here.get(COVERED, "large")
        assert large
        assert len(large.bytes) > len(made.bytes)
        assert await here.get(UNCOVERED) is None
        assert await here.get("oclc:52517734") is None


async def test_what_is_wrong_has_its_own_error(server: Running) -> None:
    """Identifier, size, key and quota: each error names what is wrong, and shows no whole key."""
    async with AsyncClient(server.listeners.url, server.key.name) as here:
        for text in ("9780141439557", "..", "", "x" * 401, "oclc:x", "978/014"):
            with pytest.raises(client.InvalidIdentifier):
                await here.get(text)
        with pytest.raises(client.UnknownSize, match="no such size"):
            await here.get(COVERED, "enormous")
    with pytest.raises(ValueError, match="owner's secret, not the key") as told:
        AsyncClient(server.listeners.url, new_secret())
    assert "cp_sec_" not in str(told.value)
    unknown = new_name()
    async with AsyncClient(server.listeners.url, unknown) as here:
        for asking in (here.get(COVERED), here.have([COVERED]), here.info([COVERED])):
            with pytest.raises(client.KeyRefused) as caught:
                await asking
            assert unknown not in str(caught.value)
    poor = await server.new_key(daily_limit=0)
    async with AsyncClient(server.listeners.url, poor.name) as here:
        with pytest.raises(client.QuotaExceeded, match="quota") as used:
            await here.get(COVERED, "large")
        assert used.value.resets_at is not None


async def test_many_are_asked_about_at_once(server: Running) -> None:
    """`have` answers each as it was sent, more than the service takes in one question too."""
    many = [COVERED, UNCOVERED, "nonsense", *(f"oclc:{number}" for number in range(1, 1100))]
    async with AsyncClient(server.listeners.url, server.key.name) as here:
        found = await here.have(many)
        assert list(found) == many
        assert [found[each] for each in many[:4]] == [True, False, None, False]
        assert await here.have([]) == {}
        assert await here.have(COVERED) == {COVERED: True}


async def test_details_are_told(server: Running) -> None:
    """`info` says how each is read, and for one with a cover its size, colour and addresses."""
    async with AsyncClient(server.listeners.url, server.key.name) as here:
        found = await here.info([COVERED, UNCOVERED, "nonsense", "oclc:1"])
    has = found[COVERED]
    assert (has.identifier, has.has_cover, has.status) == (f"isbn:{COVERED}", True, "found")
    assert has.size
    assert has.colour
    assert has.thumbhash
    assert COVERED in has.answer["sizes"]["medium"]["formats"]["jpg"]["url"]
    assert [found[each].status for each in (UNCOVERED, "nonsense", "oclc:1")] == [
        "missing", "invalid", "missing",
    ]  # fmt: skip
    assert found["nonsense"].why
    assert found["oclc:1"].identifier == "oclc:1"


async def test_covers_are_sent(server: Running, tmp_path: Path) -> None:
    """An administrator's cover, from a file, is shown at once; an owner's, as bytes, waits for a review."""
    file = tmp_path / "cover.jpg"
    file.write_bytes(RED)
    async with AsyncClient(server.listeners.url, server.key.name) as here:
        sent = await here.upload(UNCOVERED, file, secret=TOKEN, licence="CC BY 4.0", note="a & b")
        assert (sent.status, sent.answer["width"]) == ("shown", 400)
        told = (await here.info([UNCOVERED]))[UNCOVERED]
        assert (told.size, told.answer["original"]["licence"]) == ((400, 600), "CC BY 4.0")
        with pytest.raises(client.NotTheOwner):
            await here.upload(UNCOVERED, RED, secret="wrong")  # noqa: S106 - it is wrong on purpose
        with pytest.raises(client.PictureRefused):
            await here.upload(UNCOVERED, b"no picture at all", secret=TOKEN)
        with pytest.raises(client.BadRequest, match="until"):
            await here.upload(UNCOVERED, RED, secret=TOKEN, until="tomorrow")
        with pytest.raises(FileNotFoundError):
            await here.upload(UNCOVERED, tmp_path / "none.jpg", secret=TOKEN)
    owned = Key(new_name(), "library", 1000, owner=hashed("the owners word"))
    await server.service.accounts.save(owned)
    async with AsyncClient(server.listeners.url, owned.name) as here:
        waits = await here.upload("oclc:52517734", RED, secret="the owners word")  # noqa: S106 - as above
        assert (waits.status, len(waits.digest)) == ("pending", len(sent.digest))


async def test_programs_without_a_loop_use_the_same(server: Running, tmp_path: Path) -> None:
    """The blocking client has the same verbs, from several threads, and is closed with its thread."""

    def use() -> None:
        with Client(server.listeners.url, server.key.name) as here:
            found = here.get(COVERED)
            assert found
            assert found.type == "image/jpeg"
            assert here.have([COVERED, UNCOVERED]) == {COVERED: True, UNCOVERED: False}
            assert here.info([COVERED])[COVERED].has_cover
            assert here.upload(UNCOVERED, RED, secret=TOKEN).status == "shown"
            with pytest.raises(client.InvalidIdentifier):
                here.get("nonsense")
        here.close()
        with pytest.raises(ValueError, match="closed"):
            here.get(COVERED)

    await asyncio.to_thread(use)


async def test_it_waits_as_the_service_says(serving: Serving) -> None:
    """Answers that ask to wait, ours and a proxy's, are asked again until the cover is there."""
    answers = [busy(), busy(label="throttled", status=429), web.Response(status=502), cover()]
    answers[2].headers["Retry-After"] = "0"
    async with AsyncClient(await serving(answers.__getitem__), KEY) as here:
        found = await here.get(COVERED)
    assert found
    assert found.bytes == RED


@pytest.mark.parametrize(
    ("answer", "asked", "seconds"), [(busy, 3, 0.0), (lambda: busy("900"), 1, 900.0)], ids=["often", "long"]
)
async def test_it_does_not_wait_for_ever(
    serving: Serving, answer: Callable[[], web.Response], asked: int, seconds: float
) -> None:
    """After `tries` requests, or where the wait would exceed `max_wait`, it gives up and tells the wait."""
    count = 0

    def again(number: int) -> web.Response:
        nonlocal count
        count = number + 1
        return answer()

    async with AsyncClient(await serving(again), KEY, tries=3, max_wait=5.0) as here:
        with pytest.raises(client.TryLater) as caught:
            await here.get(COVERED)
    assert (count, caught.value.retry_after) == (asked, seconds)


async def test_a_used_up_quota_is_not_asked_again(serving: Serving) -> None:
    """It has the status of a throttled request, but lasts until the day ends."""
    answers = [busy("1", label="quota", status=429)]  # a second request would be an IndexError there
    async with AsyncClient(await serving(answers.__getitem__), KEY) as here:
        with pytest.raises(client.QuotaExceeded):
            await here.get(COVERED)


async def test_another_program_at_the_address_is_told(serving: Serving) -> None:
    """Pages, redirects and truncated pictures are no covers; a secret does not follow a redirect."""
    moved = web.Response(status=301, headers={"Location": "https://elsewhere.example/"})
    cut = web.Response(body=RED[:500], headers={"X-Cover-Status": "hit"})
    answers = [web.Response(text="<html>"), cut, web.Response(text="<html>"), web.Response(text="[]"), moved]
    async with AsyncClient(await serving(answers.__getitem__), KEY) as here:
        for asking in (here.get(COVERED), here.get(COVERED), here.have([COVERED]), here.have([COVERED])):
            with pytest.raises(client.UnexpectedAnswer):
                await asking
        with pytest.raises(client.UnexpectedAnswer, match=r"elsewhere\.example"):
            await here.upload(COVERED, RED, secret=TOKEN)


async def test_a_service_that_is_not_there_is_told() -> None:
    """The error names the address and abridges the key."""
    async with AsyncClient(f"http://127.0.0.1:{free_port()}", KEY, tries=1) as here:
        with pytest.raises(client.Unreachable, match=r"127\.0\.0\.1") as caught:
            await here.get(COVERED)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "key"),
    [("covers.example.org", KEY), ("ftp://covers.example.org", KEY), ("https://covers.example.org?a", KEY),
     ("https://covers.example.org", " ")],
)  # fmt: skip
def test_a_wrong_address_or_key_is_told_at_once(url: str, key: str) -> None:
    """Before any request, and naming the parameter."""
    with pytest.raises(ValueError, match=r"base_url|key"):
        AsyncClient(url, key)


@pytest.mark.parametrize("word", [each for each in CoverStatus if each.is_refusal or each.is_failure])
def test_every_refusal_has_an_error(word: CoverStatus) -> None:
    """No word of the service is unknown to the library, but those that its requests cannot cause."""
    answer = ServerAnswer(word.http_status, {"X-Cover-Status": word}, b"")
    if word in (CoverStatus.METHOD, CoverStatus.FORM):
        assert type(error_of(answer, 0.0)) is client.UnexpectedAnswer
    else:
        assert is_passing(answer) == isinstance(error_of(answer, 0.0), client.TryLater)
        assert type(error_of(answer, 0.0)) is not client.UnexpectedAnswer
