"""The load balancer's configuration: a real nginx before two nodes."""

import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from certificates import self_signed
from click.testing import CliRunner
from ending import end
from fronting import laid, named, nginx
from ports import free_port

from coverproxy.cli import main

KEY = "k3m9x7q2w8e5"
ONE_BOOK = (
    f"/devkey/{KEY}/small/isbn/9780141439518", f"/devkey/{KEY}/large/isbn/9780141439518.webp",
    f"/devkey/{KEY}/medium/isbn/0141439513", "/devkey/another1/w320/isbn/0141439513.jpg",
    f"/devkey/{KEY}/b/isbn/0141439513-L.jpg", f"/devkey/{KEY}/b/ISBN/9780141439518-S.jpg",
    f"/devkey/{KEY}/images/P/0141439513.01.LZZZZZZZ.jpg", f"/devkey/{KEY}/9780141439518.jpg",
)  # fmt: skip
ONE_ITEM = (
    f"/devkey/{KEY}/small/oclc/1234567", f"/devkey/{KEY}/large/oclc/1234567.webp",
    "/devkey/another1/w320/oclc/1234567.jpg",
)  # fmt: skip


def balanced(nodes: list[str], *arguments: str, code: int = 0, **front: object) -> str:
    """What the command prints for these nodes."""
    each = [word for node in nodes for word in ("--balancer", node)]
    environment = dict(named("COVERPROXY", {"front": front}))
    done = CliRunner().invoke(main, ["nginx-conf", *each, *arguments], env=environment)
    assert done.exit_code == code, done.output
    return done.output


class Node:
    """A server that says who it is, and which addresses it was told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.forwarded: list[str] = []
        self._runner: web.AppRunner | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.forwarded.append(request.headers["X-Forwarded-For"])
        return web.Response(text=self.name)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner:
            await end(self._runner)
            self._runner = None


@asynccontextmanager
async def before(nodes: list[Node], folder: Path) -> AsyncIterator[str]:
    """nginx before nodes, with what the command prints."""
    port = free_port()
    conf = balanced([f"127.0.0.1:{node.port}" for node in nodes], "--whole", listen=[f"127.0.0.1:{port}"])
    async with nginx(folder, conf, port) as url:
        yield url


async def test_an_item_stays_on_its_node(tmp_path: Path) -> None:
    """One item goes to one node, whatever its size and spelling; to the other once it is down."""
    nodes = {name: Node(name) for name in ("one", "two")}
    async with AsyncExitStack() as stack:
        for node in nodes.values():
            await node.start()
            stack.push_async_callback(node.stop)
        url = await stack.enter_async_context(before(list(nodes.values()), tmp_path / "nginx"))
        client = await stack.enter_async_context(aiohttp.ClientSession())

        async def who(path: str) -> str:
            async with client.get(url + path, headers={"X-Forwarded-For": "192.0.2.1"}) as response:
                return await response.text()

        (home,) = {await who(path) for path in ONE_BOOK}
        assert len({await who(path) for path in ONE_ITEM}) == 1
        paths = [f"/devkey/{KEY}/small/oclc/{number}" for number in range(100, 300)]
        first = {path: await who(path) for path in paths}
        assert min(Counter(first.values()).values()) > 60

        other = next(name for name in nodes if name != home)
        await nodes[home].stop()
        assert {await who(path) for path in ONE_BOOK} == {other}
        await nodes[other].stop()
        async with client.get(url + ONE_BOOK[0]) as response:
            assert (response.status, response.headers["X-Cover-Status"]) == (503, "unavailable")
            assert "Retry-After" in response.headers
        assert set(nodes["one"].forwarded + nodes["two"].forwarded) == {"127.0.0.1"}


async def test_a_third_node_moves_its_share_only(tmp_path: Path) -> None:
    """With a third node, items move to it and none between the two that were there."""
    nodes = [Node(name) for name in ("one", "two", "three")]
    paths = [f"/devkey/{KEY}/small/isbn/978{number:09}0" for number in range(1, 3001, 10)]

    async def asked(count: int) -> list[str]:
        async with (
            before(nodes[:count], tmp_path / f"nginx{count}") as url,
            aiohttp.ClientSession() as client,
        ):
            found = []
            for path in paths:
                async with client.get(url + path) as response:
                    found.append(await response.text())
            return found

    async with AsyncExitStack() as stack:
        for node in nodes:
            await node.start()
            stack.push_async_callback(node.stop)
        two, three = await asked(2), await asked(3)
    moved = [(old, new) for old, new in zip(two, three, strict=True) if old != new]
    assert {new for _, new in moved} == {"three"}
    assert 0.2 < len(moved) / len(paths) < 0.47


@pytest.mark.parametrize("tls", ["off", "http2"])
def test_nginx_takes_the_configuration(tmp_path: Path, tls: str) -> None:
    """nginx -t passes, with IPv6 nodes, and with TLS."""
    made = self_signed(tmp_path)
    paths: dict[str, Any] = {"certificate": str(made.file), "certificate_key": str(made.key)}
    conf = balanced(
        ["10.0.0.1:80", "[fd00::1]:8080"], "--whole", tls=tls, public_url="https://covers.example.org",
        listen=["127.0.0.1:8088"], listen_tls=["127.0.0.1:8443"], **paths,
    )  # fmt: skip
    found = subprocess.run(
        [*laid(tmp_path / "nginx", conf), "-t"], capture_output=True, text=True, check=False
    )

    assert found.returncode == 0, found.stderr
    assert "warn" not in found.stderr


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        (["a"], "'a' is not the address of a node"),
        (["a;b:80"], "is not the address of a node"),
        (["a:80", "a:80"], "a:80 is named twice"),
    ],
)
def test_wrong_nodes_are_told(nodes: list[str], why: str) -> None:
    """A node without a port, or named twice, is refused with the option's name."""
    said = balanced(nodes, code=2)

    assert "--balancer" in said
    assert why in said
