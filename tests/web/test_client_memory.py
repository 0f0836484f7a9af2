"""What clients send does not stay in memory: what is remembered is short, and all of it is bounded."""

import asyncio
import gc
import tracemalloc

from conftest import Running

from coverproxy.cache.memory import MemoryEntry
from coverproxy.web.client_ip import _is_trusted
from coverproxy.web.fast_path import MAX_NAME, KnownPaths


async def hostile(server: Running, headers: list[bytes]) -> None:
    """Ask for one made cover by a connection of its own, once for each of *headers*."""
    reader, writer = await asyncio.open_connection(*server.listeners.covers.getsockname(), limit=1 << 20)
    for lines in headers:
        writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\nSec-Fetch-Dest: image\r\n" % server.path().encode())
        writer.write(lines + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()


async def grown(server: Running, headers: list[bytes]) -> int:
    """Return by how many bytes our memory grew while they were asked with."""
    await hostile(server, headers[:2])
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await hostile(server, headers)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


async def test_long_accept_headers_do_not_stay(server: Running) -> None:
    """300 requests with 50 lines of Accept each, 100 kB that differ, leave less than 2 MB (once 30 MB)."""
    headers = [
        b"".join(b"Accept: a/%d-%d-%b\r\n" % (at, line, b"x" * 2000) for line in range(50))
        for at in range(300)
    ]

    assert await grown(server, headers) < 2_000_000


async def test_other_long_headers_do_not_stay(server: Running) -> None:
    """Nor do long Referers, Origins, languages, tags, hosts and forwarded addresses: 300 times 40 kB."""
    names = (
        b"Referer: http://",
        b"Origin: http://",
        b"Accept-Language: ",
        b"If-None-Match: ",
        b"X-Forwarded-For: ",
    )
    headers = [b"".join(b"%b%d%b\r\n" % (name, at, b"x" * 8000) for name in names) for at in range(300)]

    assert await grown(server, headers) < 4_000_000


def test_known_paths_are_bounded_in_bytes() -> None:
    """Twenty thousand paths of the longest kind take no more than the bound; the latest asked for stay."""
    known, held = KnownPaths(1_000_000), MemoryEntry.__new__(MemoryEntry)
    for number in range(20_000):
        known.learn((f"/{number}".ljust(MAX_NAME, "x"),), ("key", held, b"", ("small", "native")))

    assert len(known) == 1_000_000 // (MAX_NAME + 650)
    assert known.get((f"/{19_999}".ljust(MAX_NAME, "x"),))
    assert not known.get((f"/{0}".ljust(MAX_NAME, "x"),))


def test_the_oldest_path_goes_first() -> None:
    """What was asked for lately outlives what was not; learning one anew counts it once."""
    known, held = KnownPaths(2050), MemoryEntry.__new__(MemoryEntry)
    for name in ("/a", "/b", "/b", "/a", "/c"):
        known.learn((name,), ("key", held, b"", ("small", "native")))
    known.touch(("/a",))
    known.learn(("/d",), ("key", held, b"", ("small", "native")))

    assert [bool(known.get((name,))) for name in ("/a", "/b", "/c", "/d")] == [True, False, True, True]


async def test_forged_addresses_enter_no_cache(server: Running) -> None:
    """An address in X-Forwarded-For that is too long is not taken for an address, and is not remembered."""
    before = _is_trusted.cache_info().currsize
    got = await server.get(server.path(), X_Forwarded_For=", ".join("9" * 100 + str(at) for at in range(20)))

    assert got.status == 200
    assert _is_trusted.cache_info().currsize <= before + 1
