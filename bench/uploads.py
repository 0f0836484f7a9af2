"""What do many slow uploads at once cost everybody else: in the time of hits, in memory, on disk?

    python -m bench uploads [--covers DIR]

`coverproxy serve` with one worker and its default limits, on loopback and without nginx; half a minute. 200
connections, of a process of its own, each send a picture of 8 MB as the administrator, a chunk of 16 kB a
second, and begin again some five seconds after they are turned away. Hits at 200 a second, alone and then
beside them: p99 ÷ p99, median of rounds. Meanwhile the worker's memory, and how many incoming files are on
disk; then the answers, and whether one normal upload is taken once they are gone.
"""

import asyncio
import contextlib
import multiprocessing
import random
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench import books, command, flood, report, scratch, serve
from bench.goals import Goal, at_least, at_most

BOOKS = 50
CLIENTS = 200
CHUNK, SIZE = 16_384, 8_000_000
ROUNDS = 3
FLOOD_SECONDS = 20.0
PAUSE = 5.0
"""Seconds until a client that was turned away begins again, as Retry-After asks."""

TOKEN = "a token of the benchmark"  # noqa: S105 - of this benchmark alone

_UNREACHED = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)


def _head(path: str, length: int) -> bytes:
    return (
        f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


class Flood:
    """Slow uploads, and what became of them. `answers`: by status; `most`: how many sent at once."""

    def __init__(self, url: str, path: str) -> None:
        self._host, self._port = url.removeprefix("http://").split(":")
        self._path = path
        self.answers: Counter[str] = Counter()
        self.sending = self.most = 0

    async def run(self) -> None:
        """Send until cancelled."""
        await asyncio.gather(*(self._client() for _ in range(CLIENTS)))

    async def _client(self) -> None:
        while True:
            with contextlib.suppress(*_UNREACHED):
                await self._upload()
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311 - not to come all at once

    async def _upload(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, int(self._port))
        answered = asyncio.create_task(reader.readuntil(b"\r\n"))
        self.sending += 1
        self.most = max(self.most, self.sending)
        try:
            writer.write(_head(self._path, SIZE))
            for _ in range(SIZE // CHUNK):
                writer.write(bytes(CHUNK))
                done, _ = await asyncio.wait([answered], timeout=1.0)
                if done:
                    self.answers[answered.result().split()[1].decode()] += 1
                    return
                await writer.drain()
        finally:
            self.sending -= 1
            answered.cancel()
            writer.close()


def _pour(url: str, path: str, told: "multiprocessing.Queue[Any]") -> None:
    """Flood for a while; tell how many still send, and the answers."""

    async def pour() -> None:
        slow = Flood(url, path)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLOOD_SECONDS):
                await slow.run()
        told.put((slow.most, dict(slow.answers)))

    asyncio.run(pour())


async def _put(url: str, path: str, body: bytes) -> str:
    """Send one picture at once; return the status."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(_head(path, len(body)) + body)
    status = (await reader.readuntil(b"\r\n")).split()[1].decode()
    writer.close()
    return status


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


async def _measured(served: serve.Served, incoming: Path, picture: bytes) -> dict[str, Any]:
    (worker,) = serve.workers_of(served.process, 1)
    path, address = served.path(0), f"/devkey/{served.key}/original/isbn/{books.isbn(1)}"
    await flood.Client(served.url).ask(flood.head(path))
    alone = [report.spread(await flood.hits(served.url, path))["p99"] for _ in range(ROUNDS)]
    before, beside = serve.resident_mib(worker), []
    context = multiprocessing.get_context("spawn")  # a process of its own: its time is not that of the hits
    told = context.Queue()
    slow = context.Process(target=_pour, args=(served.url, address, told), daemon=True)
    slow.start()
    await asyncio.sleep(3)
    files, memory = [], []
    for _ in range(ROUNDS):
        beside.append(report.spread(await flood.hits(served.url, path))["p99"])
        files.append(_count(incoming))
        memory.append(serve.resident_mib(worker))
    sending, answers = await asyncio.to_thread(told.get, timeout=60)
    await asyncio.to_thread(slow.join)
    at, after = time.monotonic(), ""
    while after not in ("200", "201") and time.monotonic() - at < 20:
        after = await _put(served.url, address, picture)
        await asyncio.sleep(0.2)
    ratio = statistics.median(beside) / statistics.median(alone)
    return {
        "hits_p99_ms": {
            "alone": round(statistics.median(alone), 2), "beside": round(statistics.median(beside), 2),
            "ratio": round(ratio, 2),
        },
        "rss_mib": {"before": round(before, 1), "most": round(max(memory), 1)},
        "incoming_files_most": max(files), "connections_most": sending, "answers": answers,
        "upload_after": after, "incoming_files_after": _count(incoming),
    }  # fmt: skip


@command.command(__name__, __doc__)
@command.covers
@command.out
def main(covers: Path | None, out: Path) -> None:
    """Flood a service with slow uploads, and write what others felt."""
    with scratch.folder() as name:
        folder = Path(name)
        found = books.originals(covers, folder / "drawn")
        books.fill(folder / "data", found, BOOKS)
        incoming = folder / "data" / "originals" / "tmp"
        with serve.app(folder / "data", 1, {"admin": {"token": TOKEN}}) as served:
            figures = asyncio.run(_measured(served, incoming, found[0].read_bytes()))
    report.show(figures)
    settings = {**books.described(covers, found), "workers": 1, "clients": CLIENTS, "rounds": ROUNDS}
    print(report.write("uploads", settings, figures, out, held=_held(figures)))


def _held(figures: dict[str, Any]) -> list[Goal]:
    memory = figures["rss_mib"]
    return [
        at_most("uploads: hits p99 ÷ without", figures["hits_p99_ms"]["ratio"], 2),
        at_most("uploads: memory beside ÷ before", memory["most"] / memory["before"], 1.5),
        at_most("uploads: incoming files at once", figures["incoming_files_most"], 4),
        at_most("uploads: incoming files left", figures["incoming_files_after"], 0),
        at_least("uploads: a normal upload afterwards", int(figures["upload_after"] in ("200", "201")), 1),
    ]
