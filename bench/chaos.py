"""What is torn, lost or miscounted when the service is killed at random moments under load?

    python -m bench chaos [--kills 50] [--seed 1]

Starts `coverproxy serve --workers 2` over the project's drawn covers, entered under many ISBNs, asks for new
covers without a pause (16 at a time), and kills every process of it with SIGKILL after a random 0.2 to 1.5 s.
After each kill, before the restart: is every file under a final name whole? After each restart: are the dead
writers' temporary files gone? At the end: every answer that came was a whole picture, the quota is no lower
than the covers made, and higher by at most the covers that were under way at the kills. Exits with 1 where
any of this does not hold.
"""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import click
import orjson

from bench import books, command, report, scratch
from coverproxy.domain.formats import Format, dimensions

AT_ONCE = 16
BROWSER = {"Sec-Fetch-Dest": "image"}
BOOKS = 200_000


@dataclass
class Seen:
    """What happened so far."""

    answered: dict[str, int] = field(default_factory=dict)
    torn_answers: int = 0
    torn_files: int = 0
    left_temporary: int = 0
    asked: int = 0


@command.command(__name__, __doc__)
@click.option("--kills", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@command.out
def main(kills: int, seed: int, out: Path) -> None:
    """Kill it as often as asked, and tell what was found."""
    with scratch.folder() as name:
        folder = Path(name, "data")
        books.fill(folder, books.originals(None, Path(name, "drawn")), BOOKS)
        key = books.new_key(folder)
        seen = Seen()
        chance = random.Random(seed)  # noqa: S311 - no secret
        for _ in range(kills):
            asyncio.run(_one_life(folder, key, seen, chance.uniform(0.2, 1.5)))
            _inspect(folder, seen)
        figures = _told(folder, key, seen, kills)
    report.show(figures)
    print(report.write("chaos", {"kills": kills, "at_once": AT_ONCE, "seed": seed}, figures, out))
    sys.exit(0 if figures["holds"] else 1)


async def _one_life(folder: Path, key: str, seen: Seen, seconds: float) -> None:
    """Start it, ask without a pause, kill it after *seconds*."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "coverproxy", "serve", "--workers", "2", "--port", str(port)]
    environment = os.environ | {"COVERPROXY_OPS__PORT": "0", "COVERPROXY_LOG__LEVEL": "error"}
    process = subprocess.Popen(  # noqa: ASYNC220 - one process at a time, nothing else to do meanwhile
        [*command, "--data", str(folder), "--json"],
        stdout=subprocess.PIPE, env=environment, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    url = orjson.loads(process.stdout.readline())["url"]
    seen.left_temporary += len(_dead_temporary(folder))
    asking = [asyncio.ensure_future(_ask_on(url, key, seen)) for _ in range(AT_ONCE)]
    await asyncio.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    await asyncio.gather(*asking)
    process.stdout.close()


async def _ask_on(url: str, key: str, seen: Seen) -> None:
    """Ask for one new cover after the other until nobody answers any more."""
    async with aiohttp.ClientSession(headers=BROWSER) as client:
        while True:
            seen.asked += 1
            path = f"/devkey/{key}/small/isbn/{books.isbn(seen.asked)}"
            try:
                async with client.get(url + path) as response:
                    body = await response.read()
                    status = response.headers["X-Cover-Status"]
            except (aiohttp.ClientError, ConnectionError):
                return
            seen.answered[status] = seen.answered.get(status, 0) + 1
            if status in ("made", "hit") and not dimensions(body, Format.JPEG):
                seen.torn_answers += 1


def _inspect(folder: Path, seen: Seen) -> None:
    for path in (folder / "cache" / "v2" / "img").rglob("*.jpg"):
        if not dimensions(path.read_bytes(), Format.JPEG):
            seen.torn_files += 1


def _dead_temporary(folder: Path) -> list[Path]:
    """Temporary files of processes that no longer live."""
    return [
        path
        for path in (folder / "cache" / "v2" / "tmp").glob("*-*")
        if not Path("/proc", path.name.partition("-")[0]).exists()
    ]


def _told(folder: Path, key: str, seen: Seen, kills: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "coverproxy", "key", "show", key, "--json", "--data", str(folder)]
    shown = orjson.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    counted = sum(shown["days"].values())
    made = sum(1 for path in (folder / "cache" / "v2" / "img").rglob("*.jpg") if len(path.stem) == 13)
    figures: dict[str, Any] = {
        "kills": kills, "answers": seen.answered, "torn_answers": seen.torn_answers,
        "torn_files": seen.torn_files, "temporary_files_left": seen.left_temporary,
        "covers_on_disk": made, "covers_counted": counted, "finished": time.strftime("%Y-%m-%d"),
    }  # fmt: skip
    is_clean = not (seen.torn_answers or seen.torn_files or seen.left_temporary)
    figures["holds"] = is_clean and made <= counted <= made + kills * AT_ONCE
    return figures
