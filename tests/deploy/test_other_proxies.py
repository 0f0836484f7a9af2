"""Caddy and Apache before the app, with the configurations in deploy/."""

import asyncio
import contextlib
import io
import re
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import images
import pytest
from certificates import self_signed
from conftest import BROWSER, UNCOVERED, Running, Start
from fronting import listening
from ports import free_port
from services import program
from yarl import URL

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TOKEN = "a-long-admin-token"  # noqa: S105 - of these tests only
MODULES = ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers")


def caddy(folder: Path, app: str, port: int) -> list[str]:
    """Lay deploy/Caddyfile, without TLS and Caddy's own admin port; return what runs it."""
    text = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    text = text.replace("covers.example.org {", f"http://127.0.0.1:{port} {{").replace("127.0.0.1:8080", app)
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + text, encoding="utf-8")
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


def apache(folder: Path, app: str, port: int) -> list[str]:
    """Lay deploy/apache.conf with a certificate of its own; return what runs it."""
    server = program("apache2", package="apache2-bin")
    text = (DEPLOY / "apache.conf").read_text(encoding="utf-8").replace("127.0.0.1:8080", app)
    made = self_signed(folder)
    text = re.sub(r"/\S+/fullchain\.pem", str(made.file), text).replace("*:443", f"127.0.0.1:{port}")
    text = re.sub(r"/\S+/privkey\.pem", str(made.key), text)
    loaded = "".join(f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so\n" for each in MODULES)
    head = f"ServerRoot {folder}\nPidFile {folder}/pid\nErrorLog {folder}/log\nListen 127.0.0.1:{port}\n"
    (folder / "apache.conf").write_text(f"{loaded}{head}ServerName x\nUser nobody\n{text}", encoding="utf-8")
    return [server, "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]


Lay = Callable[[Path, str, int], list[str]]


@contextlib.asynccontextmanager
async def running(lay: Lay, folder: Path, app: str) -> AsyncIterator[str]:
    """Run a web server before the app at that host and port; yield its URL."""
    folder.mkdir()
    port, scheme = free_port(), "https" if lay is apache else "http"
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin:/usr/sbin"}
    process = await asyncio.create_subprocess_exec(
        *lay(folder, app, port), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await listening(port)
        yield f"{scheme}://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder)


@pytest.fixture
async def server(start: Start) -> Running:
    """A server that trusts the web server before it, and takes uploads."""
    return await start(admin={"token": TOKEN})


@pytest.mark.parametrize("lay", [caddy, apache])
async def test_what_is_asked_reaches_the_app_as_it_was_sent(
    lay: Lay, server: Running, tmp_path: Path
) -> None:
    """Covers, encoded and doubled slashes, HEAD and large pictures get the app's own answers."""
    app = server.listeners.url
    doi = "10.1000%2F182"
    await server.get(server.path())  # made
    async with (
        running(lay, tmp_path / "front", app.removeprefix("http://")) as front,
        aiohttp.ClientSession(headers=BROWSER, connector=aiohttp.TCPConnector(ssl=False)) as client,
    ):
        for path in (
            server.path(), f"/devkey/{server.key.name}/medium/doi/{doi}",
            f"/devkey/{server.key.name}/medium/isbn//{UNCOVERED}",
        ):  # fmt: skip
            for method in ("GET", "HEAD"):
                told = []
                for base in (app, front):
                    async with client.request(method, URL(base + path, encoded=True)) as got:
                        told.append((got.status, got.headers.get("X-Cover-Status"), await got.read()))
                assert told[0] == told[1], (method, path)
        body = images.with_padding(images.jpeg(images.solid(images.RED, 400, 600))).ljust(2_000_000, b"\0")
        where = f"{front}/devkey/{server.key.name}/original/isbn/{UNCOVERED}"
        async with client.put(
            where, data=io.BytesIO(body), headers={"Authorization": f"Bearer {TOKEN}"}
        ) as got:
            assert got.status == 201, await got.text()
