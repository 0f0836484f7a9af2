"""A real nginx finds derivatives by the layout alone, and says the same of them as the app."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from conftest import COVERED, Running
from services import program

from coverproxy import isbn

PATTERN = (
    r"^/devkey/(?<key>[a-z0-9]+)/(?<size>[a-z]+)"
    r"/isbn/(?<isbn>\d{5,8}(?<a>\d\d)(?<b>\d\d)[\dX])$"
)
CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    types {{ image/jpeg jpg; }}
    if_modified_since before;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location ~ "{pattern}" {{
            try_files /by-key/$key/$size/$a/$b/$isbn.jpg =404;
        }}
    }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(folder: Path, root: Path) -> AsyncIterator[str]:
    """Run nginx over *root*; yield its URL."""
    binary = program("nginx")
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(CONF.format(folder=folder, root=root, port=port, pattern=PATTERN))
    process = await asyncio.create_subprocess_exec(
        binary, "-p", str(folder), "-c", str(folder / "nginx.conf")
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        assert time.monotonic() < deadline, "nginx did not start"
        await asyncio.sleep(0.02)


@pytest.fixture
async def front(server: Running, tmp_path: Path) -> AsyncIterator[str]:
    """nginx over the server's cache folder, with no app behind it."""
    root = server.covers.cache.layout.top.resolve()
    for folder in (tmp_path, *tmp_path.parents[:3]):  # nginx's workers run as another user
        folder.chmod(folder.stat().st_mode | 0o055)
    async with nginx(tmp_path / "nginx", root) as url:
        yield url


async def test_nginx_and_the_app_say_the_same(server: Running, front: str) -> None:
    """Both spellings: same bytes, ETag, Last-Modified and type from nginx's files as from the app."""
    ten = isbn.to_isbn10(COVERED)
    ours = await server.get(server.path())
    for spelling in (COVERED, ten):
        async with server.client.get(front + server.path(spelling)) as theirs:
            assert theirs.status == 200
            assert await theirs.read() == ours.body
            for name in ("ETag", "Last-Modified", "Content-Type", "Content-Length", "Accept-Ranges"):
                assert theirs.headers[name] == ours.headers[name]


@pytest.mark.parametrize(
    "headers",
    [
        {"If-None-Match": "{etag}"},
        {"If-None-Match": 'W/{etag}, "x"'},
        {"If-None-Match": '"x"'},
        {"If-Modified-Since": "{date}"},
        {"If-Modified-Since": "Sun, 06 Nov 2033 08:49:37 GMT"},
        {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
        {"If-Match": '"x"'},
        {"Range": "bytes=0-0"},
        {"Range": "bytes=-100"},
        {"Range": "bytes=5-"},
        {"Range": "bytes=9999999-"},
        {"Range": "bytes=0-0", "If-Range": '"x"'},
        {"Range": "bytes=0-0", "If-Range": "{etag}"},
        {"Range": "lines=1-2"},
    ],
    ids=str,
)
async def test_nginx_and_the_app_decide_alike(server: Running, front: str, headers: dict[str, str]) -> None:
    """Preconditions and ranges get the same status, length and range from both."""
    cover = await server.get(server.path())
    sent = {
        name: value.format(etag=cover.headers["ETag"], date=cover.headers["Last-Modified"])
        for name, value in headers.items()
    }
    ours = await server.get(server.path(), **{name.replace("-", "_"): value for name, value in sent.items()})
    async with aiohttp.ClientSession() as client, client.get(front + server.path(), headers=sent) as theirs:
        assert (ours.status, ours.headers.get("Content-Range")) == (
            theirs.status,
            theirs.headers.get("Content-Range"),
        )
        if ours.status < 400:
            assert ours.body == await theirs.read()


async def test_a_key_opens_and_closes_the_files(server: Running, front: str) -> None:
    """The key's symlink is nginx's whole check: revoked, bound or unknown keys find nothing."""
    await server.get(server.path())
    bound = await server.new_key(sites=("example.org",))

    async def status(key: str) -> int:
        async with server.client.get(front + server.path(key=key)) as response:
            return response.status

    assert await status(server.key.name) == 200
    assert await status(bound.name) == 404
    assert await status("nosuchkey") == 404
    await server.covers.accounts.save(replace(server.key, revoked_at=1))
    assert await status(server.key.name) == 404
