"""A real nginx before a server, with the configuration that `coverproxy nginx-conf` prints for it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
from click.testing import CliRunner
from conftest import Running
from ending import Ending
from ports import free_port
from services import program

from coverproxy.cli import main
from coverproxy.config import Config

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def printed(data: Path, tables: Mapping[str, Any] | None = None, **front: Any) -> str:
    """What `coverproxy nginx-conf --whole` prints for a data folder, some tables, and keys of [front]."""
    environment = dict(named("COVERPROXY", {**(tables or {}), "front": front}))
    command = ["nginx-conf", "--whole", "--data", str(data)]
    result = CliRunner().invoke(main, command, env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def named(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a table's keys as the environment spells them."""
    if isinstance(value, Mapping):
        between = "_" if name == "COVERPROXY" else "__"
        for key, each in value.items():
            yield from named(f"{name}{between}{key.upper()}", each)
    else:
        yield name, orjson.dumps(value).decode()


def laid(folder: Path, conf: str) -> list[str]:
    """Lay a configuration into *folder*; return the command that runs nginx with it."""
    folder.mkdir(exist_ok=True)
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in TEMPORARY)
    (folder / "nginx.conf").write_text(conf.replace("http {\n", "http {\n" + paths, 1))
    settings = f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;"
    return [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", settings]


def readable(data: Path) -> None:
    """Let nginx's workers, which run as another user, enter the folders above the cache.

    The cache's is made: no service has run yet where the apps are the test's own.
    """
    top = data.resolve() / "cache" / "v2"
    top.mkdir(parents=True, exist_ok=True)
    for folder in (top, *list(top.parents)[:6]):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o055)


@contextlib.asynccontextmanager
async def fronted(
    data: Path, app: str, folder: Path, tables: Mapping[str, Any] | None = None, **front: Any
) -> AsyncIterator[str]:
    """Run nginx before the app of that URL, over its data folder; yield nginx's URL."""
    port = free_port()
    async with nginx(folder, before_app(data, app, folder, port, tables, **front), port) as url:
        yield url


def before_app(
    data: Path, app: str, folder: Path, port: int, tables: Mapping[str, Any] | None = None, **front: Any
) -> str:
    """Return the configuration of an nginx before the app of that URL, and let it read the data folder."""
    program("nginx")
    readable(data)
    given = {
        "listen": [f"127.0.0.1:{port}"],
        "apps": [app.removeprefix("http://")],
        "access_log": f"{folder}/access.log",
    }
    return printed(data, tables, **(given | front))


@contextlib.asynccontextmanager
async def nginx(folder: Path, conf: str, port: int) -> AsyncIterator[str]:
    """Run nginx with a configuration that listens on *port*; yield its URL."""
    process = await asyncio.create_subprocess_exec(*laid(folder, conf))
    try:
        await listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def before(server: Running, folder: Path, **front: Any) -> AsyncIterator[str]:
    """Run nginx before a server of this process."""
    config = server.config
    given = {"x_accel": config.front.x_accel} | front
    async with fronted(Path(config.data.dir), server.listeners.url, folder, tables(config), **given) as url:
        yield url


@contextlib.contextmanager
def standing_before(config: Config, app: str, folder: Path) -> Iterator[str]:
    """Run nginx before a server that stands for many tests, with default settings; yield its URL."""
    port = free_port()
    conf = before_app(Path(config.data.dir), app, folder, port, tables(config))
    with Ending(laid(folder, conf)) as process:
        try:
            asyncio.run(listening(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def tables(config: Config) -> dict[str, Any]:
    """What nginx-conf reads of a server's config beside [front]."""
    offers = {name: {"offers": size.offers} for name, size in config.sizes.items()}
    return {"formats": config.formats.model_dump(), "sizes": offers}


async def listening(port: int) -> None:
    """Wait until a server listens on a port."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        assert time.monotonic() < deadline, "nginx did not start"
        await asyncio.sleep(0.02)
