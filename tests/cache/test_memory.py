"""Hits from memory: bounded, void once anything is purged, and the same to the client as hits from disk."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import COVERED, Got, Running, Start
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.cache.memory import Memory
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier
from coverproxy.storage.shared_counters import SharedCounters
from coverproxy.web.app_keys import HOT


class Clock:
    """A clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Say what time it is."""
        return self.now


def derivative(size: int = 1000) -> Derivative:
    """A derivative of so many bytes."""
    return Derivative(bytes(size), Format.JPEG, 1, (200, 300), None)


def memory(folder: Path, most: int = 100_000, now: Clock | None = None) -> Memory:
    """A memory over the counter in *folder*."""
    return Memory(most, 600.0, SharedCounters(folder / "purges"), now or Clock())


def test_what_was_put_is_found_until_its_time_is_up(tmp_path: Path) -> None:
    """A derivative is held for memory_seconds, then looked for on disk again."""
    clock = Clock()
    held = memory(tmp_path, now=clock)
    held.put("a", derivative(), held.mark())

    assert (found := held.get("a"))
    assert found.derivative == derivative()
    assert held.get("b") is None
    clock.now += 600
    assert held.get("a") is None


@given(sizes=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 30_000)), max_size=40))
def test_it_never_holds_more_than_it_may(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[str, int]]
) -> None:
    """Whatever is put, the bytes held are within the bound, are counted right, and what went is let go."""
    held = memory(tmp_path_factory.getbasetemp(), most=100_000)
    kept = [held.put(name, derivative(size), held.mark()) for name, size in sizes]

    alive = [each for each in kept if each and each.derivative]
    assert held.bytes == sum(each.bytes for each in alive) <= 100_000
    assert len(held) == len(alive)
    assert all(each is None for each, (_, size) in zip(kept, sizes, strict=True) if size > 12_500)


def test_the_least_recently_used_gives_way(tmp_path: Path) -> None:
    """A derivative that was just asked for outlives one that was not."""
    held = memory(tmp_path, most=57_000)
    for name in "abcdefgh":
        held.put(name, derivative(6000), held.mark())
    held.get("a")
    held.put("i", derivative(6000), held.mark())

    assert held.get("a")
    assert held.get("b") is None


def test_a_purge_by_any_process_voids_what_was_found_before(tmp_path: Path) -> None:
    """Also what was found before a purge, and put after it; what is found after it is held."""
    held, elsewhere = memory(tmp_path), SharedCounters(tmp_path / "purges")
    held.put("a", derivative(), held.mark())
    mark = held.mark()
    elsewhere.add(1)
    held.put("b", derivative(), mark)
    held.put("c", derivative(), held.mark())

    assert [bool(held.get(name)) for name in "abc"] == [False, False, True]


def test_a_counter_that_was_deleted_is_seen_anew(tmp_path: Path) -> None:
    """When the whole cache is deleted, purges are counted in a new file; within a second it is looked at."""
    clock = Clock()
    held = memory(tmp_path, now=clock)
    held.put("a", derivative(), held.mark())
    (tmp_path / "purges").unlink()
    SharedCounters(tmp_path / "purges").add(7)
    clock.now += 1.0

    assert held.get("a") is None


def test_without_bytes_nothing_is_held(tmp_path: Path) -> None:
    """cache.memory_bytes = 0 switches it off."""
    held = memory(tmp_path, most=0)

    assert held.put("a", derivative(0), held.mark()) is None


async def raw(server: Running, *requests: str) -> bytes:
    """Send requests over one connection, the last of which closes it; return all that comes back."""
    host, _, port = server.listeners.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("".join(requests).encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


def request(path: str, method: str = "GET", version: str = "1.1", **headers: str) -> str:
    """A request as it goes over the wire."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *lines, "", ""])


def stable(got: Got) -> Mapping[str, str]:
    """An answer's headers but for what tells the second."""
    return {name: value for name, value in got.headers.items() if name not in ("Date", "RateLimit")}


def is_hot(server: Running) -> bool:
    """Whether the server answered the last hit from memory, and has not counted it yet."""
    hot = server.app[HOT]
    return hot is not None and bool(hot._uncounted)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_hit_from_memory_says_what_one_from_disk_says(server: Running, method: str) -> None:
    """Header by header and byte for byte, after the first from disk."""
    await server.get(server.path())
    disk = await server.get(server.path() + "/", method)  # an odd spelling, which a thread reads
    assert not is_hot(server)
    hot = await server.get(server.path(), method)

    assert is_hot(server)
    assert (hot.status, hot.body) == (disk.status, disk.body)
    assert stable(hot) == stable(disk)


async def test_conditions_ranges_and_queries_are_not_answered_unseen(server: Running) -> None:
    """A path that is in memory is still asked conditionally, in part, or with a wish for errors."""
    for _ in range(3):
        cover = await server.get(server.path())
    etag = cover.headers["ETag"]

    assert (await server.get(server.path(), If_None_Match=etag)).status == 304
    assert (await server.get(server.path(), If_Modified_Since=cover.headers["Last-Modified"])).status == 304
    assert (await server.get(server.path(), If_Match='"x"')).status == 412
    assert (
        await server.get(server.path(), If_Unmodified_Since="Sun, 06 Nov 1994 08:49:37 GMT")
    ).status == 412
    assert (await server.get(server.path(), Range="bytes=0-9")).body == cover.body[:10]
    assert (await server.get(server.path() + "?default=404")).body == cover.body


async def test_each_accept_header_has_its_own(server: Running) -> None:
    """A JPEG in memory is not served to a client that wants WebP, nor the reverse. Two lines are one list."""
    for accept, kind in (("image/webp", "image/webp"), ("*/*", "image/jpeg")) * 3:
        assert (await server.get(server.path(), Accept=accept)).headers["Content-Type"] == kind
    both = ["Accept: */*", "Accept: image/webp", "Connection: close"]
    text = request(server.path()).removesuffix("\r\n") + "\r\n".join([*both, "", ""])
    assert b"Content-Type: image/jpeg" in await raw(server, text)


async def test_a_revoked_or_bound_key_gets_nothing_from_memory(server: Running) -> None:
    """A change of the key counts for the very next request."""
    for _ in range(3):
        await server.get(server.path())
    await server.service.accounts.save(replace(server.key, sites=("opac.example.org",)))
    assert (await server.get(server.path())).status == 403
    await server.service.accounts.save(replace(server.key, revoked_at=1))
    assert (await server.get(server.path())).status == 403
    await server.service.accounts.save(server.key)
    assert (await server.get(server.path())).cover == "hit"


async def test_a_purged_cover_is_made_anew(server: Running) -> None:
    """After a purge the next request has the cover made, though it was in memory."""
    for _ in range(3):
        await server.get(server.path())
    await server.covers.purge(Identifier(ISBN, COVERED))

    assert (await server.get(server.path())).cover == "made"


async def test_the_quota_in_memory_answers_is_the_present_one(
    server: Running, drawn_isbns: list[str]
) -> None:
    """A cover made meanwhile shows in the next hit from memory."""
    left = []
    for isbn in drawn_isbns[:3]:
        for _ in range(3):
            left.append((await server.get(server.path(isbn))).headers["X-RateLimit-Remaining"])
    last = await server.get(server.path(drawn_isbns[0]))

    assert left == ["999"] * 3 + ["998"] * 3 + ["997"] * 3
    assert last.headers["X-RateLimit-Remaining"] == "997"


async def test_connections_end_as_they_are_asked_to(server: Running) -> None:
    """`Connection: close` closes and says so; HTTP/1.0 gets an answer of its own; pipelined ones get each."""
    for _ in range(2):
        cover = await server.get(server.path(), Accept="")
    path = server.path()

    closing = await raw(server, request(path, Connection="close"))
    old = await raw(server, request(path, version="1.0"))
    many = await raw(server, *[request(path)] * 20, request(path, Connection="close"))
    assert b"\r\nConnection: close\r\n" in closing
    assert closing.endswith(cover.body)
    assert old.startswith(b"HTTP/1.0 200")
    assert old.endswith(cover.body)
    assert many.count(b"HTTP/1.1 200 OK") == 21
    assert many.count(b"Connection: close") == 1


async def test_a_client_that_never_reads_fills_no_memory(server: Running) -> None:
    """Ten thousand pipelined requests whose answers nobody reads wait in the socket, not in the process."""
    for _ in range(2):
        await server.get(server.path(size="large"), Accept="")
    host, _, port = server.listeners.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    writer.transport.set_write_buffer_limits(high=10_000_000)
    writer.write(request(server.path(size="large")).encode() * 10_000)
    fast = server.app[HOT]
    assert fast
    answered = [0, -1]
    async with asyncio.timeout(60):
        while not 0 < answered[-2] == answered[-1]:  # until no more are answered
            await asyncio.sleep(0.5)
            answered.append(fast._uncounted + (await counted(server)))
    writer.transport.abort()

    assert answered[-1] < 1000


async def counted(server: Running) -> int:
    """How many hits the metrics tell."""
    async with server.client.get(server.listeners.ops_url + "/metrics") as response:
        for line in (await response.text()).splitlines():
            if line.startswith('coverproxy_answers_total{status="hit"}'):
                return int(float(line.split()[-1]))
    return 0


async def test_every_hit_is_counted(server: Running) -> None:
    """A moment after the last one, the metrics have them all, each once."""
    for _ in range(1 + 25):
        await server.get(server.path())
    async with asyncio.timeout(30):
        while await counted(server) < 25:
            await asyncio.sleep(0.02)

    assert await counted(server) == 25


@pytest.mark.parametrize("section", [{"log": {"access": True}}, {"front": {"x_accel": True}}])
async def test_it_can_be_off(start: Start, section: dict[str, Any]) -> None:
    """With an access log each answer is logged, and behind X-Accel-Redirect nginx sends: hits are hits."""
    server = await start(**section)
    covers = [(await server.get(server.path())).cover for _ in range(4)]

    assert covers == ["made", "hit", "hit", "hit"]
    assert not is_hot(server)
