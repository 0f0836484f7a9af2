"""Originals kept fresh: what an unchanged, a changed or a silent source does to what is served."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import Got, Running, Start, take_in
from images import cover, jpeg
from upstream import BOOK, Asked, Upstream, gives, picture, silent

from coverproxy.domain.decisions import SameBytes
from coverproxy.domain.isbn import to_isbn10
from coverproxy.domain.original import OriginalState
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.imaging.decode import JUDGEMENT
from coverproxy.originals.provenance import Provenance

NAME = Identifier("isbn", BOOK)
SAID = {"ETag": '"one"', "Last_Modified": "Mon, 04 Aug 2008 12:00:00 GMT"}

Serve = Callable[..., Awaitable[Running]]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A source that gives a cover with validators, until it is told otherwise."""
    async with Upstream(gives(picture(), **SAID)).running() as made:
        yield made


@pytest.fixture
async def serve(start: Start, upstream: Upstream) -> Serve:
    """A function that starts a service with that source; keyword arguments are keys of it."""

    async def serving(asking: dict[str, Any] | None = None, **values: Any) -> Running:
        patient = {"answer_within_seconds": 15.0}
        return await start(source=[upstream.source(**values)], asking=asking or {}, render=patient)

    return serving


def row(server: Running) -> Provenance:
    """What is remembered of where the book's original came from."""
    found = server.folder.catalogue.provenance.of(NAME, "up")
    assert found
    return found


async def recheck(server: Running) -> int:
    """Have all that was fetched be due, and one round done."""
    server.folder.catalogue.provenance.put(replace(row(server), due=1))
    return await server.service.revalidator.round()


async def every_spelling(server: Running) -> list[Got]:
    """The cover in three sizes, two formats and both spellings."""
    names = [BOOK, to_isbn10(BOOK), f"{BOOK}.webp", f"{to_isbn10(BOOK)}.webp"]
    return [
        await server.get(server.path(str(name), size=size))
        for name in names
        for size in ("small", "medium", "large")
    ]


async def test_validators_are_remembered(serve: Serve) -> None:
    """With the original stands how to ask whether it changed, and when: in 30 days, give or take a tenth."""
    server = await serve()
    await server.get(server.path(BOOK))
    kept = row(server)

    assert (kept.etag, kept.modified) == (SAID["ETag"], SAID["Last_Modified"])
    assert 0.9 * 2_592_000 < (kept.due or 0) - time.time() < 1.1 * 2_592_000
    assert kept.keep_until is None


async def test_unchanged_costs_nothing(serve: Serve, upstream: Upstream) -> None:
    """A 304 leaves every derivative a hit, and takes neither a render nor the quota."""
    server = await serve()
    before = await every_spelling(server)
    upstream.behave = gives(b"", "304 Not Modified")
    rounds = await recheck(server)
    after = await every_spelling(server)

    assert rounds == 1
    assert upstream.asked[1].header("If-None-Match") == SAID["ETag"]
    assert upstream.asked[1].header("If-Modified-Since") == SAID["Last_Modified"]
    assert {each.cover for each in after} == {"hit"}
    assert [each.body for each in after] == [each.body for each in before]
    assert after[0].headers["X-RateLimit-Remaining"] == before[-1].headers["X-RateLimit-Remaining"]
    assert (row(server).due or 0) > time.time()
    assert row(server).etag == SAID["ETag"]


async def test_the_same_bytes_again_cost_nothing(serve: Serve, upstream: Upstream) -> None:
    """A source that knows no conditions and sends the same picture changes nothing but its validators."""
    server = await serve()
    await server.get(server.path(BOOK))
    upstream.behave = gives(picture(), ETag='"two"')
    await recheck(server)

    assert (await server.get(server.path(BOOK))).cover == "hit"
    assert row(server).etag == '"two"'


@pytest.mark.parametrize("said", [{"Last_Modified": "Tue, 05 Aug 2008 12:00:00 GMT"}, SAID, {}])
async def test_changed_drops_all_and_makes_anew(
    serve: Serve, upstream: Upstream, said: dict[str, str]
) -> None:
    """Another picture drops every size, format and spelling at once; each is then made from the new one."""
    server = await serve()
    before = await every_spelling(server)
    files = list(server.originals.rglob(f"{BOOK}*"))
    upstream.behave = gives(picture(330, 440), **said)
    await recheck(server)
    left = list(server.folder.cache.layout.top.rglob(f"{BOOK}*"))
    after = await every_spelling(server)

    assert left == []
    assert {each.headers["X-Cover-Original"] for each in after} == {"330x440"}
    assert [each.cover for each in after[:3]] == ["made"] * 3
    assert not {each.headers["ETag"] for each in after} & {each.headers["ETag"] for each in before}
    assert not files[0].exists()
    assert len(server.folder.catalogue.find(NAME)) == 1


@pytest.mark.parametrize("status", ["500 Internal Server Error", "404 Not Found", "410 Gone"])
async def test_what_is_here_stands(serve: Serve, upstream: Upstream, status: str) -> None:
    """A source that fails, or has it no longer, takes nothing away: new sizes are made of the old one."""
    server = await serve()
    await server.get(server.path(BOOK))
    upstream.behave = gives(b"", status)
    await recheck(server)

    assert (await server.get(server.path(BOOK))).cover == "hit"
    assert (await server.get(server.path(BOOK, size="large"))).cover == "made"
    assert (row(server).due or 0) > time.time() + 3000
    assert row(server).etag == SAID["ETag"]


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xd8\xff" + bytes(5000), picture()[:9000]])
async def test_a_change_for_the_worse_is_none(serve: Serve, upstream: Upstream, body: bytes) -> None:
    """What is no picture, or half of one, does not take the place of the old one."""
    server = await serve()
    await server.get(server.path(BOOK))
    upstream.behave = gives(body)
    await recheck(server)

    assert (await server.get(server.path(BOOK))).cover == "hit"
    assert (await server.get(server.path(BOOK, size="large"))).headers["X-Cover-Original"] == "300x450"


async def test_a_source_that_turns_to_art_takes_no_cover_away(serve: Serve, upstream: Upstream) -> None:
    """ "No image" art that comes in place of a cover is refused once it is known, and the cover stays."""
    art = jpeg(cover(111, 222))
    server = await serve()
    await server.get(server.path(BOOK))
    digest = server.service.ingestor.sketch(NAME, "up", _fetched(art)).digest
    server.folder.catalogue.refuse(digest, SameBytes("art", 3, 3))
    upstream.behave = gives(art)
    await recheck(server)

    assert (await server.get(server.path(BOOK))).cover == "hit"
    assert row(server).digest != digest


def _fetched(body: bytes) -> Any:
    from coverproxy.sources.base import Fetched, Validators

    return Fetched(body, Validators())


async def test_the_old_one_is_served_while_it_is_asked_for(serve: Serve, upstream: Upstream) -> None:
    """While a recheck hangs, the cover is a hit, and its other sizes are made."""
    server = await serve(timeout_seconds=5.0, idle_seconds=5.0)
    await server.get(server.path(BOOK))
    upstream.behave = silent
    checking = asyncio.ensure_future(recheck(server))
    while len(upstream.asked) < 2:
        await asyncio.sleep(0.01)
    hit, made = await server.get(server.path(BOOK)), await server.get(server.path(BOOK, size="large"))
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)

    assert (hit.cover, made.cover) == ("hit", "made")


async def test_it_goes_on_by_itself(serve: Serve, upstream: Upstream) -> None:
    """The running service asks again for what is due, and serves the new picture."""
    server = await serve(asking={"look_seconds": 0.05}, recheck_after_seconds=1)
    await server.get(server.path(BOOK))
    upstream.behave = gives(picture(330, 440))
    server.folder.catalogue.provenance.put(replace(row(server), due=1))
    while len(server.folder.catalogue.find(NAME)) != 1 or len(upstream.asked) < 2:
        await asyncio.sleep(0.02)
    for _ in range(100):
        got = await server.get(server.path(BOOK))
        if got.headers["X-Cover-Original"] == "330x440":
            break
        await asyncio.sleep(0.02)

    assert got.headers["X-Cover-Original"] == "330x440"


async def test_each_is_asked_for_once_by_however_many(serve: Serve, upstream: Upstream) -> None:
    """Of several processes that look for what is due, one asks."""
    server = await serve()
    await server.get(server.path(BOOK))
    upstream.behave = gives(b"", "304 Not Modified")
    server.folder.catalogue.provenance.put(replace(row(server), due=1))
    rounds = await asyncio.gather(*(server.service.revalidator.round() for _ in range(5)))

    assert sorted(rounds) == [0, 0, 0, 0, 1]
    assert len(upstream.asked) == 2


async def test_looking_for_what_is_due_makes_nobody_forget(serve: Serve) -> None:
    """A look that finds nothing does not change the catalogue: what is known to be missing stays known."""
    server = await serve()
    await server.get(server.path(BOOK))
    before = server.folder.catalogue.change()
    rounds = [await server.service.revalidator.round() for _ in range(3)]

    assert rounds == [0, 0, 0]
    assert server.folder.catalogue.change() == before


async def test_never_means_no_recheck(serve: Serve, upstream: Upstream) -> None:
    """With recheck_after_seconds = 0 nothing is ever due."""
    server = await serve(recheck_after_seconds=0)
    await server.get(server.path(BOOK))

    assert row(server).due is None
    assert await server.service.revalidator.round() == 0


@pytest.mark.parametrize(("keep", "seconds"), [("never", 60), (3, 3 * 86_400)])
async def test_what_may_not_be_kept_goes(
    serve: Serve, upstream: Upstream, keep: object, seconds: int
) -> None:
    """The original goes when its time is over, its derivatives stay; another size asks the source again."""
    server = await serve(keep=keep)
    await server.get(server.path(BOOK))
    until = row(server).keep_until
    early = await server.service.revalidator.round()
    held = len(server.folder.catalogue.find(NAME))
    server.folder.catalogue.provenance.put(replace(row(server), keep_until=1))
    await server.service.revalidator.round()
    gone = server.folder.catalogue.find(NAME), list(server.originals.rglob(f"{BOOK}*"))
    hit, made = await server.get(server.path(BOOK)), await server.get(server.path(BOOK, size="large"))

    assert abs((until or 0) - time.time() - seconds) < 30
    assert (early, held) == (0, 1)
    assert gone == ([], [])
    assert (hit.cover, made.cover) == ("hit", "made")
    assert len(upstream.asked) == 2


async def test_info_tells_what_is_shown_though_its_original_is_gone(serve: Serve, upstream: Upstream) -> None:
    """Details, lists and the item's page say "cover", as the image does; the original is null."""
    server = await serve(keep="never")
    await server.get(server.path(BOOK))
    server.folder.catalogue.provenance.put(replace(row(server), keep_until=1))
    await server.service.revalidator.round()
    key = server.path(BOOK).split("/")[2]
    told = orjson.loads((await server.get(f"/devkey/{key}/info/isbn/{BOOK}")).body)
    lists = orjson.loads((await server.get(f"/devkey/{key}/info?isbn={BOOK},9780000100009")).body)
    hit = await server.get(server.path(BOOK))

    assert (told["has_cover"], told["status"], told["original"]) == (True, "found", None)
    assert told["sizes"]["medium"]["formats"]["jpg"]["bytes"] == len(hit.body)
    assert told["sizes"]["medium"]["formats"]["jpg"]["url"].endswith(
        f"?v={hit.headers['ETag'][1:].split('-')[0]}"
    )
    assert lists == {BOOK: True, "9780000100009": False}
    assert (await server.get(f"/item/isbn/{BOOK}")).status == 200


async def test_changed_is_seen_though_nothing_was_kept(serve: Serve, upstream: Upstream) -> None:
    """Of a source whose originals may not be kept, a changed picture replaces what was made all the same."""
    server = await serve(keep="never")
    await server.get(server.path(BOOK))
    server.folder.catalogue.provenance.put(replace(row(server), keep_until=1))

    async def behave(asked: Asked) -> None:
        assert asked.header("If-None-Match") == SAID["ETag"]
        await gives(picture(330, 440))(asked)

    upstream.behave = behave
    await recheck(server)

    assert (await server.get(server.path(BOOK))).headers["X-Cover-Original"] == "330x440"


async def test_originals_that_were_imported_are_measured_in_the_background(
    serve: Serve, tmp_path: Path
) -> None:
    """Of two from an earlier version the larger, blurred one shows until both are measured. A pin stays."""
    server = await serve(asking={"look_seconds": 3600.0})  # no round but ours
    pictures = {"blurred": cover(900, 1350).gaussblur(8), "sharp": cover(500, 750)}
    for name, picture_ in pictures.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / f"{BOOK}.jpg").write_bytes(jpeg(picture_))
    await asyncio.to_thread(take_in, server.config, tmp_path / "in")
    catalogue = server.folder.catalogue
    with catalogue.writing() as tables:
        for each in tables.find(NAME):
            tables.add(replace(each, detail=None, content=None))
        tables.mark_unmeasured(NAME)
    assert catalogue.find(NAME)[0].width == 900
    before = await server.get(server.path(BOOK))

    await server.service.revalidator.round()

    first, second = catalogue.find(NAME)
    assert (first.width, second.width) == (500, 900)
    assert first.detail is not None
    assert second.detail is not None
    assert catalogue.unmeasured(9) == []
    assert (await server.get(server.path(BOOK))).headers["ETag"] != before.headers["ETag"]
    catalogue.decide(second, None, is_pinned=True)
    catalogue.mark_unmeasured(NAME)
    await server.service.revalidator.round()
    assert catalogue.find(NAME)[0].width == 900


async def test_what_an_earlier_decoder_refused_is_judged_anew_once(serve: Serve, tmp_path: Path) -> None:
    """After an upgrade a sound original with an old fault is shown; a damaged one is decoded once more."""
    server = await serve(asking={"look_seconds": 3600.0})  # no round but ours
    other, body = "9780141439525", jpeg(cover(500, 750))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f"{BOOK}.jpg").write_bytes(body)
    (tmp_path / "in" / f"{other}.jpg").write_bytes(jpeg(cover(400, 600))[:-9000])
    await asyncio.to_thread(take_in, server.config, tmp_path / "in")
    catalogue = server.folder.catalogue
    for name in (NAME, Identifier(ISBN, other)):
        catalogue.mark_faulty(catalogue.find(name)[0], "decode: 4 extraneous bytes")  # as an earlier version
    assert not catalogue.find(NAME)[0].is_usable

    await server.service.revalidator.round()

    assert (await server.get(server.path(BOOK))).headers["X-Cover-Original"] == "500x750"
    (damaged,) = catalogue.corrupt(9)
    assert damaged.identifier.value == other
    assert "4 extraneous" not in str(damaged.fault)
    assert catalogue.misjudged(JUDGEMENT, 9) == []


async def test_the_terms_of_a_source_are_told(serve: Serve) -> None:
    """`/info` has its licence, the last moment that it may be shown, and when the original is deleted."""
    day = (datetime.now(UTC) + timedelta(days=9)).date()
    server = await serve(keep=3, licence="press only", until=str(day), no_crop=True)
    await server.get(server.path(BOOK))
    told = orjson.loads((await server.get(f"/devkey/{server.key.name}/info/isbn/{BOOK}")).body)["original"]

    assert (told["licence"], told["until"], told["no_crop"]) == (
        "press only", f"{day + timedelta(days=1)}T00:00:00Z", True,
    )  # fmt: skip
    kept = datetime.fromisoformat(told["kept_until"]).timestamp()
    assert abs(kept - time.time() - 3 * 86_400) < 60


async def test_a_source_whose_time_is_over_gives_nothing(serve: Serve) -> None:
    """After the last day its pictures are not taken in, and those that are here are no longer shown."""
    over = await serve(until="2020-01-31")
    assert (await over.get(over.path(BOOK))).cover == "missing"
    assert over.folder.catalogue.find(NAME) == []

    server = await serve(until=str((datetime.now(UTC) + timedelta(days=1)).date()))
    assert (await server.get(server.path(BOOK))).cover == "made"
    (original,) = server.folder.catalogue.find(NAME)
    with server.folder.catalogue.writing() as tables:
        tables.add(replace(original, terms=replace(original.terms, until=1)))
    await server.service.revalidator.round()
    assert (await server.get(server.path(BOOK))).cover == "missing"
    assert [each.state for each in server.folder.catalogue.find(NAME)] == [OriginalState.EXPIRED]
