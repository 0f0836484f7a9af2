"""What do hostile requests cost everybody else: in the time of hits, in memory, in another key's covers?

    python -m bench flood [--covers DIR]

`coverproxy serve` with one worker and its default limits, on loopback and without nginx; some two minutes.
First hits at 200 a second for three seconds, alone and then beside each kind of costly request at 10 a
second: the p99 of the second ÷ that of the first. Then 20,000 requests with long Accept headers, no two
alike: the worker's memory after ÷ before. Then 200 connections of one key that ask for new covers without a
pause, while another key wants one new cover every half second: how many of 18 it gets at once.
"""

import asyncio
import contextlib
import gzip
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import books, command, report, scratch, serve
from bench.goals import Goal, at_least, at_most

BOOKS = 2500
HITS_PER_SECOND = 200
HOSTILE_PER_SECOND = 10
SECONDS = 3.0
ROUNDS = 5
"""Of each: the p99 of one round is its sixth worst hit, which another guest of the machine may decide."""
"""Of hits without, and again with, each kind of request."""

ACCEPTS = 20_000
CONNECTIONS = 200
COVERS = 18
"""New covers that another key wants during the flood, one every half second."""

_TIMEOUT = 10.0
_READER = "Sec-Fetch-Dest: image\r\nReferer: http://127.0.0.1/\r\n"


def head(path: str, more: str = "") -> bytes:
    """Return a GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode()


def post(path: str, headers: str, body: bytes) -> bytes:
    """Return a POST as bytes."""
    start = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return start.encode() + body


def hostile(key: str) -> dict[str, bytes]:
    """Return each kind of request that costs a server much more than its sender, by name."""
    form = "Content-Type: application/x-www-form-urlencoded"
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n\r\n' for _ in range(1000)
    )
    packed = gzip.compress(bytes(500_000_000), 1)[:500_000]
    return {
        "32,000 slashes": head("/" * 32_000),
        "a body that unpacks to 500 MB": post(
            f"/devkey/{key}/info", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", packed
        ),
        "1,000 files in a form": post("/keys", "Content-Type: multipart/form-data; boundary=x\r\n", parts),
        "a form in IDNA": post("/keys", f"{form}; charset=idna\r\n", b"a=xn--" + b"a" * 60_000),
        "openapi.json": head("/openapi.json"),
        "the status page": head("/status"),
    }


class Client:
    """One connection at a time, opened anew where the server has closed it."""

    def __init__(self, url: str) -> None:
        self._host, self._port = url.removeprefix("http://").split(":")
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> str:
        """Send a request; return X-Cover-Status, or "" for what has none, or no answer."""
        try:
            async with asyncio.timeout(_TIMEOUT):
                return await self._ask(request)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            self.close()
            return ""

    async def _ask(self, request: bytes) -> str:
        if self._stream is None:
            self._stream = await asyncio.open_connection(self._host, int(self._port))
        reader, writer = self._stream
        writer.write(request)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" in fields:
            await reader.readexactly(int(fields["content-length"]))
        if "content-length" not in fields or fields.get("connection") == "close":
            self.close()
        return fields.get("x-cover-status", "")

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._stream:
            self._stream[1].close()
        self._stream = None


async def hits(url: str, path: str) -> list[float]:
    """Ask for a made cover at a steady pace; return the milliseconds of each, from when it was due."""
    client, times, started = Client(url), [], time.perf_counter()
    for number in range(round(SECONDS * HITS_PER_SECOND)):
        due = started + number / HITS_PER_SECOND
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        await client.ask(head(path))
        times.append((time.perf_counter() - due) * 1000)
    client.close()
    return times


async def _once(url: str, request: bytes) -> None:
    client = Client(url)
    await client.ask(request)
    client.close()


async def _pour(url: str, request: bytes) -> None:
    """Send a request at its pace, each over a connection of its own, until cancelled."""

    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_once(url, request))
            await asyncio.sleep(1 / HOSTILE_PER_SECOND)


async def slowed(url: str, path: str, request: bytes) -> tuple[float, float]:
    """Return the p99 of hits, in ms, without and with a hostile request: medians over rounds in turn.

    It is sent once before: the first one makes what is kept from then on, and a flood is what follows.
    """
    await _once(url, request)
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append(report.spread(await hits(url, path))["p99"])
        pouring = asyncio.create_task(_pour(url, request))
        beside.append(report.spread(await hits(url, path))["p99"])
        pouring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pouring
    return statistics.median(alone), statistics.median(beside)


async def accepts(url: str, path: str) -> None:
    """Ask with many long Accept headers, no two alike."""

    async def some(first: int) -> None:
        client = Client(url)
        for number in range(first, ACCEPTS, 8):
            await client.ask(head(path, f"Accept: image/x{number}-{'a' * 7000}\r\n"))
        client.close()

    await asyncio.gather(*map(some, range(8)))


async def starved(url: str, flood: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return what another key's readers get while one key's flood asks for new covers."""
    paths = iter(flood)

    async def flooding() -> None:
        client = Client(url)
        for path in paths:
            await client.ask(head(path, _READER))

    tasks = [asyncio.create_task(flooding()) for _ in range(CONNECTIONS)]
    await asyncio.sleep(1)
    got = []
    for path in wanted:
        client, started = Client(url), time.perf_counter()
        got.append(await client.ask(head(path, _READER)))
        client.close()
        await asyncio.sleep(max(0.5 - (time.perf_counter() - started), 0))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return got


@command.command(__name__, __doc__)
@command.covers
@command.out
def main(covers: Path | None, out: Path) -> None:
    """Flood a service, and write what others felt."""
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        books.fill(folder / "data", found, BOOKS)
        other = books.new_key(folder / "data")
        with serve.app(folder / "data", 1, {}) as served:
            figures = asyncio.run(_measured(served, other))
    report.show(figures)
    settings = {
        **books.described(covers, found), "workers": 1, "hits_per_second": HITS_PER_SECOND,
        "hostile_per_second": HOSTILE_PER_SECOND, "rounds": ROUNDS, "accepts": ACCEPTS,
        "connections": CONNECTIONS,
    }  # fmt: skip
    print(report.write("flood", settings, figures, out, held=_held(figures)))


async def _measured(served: serve.Served, other: str) -> dict[str, Any]:
    url, path = served.url, served.path(0)
    (worker,) = serve.workers_of(served.process, 1)
    await Client(url).ask(head(path, _READER))
    figures: dict[str, Any] = {"hits_p99_ms": {}}
    for name, request in hostile(served.key).items():
        alone, beside = await slowed(url, path, request)
        ratio = round(beside / alone, 2)
        figures["hits_p99_ms"][name] = {"alone": round(alone, 2), "beside": round(beside, 2), "ratio": ratio}
    before = serve.resident_mib(worker)
    await accepts(url, path)
    after = serve.resident_mib(worker)
    figures["rss_mib"] = {"before": round(before, 1), "after": round(after, 1)}
    wanted = [f"/devkey/{other}/medium/isbn/{books.isbn(number)}" for number in range(1, COVERS + 1)]
    flood = [served.path(number) for number in range(COVERS + 1, BOOKS)]
    got = await starved(url, flood, wanted)
    figures["another_key"] = {label or "none": got.count(label) for label in sorted(set(got))}
    return figures


def _held(figures: dict[str, Any]) -> list[Goal]:
    memory, shown = figures["rss_mib"], figures["another_key"]
    served = sum(shown.get(label, 0) for label in ("made", "hit"))
    return [
        *(
            at_most(f"flood: hits p99 ÷ without, {name}", each["ratio"], 2)
            for name, each in figures["hits_p99_ms"].items()
        ),
        at_most("flood: memory after 20,000 Accepts ÷ before", memory["after"] / memory["before"], 1.2),
        at_least(f"flood: another key's new covers, of {COVERS}", served, 17),
    ]
