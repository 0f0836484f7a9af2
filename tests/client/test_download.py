"""Fetching a list's covers: at the pace of the terms, whole files only, and again where it was left."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any

import aiohttp
import images
import orjson
import pytest
from aiohttp import web
from conftest import COVERED, UNCOVERED, Running, Start
from ending import end
from fronting import before
from running import Process, ended, started

from coverproxy.client.classify import (
    MAX_BODY_BYTES,
    ServerAnswer,
    Verdict,
    judge,
    resets_at,
    seconds_to_wait,
)
from coverproxy.client.download import (
    AGENT,
    Downloader,
    DownloadOutcome,
    DownloadReport,
    DownloadResult,
    DownloadWish,
)
from coverproxy.client.folder import OWN, Folder, FolderEntry, InUse
from coverproxy.domain.formats import PLACEHOLDER, Format
from coverproxy.domain.isbn_list import Row

KEY = "secretkeysecret"
BOOKS = ["9780140449136", "9780140449266", "9780140444308", "9780140449068"]
DATE = 1_217_808_000


@dataclass
class Clock:
    """A clock that only sleeping moves, and what was slept."""

    at: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """A cover server that does whatever a test says, and remembers what it was asked."""

    handler: Handler
    url: str = ""
    asked: list[web.Request] = field(default_factory=list)

    @property
    def isbns(self) -> list[str]:
        """The ISBNs asked for, in order."""
        return [request.path.rpartition("/")[2] for request in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.handler(request)


Serving = Callable[[Handler], Awaitable[Server]]


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    """A function that starts a server which answers by a handler."""
    runners = []

    async def start(handler: Handler) -> Server:
        server = Server(handler)
        app = web.Application()
        app.router.add_get("/{path:.*}", server.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        runners.append(runner)
        server.url = site.name
        return server

    yield start
    for runner in runners:
        await end(runner)


def cover(status: str = "hit", body: bytes | None = None, **headers: str) -> web.Response:
    """A cover as coverproxy answers it; without *status* as LibraryThing does."""
    told = {"X-Cover-Status": status} if status else {}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=images.small_jpeg() if body is None else body, headers=told)


def always(make: Callable[[], web.Response]) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return make()

    return handler


def in_turn(*makes: Callable[[], web.Response]) -> Handler:
    """Answer each request with the next of *makes*, and then always with the last."""
    left = list(makes)

    async def handler(request: web.Request) -> web.Response:
        return (left.pop(0) if len(left) > 1 else left[0])()

    return handler


async def fetch(
    server: Server, folder: Path, *isbns: str, clock: Clock | None = None, form: Format = Format.JPEG,
    fresh: float = 0.0, size: str = "medium",
) -> tuple[DownloadReport, list[DownloadResult]]:  # fmt: skip
    """Fetch a list in this process, by a clock of the test's own."""
    clock = clock or Clock()
    wish = DownloadWish(server.url, KEY, size, form, fresh)
    report = DownloadReport()
    results: list[DownloadResult] = []
    with Folder(folder).opened() as opened:
        async with aiohttp.ClientSession() as client:
            fetcher = Downloader(wish, opened, client, report, clock.now, clock.sleep)
            await fetcher.run([Row(at, text) for at, text in enumerate(isbns, 1)], results.append)
    return report, results


def files(folder: Path) -> list[str]:
    """The covers in a folder, and nothing of ours."""
    return sorted(path.name for path in folder.iterdir() if path.name != OWN)


def leftovers(folder: Path) -> list[Path]:
    return list((folder / OWN / "tmp").iterdir())


async def test_new_covers_come_one_a_second(serving: Serving, tmp_path: Path) -> None:
    """After each cover that was made for us we wait a second; hits come as fast as they can."""
    clock = Clock()
    server = await serving(in_turn(*[lambda: cover("made")] * 2, lambda: cover("hit")))
    report, _ = await fetch(server, tmp_path, *BOOKS, clock=clock)

    assert (report.outcomes[DownloadOutcome.FETCHED], report.new) == (4, 2)
    assert clock.slept == [1.0, 1.0]


async def test_what_is_made_counts_whatever_becomes_of_it(serving: Serving, tmp_path: Path) -> None:
    """A cover made anew only to be found unchanged, and one that came torn, were new all the same."""
    clock = Clock()
    server = await serving(
        in_turn(
            lambda: cover("hit", ETag='"1-2"'),
            lambda: web.Response(status=304, headers={"X-Cover-Status": "made"}),
            lambda: cover("made", b"torn"),
            cover,
        )
    )
    await fetch(server, tmp_path, BOOKS[0], clock=clock)
    report, _ = await fetch(server, tmp_path, *BOOKS[:3], clock=clock)

    assert (report.new, clock.slept) == (2, [1.0, 1.0])


async def test_without_headers_all_covers_are_new(serving: Serving, tmp_path: Path) -> None:
    """A server without X-Cover-Status (LibraryThing's) gets a second for each cover, none for none."""
    clock = Clock()
    nothing = lambda: web.Response(body=PLACEHOLDER, content_type="image/gif")  # noqa: E731
    server = await serving(in_turn(nothing, lambda: cover(""), nothing, lambda: cover("")))
    report, results = await fetch(server, tmp_path, *BOOKS, clock=clock)

    assert [result.outcome for result in results] == ["missing", "fetched", "missing", "fetched"]
    assert (report.new, clock.slept) == (2, [1.0])
    assert files(tmp_path) == sorted([f"{BOOKS[1]}.jpg", f"{BOOKS[3]}.jpg"])


async def test_a_request_tells_who_asks_and_for_what(serving: Serving, tmp_path: Path) -> None:
    """The path is the service's; Accept names the format; the command's User-Agent has name and version."""
    server = await serving(always(lambda: cover(body=images.webp(images.solid((9, 9, 9))))))
    report, _ = await fetch(server, tmp_path, "0-14-044913-2", form=Format.WEBP, size="large")

    assert server.asked[0].path == f"/devkey/{KEY}/large/isbn/{BOOKS[0]}"
    assert server.asked[0].headers["Accept"] == "image/webp, image/jpeg;q=0.5"
    assert AGENT.startswith("coverproxy/0.")
    assert files(tmp_path) == [f"{BOOKS[0]}.webp"]
    assert report.outcomes == {DownloadOutcome.FETCHED: 1}


async def test_a_file_is_named_by_what_it_is(serving: Serving, tmp_path: Path) -> None:
    """A server without WebP sends a JPEG, and the file's ending says so; a later WebP takes its place."""
    server = await serving(in_turn(cover, lambda: cover(body=images.webp(images.solid((9, 9, 9))))))
    await fetch(server, tmp_path, BOOKS[0], form=Format.WEBP)
    assert files(tmp_path) == [f"{BOOKS[0]}.jpg"]
    await fetch(server, tmp_path, BOOKS[0], form=Format.WEBP)

    assert files(tmp_path) == [f"{BOOKS[0]}.webp"]


UNFIT = {
    "a page": lambda: web.Response(text="<html>Sign in", content_type="text/html"),
    "a page called a cover": lambda: cover(body=b"<html>"),
    "half a JPEG": lambda: cover(body=images.small_jpeg()[:-100]),
    "nothing": lambda: cover(body=b""),
    "a large GIF": lambda: cover(body=images.gif(images.solid((9, 9, 9)))),
    "an odd status": lambda: web.Response(status=418, body=images.small_jpeg()),
    "not changed, unasked": lambda: web.Response(status=304),
}


@pytest.mark.parametrize("make", UNFIT.values(), ids=UNFIT.keys())
async def test_what_is_no_cover_is_no_file(
    serving: Serving, tmp_path: Path, make: Callable[[], web.Response]
) -> None:
    """A page, half a picture, none: it fails with the reason, no file appears, and the rest goes on."""
    server = await serving(in_turn(make, cover))
    _, results = await fetch(server, tmp_path, *BOOKS[:2])

    assert [result.outcome for result in results] == [DownloadOutcome.FAILED, DownloadOutcome.FETCHED]
    assert results[0].why.startswith("not a picture")
    assert files(tmp_path) == [f"{BOOKS[1]}.jpg"]
    assert leftovers(tmp_path) == []


async def test_a_body_without_end_is_left(serving: Serving, tmp_path: Path) -> None:
    """Of a body longer than a cover can be no more is read, and it fails."""
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"\xff\xd8\xff" + bytes(1_048_573))
            sent += 1

    server = await serving(endless)
    _, results = await fetch(server, tmp_path, BOOKS[0])

    assert results[0].outcome is DownloadOutcome.FAILED
    assert sent * 1_048_576 < 2 * MAX_BODY_BYTES
    assert files(tmp_path) == []


MISSING = {
    "ours": lambda: cover("missing", PLACEHOLDER),
    "ours, invalid": lambda: cover("invalid", PLACEHOLDER),
    "LibraryThing's": lambda: web.Response(body=PLACEHOLDER),
    "another GIF of a pixel": lambda: web.Response(body=b"GIF87a\x01\x00\x01\x00\x80\x00\x00;"),
    "404": lambda: web.Response(status=404, text="no"),
    "a picture that says it is none": lambda: cover("missing"),
}


@pytest.mark.parametrize("make", MISSING.values(), ids=MISSING.keys())
async def test_no_placeholder_becomes_a_file(
    serving: Serving, tmp_path: Path, make: Callable[[], web.Response]
) -> None:
    """Every way of saying "no cover" is counted as that, and never written as a picture."""
    report, _ = await fetch(await serving(always(make)), tmp_path, BOOKS[0])

    assert report.outcomes == {DownloadOutcome.MISSING: 1}
    assert files(tmp_path) == []


async def test_what_is_here_is_asked_for_on_condition(serving: Serving, tmp_path: Path) -> None:
    """A rerun sends the ETag, or else the date; 304 leaves the file, 200 replaces it; both are counted."""
    body, newer = images.small_jpeg(), images.small_jpeg(44, 66)
    server = await serving(
        in_turn(
            lambda: cover(ETag='"1-2"', Last_Modified=formatdate(DATE, usegmt=True)),
            lambda: cover(Last_Modified=formatdate(DATE, usegmt=True)),
            lambda: web.Response(status=304, headers={"X-Cover-Status": "hit"}),
            lambda: cover("made", newer),
        )
    )
    await fetch(server, tmp_path, *BOOKS[:2])
    path = tmp_path / f"{BOOKS[0]}.jpg"
    assert (path.read_bytes(), path.stat().st_mtime) == (body, DATE)
    _, results = await fetch(server, tmp_path, *BOOKS[:2])

    assert server.asked[2].headers["If-None-Match"] == '"1-2"'
    assert server.asked[3].headers["If-Modified-Since"] == formatdate(DATE, usegmt=True)
    assert [result.outcome for result in results] == [DownloadOutcome.UNCHANGED, DownloadOutcome.FETCHED]
    assert (tmp_path / f"{BOOKS[1]}.jpg").read_bytes() == newer


async def test_what_was_checked_lately_is_not_asked_for(serving: Serving, tmp_path: Path) -> None:
    """While a file counts as fresh it costs no request; then one, and 304 makes it fresh again."""
    server = await serving(in_turn(cover, lambda: web.Response(status=304)))
    clock = Clock()
    await fetch(server, tmp_path, BOOKS[0], clock=clock, fresh=60)
    for pause, asked in ((59, 1), (2, 2), (58, 2), (3, 3)):
        clock.at += pause
        await fetch(server, tmp_path, BOOKS[0], clock=clock, fresh=60)
        assert len(server.asked) == asked


@pytest.mark.parametrize("harm", ["removed", "cut", "another size"])
async def test_what_is_not_right_is_fetched_without_condition(
    serving: Serving, tmp_path: Path, harm: str
) -> None:
    """A file that is gone, cut short, or of another size, is fetched anew however lately it was checked."""
    server = await serving(always(lambda: cover(ETag='"1-2"')))
    await fetch(server, tmp_path, BOOKS[0])
    path = tmp_path / f"{BOOKS[0]}.jpg"
    if harm == "removed":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(b"cut")
    size = "large" if harm == "another size" else "medium"
    await fetch(server, tmp_path, BOOKS[0], fresh=1e6, size=size)

    assert "If-None-Match" not in server.asked[1].headers
    assert path.read_bytes() == images.small_jpeg()


async def test_retry_after_is_obeyed(serving: Serving, tmp_path: Path) -> None:
    """Asked for patience by our server or by any, we wait just as long, then ask for the same cover again."""
    clock = Clock()
    server = await serving(
        in_turn(
            lambda: cover("pending", PLACEHOLDER, Retry_After="5"),
            lambda: cover("throttled", PLACEHOLDER, Retry_After="2"),
            lambda: web.Response(status=503, headers={"Retry-After": "7"}),
            cover,
        )
    )
    report, _ = await fetch(server, tmp_path, *BOOKS[:2], clock=clock)

    assert clock.slept == [5.0, 2.0, 7.0]
    assert server.isbns == [BOOKS[0]] * 4 + [BOOKS[1]]
    assert report.outcomes == {DownloadOutcome.FETCHED: 2}


async def test_patience_ends(serving: Serving, tmp_path: Path) -> None:
    """A cover that never comes fails after four tries, and the next one is asked for once it is time to."""
    clock = Clock()
    server = await serving(always(lambda: cover("unavailable", PLACEHOLDER, Retry_After="5")))
    _, results = await fetch(server, tmp_path, *BOOKS[:2], clock=clock)

    assert [result.outcome for result in results] == [DownloadOutcome.FAILED] * 2
    assert "asks us to wait" in results[0].why
    assert clock.slept == [5.0] * 7


async def test_a_spent_quota_ends_it(serving: Serving, tmp_path: Path) -> None:
    """When the quota is used up nothing more is asked, and the report says when it resets."""
    spent = {"X_RateLimit_Reset": "1800003600", "Retry_After": "99"}
    server = await serving(in_turn(cover, lambda: cover("quota", PLACEHOLDER, **spent)))
    report, results = await fetch(server, tmp_path, *BOOKS)

    assert report.stopped
    assert (report.stopped.is_quota, report.stopped.resets_at) == (True, 1_800_003_600)
    assert (len(server.asked), len(results)) == (2, 1)


async def test_a_server_that_wants_hours_ends_it(serving: Serving, tmp_path: Path) -> None:
    """A server without our headers that says 429 for hours is left alone, and the report says until when."""
    server = await serving(always(lambda: web.Response(status=429, headers={"Retry-After": "7200"})))
    report, _ = await fetch(server, tmp_path, *BOOKS)

    assert report.stopped
    assert (report.stopped.resets_at, len(server.asked)) == (1_800_007_200, 1)


@pytest.mark.parametrize("status", ["key", "size", "path", ""])
async def test_a_refused_key_ends_it(serving: Serving, tmp_path: Path, status: str) -> None:
    """A key, a size or an address that is refused once is refused for all books: nothing more is asked."""
    headers = {"X-Cover-Status": status} if status else {}
    code = 404 if status in ("size", "path") else 403
    server = await serving(always(lambda: web.Response(status=code, body=PLACEHOLDER, headers=headers)))
    report, _ = await fetch(server, tmp_path, *BOOKS)

    assert report.stopped
    assert not report.stopped.is_quota
    assert (len(server.asked), files(tmp_path)) == (1, [])


async def test_a_cut_connection_is_tried_again(serving: Serving, tmp_path: Path) -> None:
    """A connection that breaks in the middle of a cover leaves no file; the cover is asked for again."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "5000", "X-Cover-Status": "hit"})
        await response.prepare(request)
        await response.write(images.small_jpeg()[:1000])
        assert request.transport
        request.transport.close()
        return response

    handlers = [cut, always(cover)]

    async def first_cut(request: web.Request) -> web.StreamResponse:
        return await (handlers.pop(0) if len(handlers) > 1 else handlers[0])(request)

    clock = Clock()
    report, _ = await fetch(await serving(first_cut), tmp_path, BOOKS[0], clock=clock)

    assert (report.outcomes, clock.slept) == ({DownloadOutcome.FETCHED: 1}, [1.0])
    assert (tmp_path / f"{BOOKS[0]}.jpg").read_bytes() == images.small_jpeg()


async def test_a_server_that_never_answers_ends_it(tmp_path: Path) -> None:
    """A server that was never heard is given up after the first book's tries; what is said holds no key."""
    clock = Clock()
    report, results = await fetch(Server(always(cover), "http://127.0.0.1:1"), tmp_path, *BOOKS, clock=clock)

    assert (results, clock.slept) == ([], [1.0, 2.0, 4.0])
    assert KEY not in str(report.stopped)
    assert "cannot be reached" in str(report.stopped)


async def test_a_server_that_goes_away_ends_it(serving: Serving, tmp_path: Path) -> None:
    """After three books in a row without an answer it ends, and nothing that it says holds the key."""

    async def hang_up(request: web.Request) -> web.StreamResponse:
        if len(server.asked) > 1:
            assert request.transport
            request.transport.close()
        return cover()

    server = await serving(hang_up)
    report, results = await fetch(server, tmp_path, *BOOKS)

    assert [result.outcome for result in results] == [DownloadOutcome.FETCHED] + [DownloadOutcome.FAILED] * 2
    assert report.stopped
    assert "cannot be reached" in str(report.stopped)
    assert KEY not in str(report.stopped) + results[1].why


async def test_of_several_isbns_the_first_with_a_cover(serving: Serving, tmp_path: Path) -> None:
    """A line with a list is asked for one by one; what can be either of two books is not guessed."""
    server = await serving(in_turn(lambda: cover("missing", PLACEHOLDER), cover))
    report, results = await fetch(server, tmp_path, f"{BOOKS[0]} | {BOOKS[1]}", "nothing", "000000124")

    assert server.isbns[:2] == BOOKS[:2]
    assert (results[0].outcome, results[0].file) == (DownloadOutcome.FETCHED, f"{BOOKS[1]}.jpg")
    assert results[1].outcome is DownloadOutcome.INVALID
    assert report.lines == 3


def test_waiting_is_told_in_seconds_or_by_date() -> None:
    """Retry-After is read in both its forms; without it, or where it is none, the pauses double."""
    date = formatdate(DATE + 90, usegmt=True)
    told = {
        "120": 120.0,
        date: 90.0,
        formatdate(DATE - 90, usegmt=True): 0.0,
        "": 4.0,
        "soon": 4.0,
        "-5": 4.0,
    }

    assert {
        value: seconds_to_wait(ServerAnswer(503, {"Retry-After": value}, b""), 2, DATE) for value in told
    } == told
    assert resets_at(ServerAnswer(429, {}, b""), DATE) is None
    assert resets_at(ServerAnswer(429, {"X-RateLimit-Reset": "9" * 40}, b""), DATE) is None
    assert resets_at(ServerAnswer(429, {"X-RateLimit-Reset": str(DATE + 5)}, b""), DATE) == DATE + 5
    assert resets_at(ServerAnswer(429, {"Retry-After": date}, b""), DATE) == DATE + 90


def test_a_label_says_more_than_a_status() -> None:
    """Where X-Cover-Status and the status differ, as for lenient answers, the former decides."""
    assert judge(ServerAnswer(200, {"X-Cover-Status": "quota"}, PLACEHOLDER)) is Verdict.QUOTA
    assert judge(ServerAnswer(429, {"X-Cover-Status": "quota"}, b"")) is Verdict.QUOTA
    assert judge(ServerAnswer(404, {"X-Cover-Status": "size"}, PLACEHOLDER)) is Verdict.REFUSED
    assert judge(ServerAnswer(404, {}, b"")) is Verdict.MISSING


def entry(isbn: str = BOOKS[0], **values: Any) -> FolderEntry:
    told: dict[str, Any] = {"isbn": isbn, "file": f"{isbn}.jpg", "bytes": 3, "of": "o", "checked": 1.0}
    return FolderEntry(**(told | values))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """A folder that is open."""
    with Folder(tmp_path).opened() as opened:
        yield opened


def test_a_folder_is_one_processs_at_a_time(folder: Folder, tmp_path: Path) -> None:
    """A second fetch into the same folder is refused at once, and says what is the matter."""
    with pytest.raises(InUse, match="another fetch"), Folder(tmp_path).opened():
        pass


def test_a_journal_survives_what_kills_its_writer(tmp_path: Path) -> None:
    """A torn last line, and lines that are none, are passed over; the rest is known, and written anew."""
    with Folder(tmp_path).opened() as folder:
        folder.store(entry(), b"abc", None)
        folder.store(entry(BOOKS[1]), b"abc", None)
        folder.note(entry(checked=2.0))
    journal = tmp_path / OWN / "journal.jsonl"
    evil = orjson.dumps({**json.loads(journal.read_bytes().splitlines()[0]), "isbn": "1", "file": "../evil"})
    journal.write_bytes(
        journal.read_bytes()
        + b'[]\n{\n{"isbn":"2","file":3,"bytes":3,"of":"o","checked":"x"}\n'
        + evil
        + b'\n{"isbn": "97801'
    )
    with Folder(tmp_path).opened() as folder:
        found = folder.find(BOOKS[0], "o")
        assert (found and found.checked, folder.find(BOOKS[1], "o")) == (2.0, entry(BOOKS[1]))
        assert folder.find("1", "o") is None
        folder.note(entry(BOOKS[1], checked=3.0))
    with Folder(tmp_path).opened() as folder:
        assert folder.find(BOOKS[1], "o") == entry(BOOKS[1], checked=3.0)
    assert len(journal.read_bytes().splitlines()) == 2


def test_a_full_disk_leaves_nothing_half(folder: Folder, tmp_path: Path) -> None:
    """Where a cover cannot be put in place it raises, and neither a name nor a temporary file is left."""
    (tmp_path / f"{BOOKS[0]}.jpg").mkdir()
    with pytest.raises(OSError, match=BOOKS[0]):
        folder.store(entry(), b"abc", None)

    assert leftovers(tmp_path) == []


async def command(*arguments: str | Path, code: int = 0) -> Any:
    """Run `coverproxy fetch … --json` to its end, and return what it printed."""
    done = await asyncio.to_thread(ended, "fetch", *arguments, "--json")
    assert done.returncode == code, done.stderr
    return orjson.loads(done.stdout) if done.stdout else {"error": done.stderr}


def listed(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "list.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


async def test_the_command_fetches_from_the_service(server: Running, tmp_path: Path) -> None:
    """From a list to files that are what the service serves; a rerun asks nothing, or on condition."""
    (tmp_path / "books.csv").write_text(f"title,ean\nA,{COVERED}\nB,{UNCOVERED}\nC,nothing\n")
    into = ("--server", server.listeners.url, "--key", server.key.name, "-o", tmp_path / "out")
    table = (tmp_path / "books.csv", "--column", "EAN", "--report", tmp_path / "report.jsonl")
    first = await command(*into, *table, code=3)  # one line has no ISBN
    again = await command(*into, *table, code=3)
    checked = await command(*into, *table, "--recheck-after", "0", code=3)
    got = await server.get(server.path())

    assert (first["fetched"], first["missing"], first["invalid"], first["new"]) == (1, 1, 1, 1)
    assert (again["kept"], again["fetched"]) == (1, 0)
    assert (checked["unchanged"], checked["new"]) == (1, 0)
    assert files(tmp_path / "out") == [f"{COVERED}.jpg"]
    assert (tmp_path / "out" / f"{COVERED}.jpg").read_bytes() == got.body
    assert server.service.accounts.allowance(server.key).made == 1
    report = [orjson.loads(line) for line in (tmp_path / "report.jsonl").read_bytes().splitlines()]
    assert [(line["line"], line["outcome"]) for line in report] == [
        (2, "unchanged"), (3, "missing"), (4, "invalid"),
    ]  # fmt: skip


async def test_the_exit_code_says_how_much_was_fetched(server: Running, tmp_path: Path) -> None:
    """0 where all is fetched or has no cover, 1 where no line has an ISBN, and where the key is refused."""
    place = ("--server", server.listeners.url, "-o", tmp_path / "out")
    names = (*place, "--key", server.key.name)
    assert (await command(*names, listed(tmp_path, COVERED, UNCOVERED)))["fetched"] == 1
    assert (await command(*names, listed(tmp_path, "x1", "x2"), code=1))["invalid"] == 2
    elsewhere = ("--server", server.listeners.url, "-o", tmp_path / "other")  # with nothing there already
    refused = ("fetch", *elsewhere, "--key", "nobody", listed(tmp_path, COVERED))
    done = await asyncio.to_thread(ended, *refused)
    assert (done.returncode, done.stdout.startswith("Stopped: ")) == (1, True), done.stdout


async def test_it_knows_nginxs_hits_for_what_they_are(server: Running, tmp_path: Path) -> None:
    """Through nginx a first run makes covers, one into another folder gets hits, a rerun no new bytes."""
    clock = Clock()
    async with before(server, tmp_path / "nginx") as url:
        wish = DownloadWish(url, server.key.name, "small", Format.JPEG, 0.0)
        reports = []
        for name in ("one", "two", "two"):
            reports.append(DownloadReport())
            with Folder(tmp_path / name).opened() as folder:
                async with aiohttp.ClientSession() as client:
                    fetcher = Downloader(wish, folder, client, reports[-1], clock.now, clock.sleep)
                    await fetcher.run([Row(1, COVERED), Row(2, UNCOVERED)], lambda result: None)

    assert [report.outcomes for report in reports] == [
        {DownloadOutcome.FETCHED: 1, DownloadOutcome.MISSING: 1},
        {DownloadOutcome.FETCHED: 1, DownloadOutcome.MISSING: 1},
        {DownloadOutcome.UNCHANGED: 1, DownloadOutcome.MISSING: 1},
    ]  # fmt: skip
    assert ([report.new for report in reports], clock.slept) == ([1, 0, 0], [1.0])


async def test_the_command_stops_when_the_quota_is_used_up(
    start: Start, drawn_isbns: list[str], tmp_path: Path
) -> None:
    """With a quota of one it fetches one, stops with exit code 75, and says when the quota starts anew."""
    server = await start()
    key = await server.new_key(daily_limit=1)
    names = ("--server", server.listeners.url, "--key", key.name, "-o", tmp_path / "out")
    told = await command(*names, listed(tmp_path, *drawn_isbns[:3]), code=75)

    assert (told["fetched"], told["lines"]) == (1, 1)
    assert "quota" in told["stopped"]
    assert told["resets_at"].endswith("T00:00:00Z")


def printed(process: Process) -> str:
    """All that a command prints to its end."""
    assert process.stdout
    return process.stdout.read()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_killed_in_the_middle_it_goes_on(serving: Serving, tmp_path: Path, number: int) -> None:
    """Killed while half a cover is here, no file is half; the next run asks only for what is missing."""
    is_stuck, is_well = asyncio.Event(), False

    async def handler(request: web.Request) -> web.StreamResponse:
        if is_well or not request.path.endswith(BOOKS[2]):
            return cover()
        response = web.StreamResponse(headers={"Content-Length": "5000"})
        await response.prepare(request)
        await response.write(images.small_jpeg()[:1000])
        is_stuck.set()
        await asyncio.sleep(60)
        return response

    server = await serving(handler)
    given = ("--server", server.url, "--key", KEY, "-o", tmp_path / "out", listed(tmp_path, *BOOKS))
    with await asyncio.to_thread(started, "fetch", *given) as process:
        await asyncio.wait_for(is_stuck.wait(), 30)
        process.send_signal(number)
        said = await asyncio.to_thread(printed, process)
    assert files(tmp_path / "out") == sorted(f"{value}.jpg" for value in BOOKS[:2])
    if number == signal.SIGINT:
        assert (process.returncode, "Interrupted" in said) == (130, True)
    server.asked.clear()
    is_well = True
    told = await command(*given)

    assert (told["kept"], told["fetched"], server.isbns) == (2, 2, BOOKS[2:])
    assert server.asked[0].headers["User-Agent"] == AGENT
    assert all((tmp_path / "out" / f"{value}.jpg").read_bytes() == images.small_jpeg() for value in BOOKS)
    assert leftovers(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--server", "covers.example.org", "--key", "k", "-o", "out", "-"), "not an address"),
        (("--server", "http://127.0.0.1:1", "--key", "k", "-o", "out", "--column", "x", "-"), "no column"),
    ],
)
async def test_mistakes_are_told_before_anything_is_asked(wrong: tuple[str, ...], says: str) -> None:
    """A server that is no address and a column that is not there end it with exit code 2 and a sentence."""
    done = await asyncio.to_thread(ended, "fetch", *wrong, sent=b"isbn,title\n1,2\n")

    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
