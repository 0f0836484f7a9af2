"""The history and the status page: sums, quantiles, one sampler of several, and what is shown of it."""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import COVERED, UNCOVERED, Running, Start
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.accounts.sqlite import schema_steps
from coverproxy.stats.base import Sample
from coverproxy.stats.history import (
    DAY,
    HOUR,
    MINUTE,
    TEN_MINUTES,
    Historian,
    Incident,
    Summary,
    apart,
    gained,
    incidents,
    quantile,
    steps,
    summed,
)
from coverproxy.stats.metrics import Metrics
from coverproxy.stats.sqlite import SqliteActivity
from coverproxy.storage import sqlite_migrations
from coverproxy.web.app_keys import DESK
from coverproxy.web.pages.status import KEPT

BOUNDS = ["0.001", "0.01", "0.1", "1.0", "+Inf"]


@given(st.lists(st.floats(0.0001, 0.9999), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_lies_between_the_bounds_around_it(times: list[float], part: float) -> None:
    """From the counts alone the quantile comes out in the very bucket in which the exact one lies."""
    bounds = [float(bound) for bound in BOUNDS]
    upper = [min(bound for bound in bounds if time <= bound) for time in times]
    counts = {text: upper.count(float(text)) for text in BOUNDS}
    exact = sorted(times)[max(-(-len(times) * part // 1), 1).__int__() - 1]
    found = quantile(counts, part)

    assert found is not None
    top = min(bound for bound in bounds if exact <= bound)
    bottom = max([bound for bound in bounds if bound < top], default=0.0)
    assert bottom * 1000 - 1e-6 <= found <= top * 1000 + 1e-6


def test_an_incident_is_a_stretch_of_failures() -> None:
    """Stretches that follow each other are one; less than one of a hundred is none, nor is silence."""

    def stretch(at: int, failed: int, answers: int = 100) -> Summary:
        return summed([Sample(at, {"unavailable": failed, "hit": answers - failed}, {})], at)

    told = [stretch(0, 0), stretch(10, 2), stretch(20, 1), stretch(30, 0, 0), stretch(40, 9, 1000),
            stretch(50, 50)]  # fmt: skip
    assert incidents(told, 10) == [Incident(10, 30, 3, 200), Incident(50, 60, 50, 100)]
    assert incidents([], 10) == []


async def test_the_status_page_tells_incidents_and_draws_axes(start: Start) -> None:
    """In words with times; axes from 0 to a round number in their unit; where nothing is there it says so."""
    server = await start(front={"downloads_log": "/run/hits"})
    page = (await server.get("/status", Accept="text/html")).body.decode()
    assert page.count("Nothing yet.") == 5
    assert "<svg" not in page
    assert "None: less than one answer of a hundred" in page
    assert "include what the web server in front sends" in page
    now = int(server.app[DESK].history.now())
    at = now - now % TEN_MINUTES - HOUR
    answers = {"hit": 290, "made": 10, "unavailable": 100}
    server.app[DESK].notes.sample(((MINUTE, DAY), (HOUR, DAY)), Sample(at, answers, {"0.1": 400}))
    server.app[KEPT].until = 0.0
    told = orjson.loads((await server.get("/status.json")).body)
    page = (await server.get("/status", Accept="text/html")).body.decode()

    first = told["incidents"][0]
    assert (first["failed"], first["answers"], first["ends"] > first["begins"]) == (100, 400, True)
    assert f'<time datetime="{first["begins"]}">' in page
    assert "100 of 400 answers failed" in page
    assert "<span>300</span><span>150</span><span>0</span>" in page
    assert "covers in ten minutes" in page


def test_quantiles_of_nothing_and_of_the_endless() -> None:
    """Nothing counted has no quantile; beyond the last bound it is that bound, as no more is known."""
    assert quantile({}, 0.5) is None
    assert quantile({"0.1": 0}, 0.5) is None
    assert quantile({"0.1": 1, "+Inf": 9}, 0.99) == 100.0


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 50)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 50)),
)
def test_gains_are_never_negative(before: dict[str, int], more: dict[str, int]) -> None:
    """Counters that rose give the rise, and those that fell, as after a restart, all they have."""
    now = {name: before.get(name, 0) + count for name, count in more.items()}
    assert gained(now, before) == {name: count for name, count in more.items() if count}
    assert all(gain > 0 for gain in gained(before, now).values())


def test_counts_come_apart() -> None:
    """Cumulative counts, in whatever order they come, become counts by bound."""
    assert apart({"+Inf": 7, "0.1": 2, "1.0": 5}) == {"0.1": 2, "1.0": 3, "+Inf": 2}


def test_every_stretch_has_its_place() -> None:
    """A stretch in which nothing was answered stands in the row as well, with no rate and no times."""
    found = steps([Sample(120, {"hit": 3, "made": 1}, {"0.1": 4})], 60, 0, 240)

    assert [each.at for each in found] == [0, 60, 120, 180]
    assert [each.hit_rate for each in found] == [None, None, 0.75, None]
    assert found[0].p50_ms is None
    assert summed([]).answers == 0


@pytest.fixture
def notes(tmp_path: Path) -> SqliteActivity:
    """Notes in a real file."""
    sqlite_migrations.apply(tmp_path / "state.db", schema_steps())
    return SqliteActivity(tmp_path / "state.db")


def test_one_of_several_samples(notes: SqliteActivity, tmp_path: Path) -> None:
    """Of two processes one samples; what was counted before it took over is not counted again."""
    clock = [1_795_400_000.0]
    metrics = Metrics()
    metrics.answers.labels("hit").inc(5)
    first, second = (Historian(notes, metrics, tmp_path / "lock", lambda: clock[0]) for _ in range(2))
    assert first.sample()
    assert not second.sample()
    metrics.answers.labels("hit").inc(1)
    metrics.note_answer("hit", 0.02)
    clock[0] += MINUTE
    assert first.sample()
    told = summed(notes.samples(MINUTE, 0))

    assert (told.hits, told.answers) == (2, 2)
    assert told.p50_ms is not None
    assert 10 <= told.p50_ms <= 25


async def test_another_takes_over(notes: SqliteActivity, tmp_path: Path) -> None:
    """Once the sampling process ends, the next one samples, and the last one's final minute is written.

    Not always at the first try: a child that starts at that moment holds the lock, too, until it runs.
    """
    metrics = Metrics()
    first, second = (Historian(notes, metrics, tmp_path / "lock") for _ in range(2))
    async with first.kept():
        await asyncio.to_thread(first.sample)
        metrics.answers.labels("made").inc()
        assert not await asyncio.to_thread(second.sample)
    deadline = time.monotonic() + 10
    while not await asyncio.to_thread(second.sample):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    assert summed(notes.samples(HOUR, 0)).made == 1
    async with second.kept():
        pass


async def after_a_sample(server: Running) -> Any:
    """What /status.json tells, once the history has taken another sample."""
    await asyncio.to_thread(server.app[DESK].history.sample)
    return orjson.loads((await server.get("/status.json")).body)


async def test_the_status_page_tells_what_happened(server: Running) -> None:
    """Covers, ISBNs, made today, hit rate and times, for a day and a month, as a page and as JSON."""
    history = server.app[DESK].history
    await asyncio.to_thread(history.sample)
    for _ in range(3):
        await server.get(server.path())
    await server.get(server.path(UNCOVERED))
    async with asyncio.timeout(10):  # hits from memory are counted a tenth of a second later
        while (told := await after_a_sample(server))["day"]["hits"] < 2:
            await asyncio.sleep(0.05)

    assert (told["state"], told["covers"], told["isbns"], told["made_today"]) == ("ready", 28, 28, 1)
    assert told["sources"] == [{"name": "test", "originals": 28, "state": None}]
    assert (told["day"]["hits"], told["day"]["made"], told["day"]["missing"]) == (2, 1, 1)
    assert told["day"]["hit_rate"] == 0.6667
    assert told["day"]["p99_ms"] > 0
    assert (len(told["day_steps"]), len(told["month_steps"])) == (144, 30)
    assert sum(step["made"] for step in told["month_steps"]) == 1
    page = (await server.get("/status", Accept="text/html")).body.decode()
    assert page.count("<svg") == 5
    assert page.count("<desc") == 5
    assert "66.7" in page


async def test_a_fault_shows_on_the_status_page(start: Start) -> None:
    """What /readyz knows stands on the page too."""
    server = await start()
    top = server.folder.cache.layout.top
    top.rename(top.with_name("gone"))
    page = await server.get("/status", Accept="text/html")
    top.with_name("gone").rename(top)

    assert page.status == 200
    assert b"Something is wrong" in page.body
    assert b"<b>cache</b>" in page.body


async def test_a_catalogue_that_cannot_be_read_shows_too(server: Running) -> None:
    """Without its figures the status page still stands, and says what is wrong; home says it cannot."""
    file = Path(server.config.data.dir) / "catalogue.db"
    server.folder.catalogue.close()
    file.write_bytes(b"no database at all" * 500)
    page = await server.get("/status", Accept="text/html")
    home = await server.get("/", Accept="text/html")

    assert (page.status, b"<b>catalogue</b>" in page.body, b"<b>figures</b>" in page.body) == (
        200,
        True,
        True,
    )
    assert (home.status, b"cannot be looked up right now" in home.body) == (503, True)


async def test_what_was_found_is_shown_again_for_a_moment(server: Running) -> None:
    """Two looks within seconds cost one: the page is for everybody."""
    first = orjson.loads((await server.get("/status.json")).body)
    await server.get(server.path(COVERED))
    assert orjson.loads((await server.get("/status.json")).body) == first
    server.app[KEPT].until = 0.0
    assert orjson.loads((await server.get("/status.json")).body)["made_today"] == 1


def test_a_month_of_samples_is_a_few_hundred_rows(notes: SqliteActivity) -> None:
    """After forty days a minute's samples reach a day back, an hour's a month, and no further."""
    from coverproxy.stats.history import KEPT as STEPS

    for number in range(40 * 4):
        notes.sample(STEPS, Sample(1_795_000_000 + number * DAY // 4, {"hit": 1}, {}))
    assert 4 <= len(notes.samples(MINUTE, 0)) <= 6
    assert 31 * 4 <= len(notes.samples(HOUR, 0)) <= 31 * 4 + 1
    assert sum(kept // step for step, kept in STEPS) < 2500
