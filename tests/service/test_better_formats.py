"""Better formats than JPEG: wished for by who accepts them, made in the background, then served to them."""

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import COVERED, UNCOVERED, Got, Running, Start
from ending import Ending
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.concurrency import idle
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.service.better_formats import LOCK, BetterQueue, rest_seconds

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
OLD_SAFARI = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"
LONG = "public, max-age=86400, stale-while-revalidate=86400"
SHORT = "public, max-age=300"
EAGER = {"background_cores": 1.0, "background_idle": 0.0}
"""Settings under which a busy machine makes better formats at once, too."""

QUICK = {"medium": {"avif": {"effort": 0}}, "large": {"avif": {"effort": 0}}}


@pytest.fixture
async def eager(start: Start) -> Running:
    """A server that makes better formats as soon as they are wished for."""
    return await start(formats=EAGER, sizes=QUICK)


def kind(got: Got) -> str:
    """The format of an answer."""
    return got.headers["Content-Type"]


async def until(server: Running, path: str, wanted: str, accept: str = CHROME) -> Got:
    """Ask again until the answer is of the type that is wanted."""
    ends = time.monotonic() + 60
    while kind(got := await server.get(path, Accept=accept)) != wanted:
        assert time.monotonic() < ends, f"it still is {kind(got)}"
        await asyncio.sleep(0.05)
    return got


def counted(server: Running, outcome: str) -> float:
    """How many wishes came to that."""
    value: Any = server.service.metrics.registry.get_sample_value(
        "coverproxy_better_total", {"outcome": outcome}
    )
    return float(value or 0)


async def test_the_first_asker_gets_jpeg_and_the_next_what_is_better(eager: Running) -> None:
    """A browser's first answer is a JPEG for a short time; the AVIF follows, smaller, for no quota."""
    first = await eager.get(eager.path(), Accept=CHROME)
    better = await until(eager, eager.path(), "image/avif")

    assert (first.cover, kind(first)) == ("made", "image/jpeg")
    assert (first.headers["Cache-Control"], first.headers["Vary"]) == (SHORT, "Accept")
    assert (better.cover, better.headers["Cache-Control"]) == ("hit", LONG)
    assert len(better.body) < 0.95 * len(first.body)
    assert better.headers["ETag"] != first.headers["ETag"]
    assert better.headers["X-RateLimit-Remaining"] == "999"
    again = await eager.get(eager.path(), Accept=CHROME)  # now from memory
    assert (kind(again), again.body) == ("image/avif", better.body)


async def test_who_takes_jpeg_alone_wishes_for_nothing(eager: Running) -> None:
    """A client that names no better format gets JPEG, to keep, and nothing is made for it."""
    first = await eager.get(eager.path(), Accept=OLD_SAFARI)
    second = await eager.get(eager.path(), Accept=OLD_SAFARI)

    assert [each.headers["Cache-Control"] for each in (first, second)] == [LONG, LONG]
    assert len(eager.service.better._queue) == 0
    assert eager.folder.cache.length(Spec(Identifier(ISBN, COVERED), "medium", Format.AVIF)) is None


async def test_each_gets_what_it_takes_side_by_side(eager: Running) -> None:
    """Once both are there, each client goes on getting its own format, from memory too."""
    await eager.get(eager.path(), Accept=CHROME)
    await until(eager, eager.path(), "image/avif")
    for _ in range(3):
        assert kind(await eager.get(eager.path(), Accept=CHROME)) == "image/avif"
        assert kind(await eager.get(eager.path(), Accept=OLD_SAFARI)) == "image/jpeg"


async def test_a_size_offers_what_its_settings_say(start: Start) -> None:
    """WebP is offered where the size says so, and not where it does not; JPEG alone where nothing is."""
    sizes = {"large": {"offers": ["webp"], "webp": {"quality": 40}}, "medium": {"offers": []}}
    server = await start(formats=EAGER, sizes=sizes)

    plain = await server.get(server.path(), Accept=CHROME)
    await server.get(server.path(size="large"), Accept=CHROME)
    assert kind(await until(server, server.path(size="large"), "image/webp")) == "image/webp"
    assert plain.headers["Cache-Control"] == LONG
    assert len(server.service.better._queue) == 0


async def test_who_takes_no_jpeg_gets_its_format_at_once(eager: Running) -> None:
    """A client that names AVIF and no JPEG is not kept waiting for the background, nor is an ending."""
    for path, accept in ((eager.path(), "image/avif"), (eager.path(f"{COVERED}.avif", "large"), "*/*")):
        got = await eager.get(path, Accept=accept)
        assert (got.cover, kind(got), got.headers["Cache-Control"]) == ("made", "image/avif", LONG)


async def test_nothing_is_wished_for_a_book_without_a_cover(eager: Running) -> None:
    """No cover, no wish."""
    assert (await eager.get(eager.path(UNCOVERED), Accept=CHROME)).cover == "missing"
    assert len(eager.service.better._queue) == 0


async def test_without_a_share_jpeg_is_for_keeps(start: Start) -> None:
    """With formats.background_cores = 0 a browser gets JPEG for long, and an AVIF that is there."""
    server = await start(formats={"background_cores": 0.0}, sizes=QUICK)
    first = await server.get(server.path(), Accept=CHROME)
    await server.get(server.path(f"{COVERED}.avif"))
    second = await server.get(server.path(), Accept=CHROME)

    assert (kind(first), first.headers["Cache-Control"]) == ("image/jpeg", LONG)
    assert (kind(second), second.headers["Cache-Control"]) == ("image/avif", LONG)


async def test_one_process_of_a_machine_makes_them(eager: Running) -> None:
    """While another process holds the lock nothing is made; it is made once that one has ended."""
    lock = eager.folder.cache.layout.locks / LOCK
    other = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    try:
        await eager.get(eager.path(), Accept=CHROME)
        await asyncio.sleep(0)
        waiting = len(eager.service.better._queue)
    finally:
        os.close(other)  # as the kernel does for a process that was killed
    assert waiting == 1
    await until(eager, eager.path(), "image/avif")


async def test_it_waits_while_covers_are_made(eager: Running) -> None:
    """A place taken at the render threads holds the background back; freed, it goes on."""
    async with eager.service.renders.place("somebody"):
        await eager.get(eager.path(), Accept=CHROME)
        pauses: Callable[[], Any] = lambda: eager.service.metrics.registry.get_sample_value(  # noqa: E731
            "coverproxy_better_pauses_total"
        )
        while not pauses():
            await asyncio.sleep(0.02)
        assert counted(eager, "made") == 0
    await until(eager, eager.path(), "image/avif")
    assert counted(eager, "made") == 1


async def test_what_is_no_smaller_is_not_kept(start: Start) -> None:
    """An AVIF that takes more bytes than the JPEG is thrown away; then JPEG is for keeps."""
    sizes = {"medium": {"avif": {"quality": 100, "effort": 0}}}
    server = await start(formats=EAGER, sizes=sizes)
    await server.get(server.path(), Accept=CHROME)
    while not counted(server, "larger"):
        await asyncio.sleep(0.02)

    got = await server.get(server.path(), Accept=CHROME)
    assert (kind(got), got.headers["Cache-Control"]) == ("image/jpeg", LONG)


async def test_the_next_best_is_made_where_the_best_is_no_smaller(start: Start) -> None:
    """Of a cover whose AVIF takes more bytes than the JPEG, who takes both gets the WebP, and for keeps."""
    wanted = {"offers": ["avif", "webp"], "avif": {"quality": 100, "effort": 0}, "webp": {"quality": 40}}
    server = await start(formats=EAGER, sizes={"large": wanted})
    first = await server.get(server.path(size="large"), Accept=CHROME)
    better = await until(server, server.path(size="large"), "image/webp")

    assert (kind(first), first.headers["Cache-Control"]) == ("image/jpeg", SHORT)
    assert (counted(server, "larger"), better.headers["Cache-Control"]) == (1, LONG)


async def test_a_killed_render_process_costs_a_wish_and_no_original(eager: Running) -> None:
    """What goes wrong in the background is not charged to the original: other sizes go on being made."""
    eager.service.better._processes.stop()  # every render in it dies from now on
    await eager.get(eager.path(), Accept=CHROME)
    while not counted(eager, "failed"):
        await asyncio.sleep(0.02)

    assert (await eager.get(eager.path(), Accept=CHROME)).headers["Cache-Control"] == LONG
    assert (await eager.get(eager.path(size="large"))).cover == "made"


async def test_a_new_original_purges_both_formats(eager: Running) -> None:
    """Purging a book takes the better format along; what was made of the old original is not stored."""
    await eager.get(eager.path(), Accept=CHROME)
    await until(eager, eager.path(), "image/avif")
    assert await eager.covers.purge(Identifier(ISBN, COVERED)) >= 2

    assert kind(await eager.get(eager.path(), Accept=CHROME)) == "image/jpeg"


def named(number: int) -> Spec:
    """A spec by number."""
    return Spec(Identifier("oclc", str(number)), "medium", Format.AVIF)


@given(st.lists(st.integers(0, 30)), st.integers(1, 8))
def test_the_queue_is_bounded_and_loses_what_was_asked_for_longest_ago(views: list[int], most: int) -> None:
    """At most as many as are allowed stay: those asked for last."""
    queue = BetterQueue(most)
    for number in views:
        queue.add(named(number))
    latest = list(dict.fromkeys(reversed(views)))[:most]

    assert {number for number in range(31) if named(number) in queue} == set(latest)


def test_what_is_asked_for_most_is_next() -> None:
    """By views; of several with as many, the latest."""
    queue = BetterQueue(10)
    for number in (1, 2, 3, 2, 1, 4):
        queue.add(named(number))

    assert [queue.take() for _ in range(4)] == [named(number) for number in (1, 2, 4, 3)]


@given(st.floats(0.001, 10), st.floats(0.01, 1.0))
def test_resting_keeps_the_share(spent: float, share: float) -> None:
    """Work and rest together make the share of a core that is allowed."""
    assert spent / (spent + rest_seconds(spent, share)) == pytest.approx(share)


def test_idle_time_is_read_as_the_kernel_tells_it(tmp_path: Path) -> None:
    """Idle and waiting for the disk count as spare; guests are in user time already."""
    before = (100, 0, 50, 1000, 50, 0, 0, 0, 10, 0)
    after = (150, 0, 50, 1040, 60, 0, 0, 0, 60, 0)
    assert idle.spare(before, after) == 0.5
    assert idle.spare(before, before) == 1.0


@pytest.mark.parametrize("text", ["", "cpu\n", "cpu a b c d e\n", "intr 1 2 3 4 5 6\n"])
async def test_a_machine_that_does_not_tell_has_time(text: str, tmp_path: Path) -> None:
    """Where /proc/stat cannot be read, nothing is held back."""
    stat = tmp_path / "stat"
    stat.write_text(text)
    assert await idle.has_spare(0.5, 0.0, stat)
    assert await idle.has_spare(0.5, 0.0, tmp_path / "none")


@pytest.mark.parametrize(("program", "waits"), [("while True: pass", True), ("input()", False)])
def test_who_spins_waits_for_a_core_and_who_hangs_does_not(program: str, waits: bool) -> None:
    """A process that others keep from running is told from one that waits for something else."""
    with Ending([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        ends = time.monotonic() + 20
        while idle.is_waiting_for_a_core(process.pid) is not waits and time.monotonic() < ends:
            time.sleep(0.01)
        found = [idle.is_waiting_for_a_core(process.pid) for _ in range(5)]
        process.kill()
    assert found == [waits] * 5
