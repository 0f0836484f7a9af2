"""The demo in this process, with an administrator and a month that looks used: for walks and screenshots."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import images
import orjson
from aiohttp import web
from conftest import COVERED, UNCOVERED, Running, configured, fill
from decoders import processes
from ending import end

from coverproxy.demo.classics import CLASSICS, MISSING
from coverproxy.domain.api_key import Key, hashed, new_name
from coverproxy.domain.item_title import item_title
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.server.application import application, listen
from coverproxy.stats.base import RefusalRow, Sample
from coverproxy.stats.downloads import DOWNLOAD_DAYS, Download
from coverproxy.stats.history import DAY, HOUR, KEPT, TEN_MINUTES
from coverproxy.web import bounds
from coverproxy.web.app_keys import ACCOUNTS, DESK
from coverproxy.web.connections import BoundedRunner
from coverproxy.web.pages import Shown

TOKEN = "a token that nobody guesses"  # noqa: S105 - the demonstration's own
OWNERS_WORD = "a word of the owner"

_CREATED = 1_767_225_600
"""When the key was asked for: the first of January 2026."""

_SHARES = (("medium", "librarything", 1.0), ("small", "librarything", 0.6), ("large", "openlibrary", 0.3))


@asynccontextmanager
async def demonstration(data: Path, stocked: Path, drawn: Path) -> AsyncIterator[Running]:
    """Serve the demo's covers as `coverproxy demo` does; keys can be asked for, and there is a login."""
    more = {"admin": {"token": TOKEN}, "signup": {"mode": "open", "tries_per_hour": 100}}
    config = configured(data, **more)
    fill(config, stocked, drawn)
    key = Key(new_name(), "Reading room", config.quota.daily_limit, created_at=_CREATED)
    books = [Shown(isbn, each.title, each.author, key.name) for each in CLASSICS for isbn in each.isbns]
    missing = Shown(MISSING.isbns[0], MISSING.title, MISSING.author, key.name, has_cover=False)
    listeners = listen(config)
    app = application(config, listeners, lambda: None, (*books, missing), processes=processes(config))
    runner = BoundedRunner(app, around=bounds.around(app), shutdown_timeout=2.0)
    await runner.setup()
    await web.SockSite(runner, listeners.covers).start()
    async with aiohttp.ClientSession(auto_decompress=False) as client:
        running = Running(config, app, listeners, client, key)
        await app[ACCOUNTS].save(key)
        yield running
    await end(runner)


def use(server: Running) -> None:
    """Enter a month of use: downloads, answers with one bad hour, missing covers, a refusal. Blocks."""
    desk, now = server.app[DESK], int(server.app[DESK].history.now())
    today = server.app[ACCOUNTS].today()
    for back in range(DOWNLOAD_DAYS):
        day, much = today - timedelta(days=back), 700 + 500 * math.sin(back / 2) - 12 * back
        counts = {
            Download(server.key.name, day, size, shape): int(much * share)
            for size, shape, share in _SHARES
        }  # fmt: skip
        desk.notes.add_downloads(counts)
        for hour in range(0, DAY, HOUR):
            at = now - back * DAY - hour
            # the last day is shown by stretches of ten minutes, the month by hours
            _answered(server, at, int(much * (1.2 + math.sin(at / DAY * 2 * math.pi))), 6 if back < 2 else 1)
    bad = now - now % TEN_MINUTES - 5 * HOUR
    desk.notes.sample(KEPT, Sample(bad, {"unavailable": 42, "hit": 300}, {"1.0": 342}))
    lacking = {(server.key.name, UNCOVERED): 42, (server.key.name, "9780141439501"): 17, ("b", "oclc:42"): 9}
    refused = [RefusalRow(server.key.name, now - 3600, "invalid", "978014143951")]
    desk.notes.add(lacking, refused, now - 1800)


async def fill_lists(server: Running) -> str:
    """Have pictures wait for a review, covers reported, and titles known; return a report's path.

    The titles are as long as titles get, and in several scripts.
    """
    titles = {
        UNCOVERED: item_title("Travels into Several Remote Nations of the World " * 4, "Lemuel Gulliver"),
        "9780141439501": item_title("Преступление и наказание", "Достоевский, Фёдор Михайлович"),
    }
    known = {Identifier(ISBN, isbn): title for isbn, title in titles.items() if title}
    await asyncio.to_thread(server.folder.catalogue.titles.keep, known)
    owner = await server.new_key(label="Branch library", owner=hashed(OWNERS_WORD))
    for number, isbn in enumerate((UNCOVERED, COVERED)):
        url = f"{server.listeners.url}/devkey/{owner.name}/original/isbn/{isbn}"
        picture = images.distinct(images.jpeg(images.cover(400, 600)), number)
        async with server.client.put(
            url, data=picture, headers={"Authorization": f"Bearer {OWNERS_WORD}"}
        ) as got:
            assert got.status == 202, await got.text()
    report = {
        "reason": "wrong",
        "text": "This is volume two, and not in our language.",
        "mail": "a@b.example",
    }
    url = f"{server.listeners.url}/report/isbn/{COVERED}"
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    async with server.client.post(url, data=orjson.dumps(report), headers=headers) as got:
        return f"/report/{orjson.loads(await got.read())['code']}"


def _answered(server: Running, at: int, much: int, parts: int) -> None:
    """Enter an hour's answers, in so many parts ten minutes apart."""
    for part in range(parts):
        answers = {"hit": much // parts, "made": much // (10 * parts), "missing": much * 3 // (20 * parts)}
        seconds = {
            "0.005": much * 3 // (4 * parts),
            "0.025": much // (5 * parts),
            "0.1": much // (15 * parts),
        }
        kept = KEPT if parts > 1 else KEPT[1:]
        server.app[DESK].notes.sample(kept, Sample(at - part * TEN_MINUTES, answers, seconds))
