"""The master: workers are replaced and changed over while clients come and go, and nobody is refused."""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import orjson
import pytest
from conftest import BROWSER, COVERED, UNCOVERED
from running import Serve, Served, children, data, get, key, serve, workers

from coverproxy.server.supervisor import LINGER_SECONDS

__all__ = ["data", "serve"]  # fixtures


def changed_over(served: Served, old: set[int]) -> set[int]:
    """Wait until no old worker is left; return the new ones."""
    deadline = time.monotonic() + 30
    while (now := workers(served)) & old or not now:
        assert time.monotonic() < deadline, "the old workers must go"
        time.sleep(0.05)
    return now


async def asked(served: Served, path: str, end: asyncio.Event, failures: list[str]) -> int:
    """Ask again and again, each time by a new connection, until the end; return how often it was answered."""
    answered = 0
    while not end.is_set():
        connector = aiohttp.TCPConnector(force_close=True)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, headers=BROWSER) as client,
                client.get(served.url + path) as response,
            ):
                await response.read()
                if response.status != 200:
                    failures.append(str(response.status))
                answered += 1
        except (aiohttp.ClientError, OSError) as exc:
            failures.append(repr(exc))
        await asyncio.sleep(0.03)  # some hundred a second are enough, and leave time for workers to start
    return answered


async def asked_late(served: Served, path: str, end: asyncio.Event, failures: list[str]) -> int:
    """As above, by a client far away: between connecting and asking it takes a fifth of a second.

    One that a busy machine lets sleep for longer than a worker waits may get nothing.
    """
    host, _, port = served.url.removeprefix("http://").partition(":")
    answered = 0
    while not end.is_set():
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(host, int(port))
        await asyncio.sleep(0.2)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        is_in_time = time.monotonic() - began < LINGER_SECONDS
        try:
            answer = await reader.read()
        except OSError as exc:
            answer = repr(exc).encode()
        if is_in_time and not answer.startswith(b"HTTP/1.1 200"):
            failures.append(f"late: {answer[:80]!r}")
        answered += 1
        writer.close()
    return answered


@pytest.mark.parametrize("count", ["1", "2"])
def test_sighup_refuses_nobody(serve: Serve, data: Path, count: str) -> None:
    """Three SIGHUPs under a load of new connections: new workers each time, and no request is lost."""
    served = serve("--workers", count)
    path = f"/devkey/{key(data)}/medium/isbn/{COVERED}"

    async def load() -> tuple[int, list[str]]:
        end, failures = asyncio.Event(), list[str]()
        clients = [asked] * 16 + [asked_late] * 16
        asking = [asyncio.create_task(each(served, path, end, failures)) for each in clients]
        for _ in range(3):
            old = workers(served)
            await asyncio.sleep(0.3)
            served.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(changed_over, served, old)
        await asyncio.sleep(0.3)
        end.set()
        return sum(await asyncio.gather(*asking)), failures

    answered, failures = asyncio.run(load())

    assert failures == []
    assert answered > 200
    assert served.stop() == 0
    assert served.process.stdout
    assert served.process.stdout.read() == ""  # the line that says it is ready came once


def test_sighup_reads_the_config_anew(serve: Serve, data: Path, tmp_path: Path) -> None:
    """A changed config file is in force after SIGHUP, its workers too; one with mistakes changes nothing."""
    file = tmp_path / "c.toml"
    file.write_text("[answers]\nmissing_max_age_seconds = 111\n")
    served = serve("--config", str(file))
    url = f"{served.url}/devkey/{key(data)}/medium/isbn/{UNCOVERED}"
    seen = [get(url)[1]["Cache-Control"]]
    for text in (
        "[answers]\nmissing_max_age_seconds = 222\n[server]\nworkers = 2\n",
        '[answers]\nmissing = 3\n[admin]\ntoken = "hunter2"\n',
    ):
        old = workers(served)
        file.write_text(text)
        served.process.send_signal(signal.SIGHUP)
        new = changed_over(served, old)
        seen.append(get(url)[1]["Cache-Control"])

    assert [text.partition("max-age=")[2][:3] for text in seen] == ["111", "222", "222"]
    assert len(new) == 2
    assert "hunter2" not in (tmp_path / "log").read_text()  # too short a secret is a mistake, never shown
    lines = [orjson.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert ["answers.missing: no such key" in line["mistakes"] for line in lines if "mistakes" in line] == [
        True
    ]


def test_metrics_outlive_workers(serve: Serve, data: Path) -> None:
    """What a worker counted stays in the sums after SIGHUP and after kill -9."""
    served = serve()
    path = f"{served.url}/devkey/{key(data)}/medium/isbn/{UNCOVERED}"
    get(path)
    old = workers(served)
    served.process.send_signal(signal.SIGHUP)
    new = changed_over(served, old)
    get(path)
    os.kill(new.pop(), signal.SIGKILL)
    get(path)

    text = get(served.ops_url + "/metrics")[2].decode()
    assert 'coverproxy_answers_total{status="missing"} 3.0' in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_clean_and_quick(serve: Serve, data: Path, number: int) -> None:
    """SIGTERM and SIGINT end an idle server with code 0 within seconds; no worker or decoder is left."""
    served = serve()
    running = workers(served)
    running |= {child for worker in running for child in children(worker)}
    assert len(running) >= 2
    started = time.monotonic()

    assert served.stop(number) == 0
    assert time.monotonic() - started < 9, "it waits for nobody: server.stop_seconds is 10"
    assert not any(Path(f"/proc/{each}").exists() for each in running)


def test_the_metrics_folder_is_the_masters_to_remove(serve: Serve, data: Path) -> None:
    """The folder of the metrics goes when the master ends, not when a worker does."""
    served = serve()
    maps = Path(f"/proc/{next(iter(workers(served)))}/maps").read_text()
    folders = {
        line.split()[-1].rpartition("/")[0] for line in maps.splitlines() if "coverproxy-metrics-" in line
    }
    (folder,) = folders
    old = workers(served)
    served.process.send_signal(signal.SIGHUP)
    changed_over(served, old)

    assert Path(folder).is_dir()
    served.stop()
    assert not Path(folder).exists()
