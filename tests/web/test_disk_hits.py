"""Hits from the kernel's memory: answered on the event loop, before the router, like all others."""

import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest
from conftest import COVERED, Got, Running, Start

from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.storage import cached_read

CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SPEC = Spec(Identifier(ISBN, COVERED), "medium", Format.JPEG)


@pytest.fixture
async def bare(start: Start) -> Running:
    """A server that keeps no cover in its own memory."""
    return await start(cache={"memory_bytes": 0}, formats={"background_cores": 0.0})


def told(got: Got) -> dict[str, str]:
    """An answer's headers, but for the moment's."""
    return {name: value for name, value in got.headers.items() if name not in ("Date", "RateLimit")}


def is_cached(server: Running) -> bool:
    """Whether the kernel has the cover's file, as far as this file system tells."""
    try:
        return server.folder.cache.glance(SPEC) is not None
    except BlockingIOError:
        return False


async def test_a_hit_from_disk_says_what_every_hit_says(bare: Running) -> None:
    """By its native path, read on the event loop, and by an odd spelling, read by a thread: one answer."""
    await bare.get(bare.path())
    if not is_cached(bare):
        pytest.skip("this file system does not tell what it has in memory")
    for method in ("GET", "HEAD"):
        fast = await bare.get(bare.path(), method)
        slow = await bare.get(bare.path() + "/", method)
        assert told(fast) == told(slow)
        assert (fast.cover, fast.body) == ("hit", slow.body)


async def test_what_is_not_in_memory_is_read_by_a_thread(bare: Running) -> None:
    """A file that the kernel has let go of is answered all the same."""
    made = await bare.get(bare.path())
    path = bare.folder.cache.layout.paths(SPEC)[0]
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    assert (await bare.get(bare.path())).body == made.body


async def test_the_best_format_that_is_there(bare: Running) -> None:
    """A browser gets AVIF from disk where it is there, else the JPEG; an ending gets its own."""
    await bare.get(bare.path())
    assert (await bare.get(bare.path(), Accept=CHROME)).headers["Content-Type"] == "image/jpeg"
    await bare.get(bare.path(f"{COVERED}.avif"))
    for path, accept, kind in (
        (bare.path(), CHROME, "image/avif"), (bare.path(), "*/*", "image/jpeg"),
        (bare.path(f"{COVERED}.jpg"), CHROME, "image/jpeg"),
        (bare.path(f"{COVERED}.avif"), "*/*", "image/avif"),
        (bare.path(size="w200"), CHROME, "image/avif"),
    ):  # fmt: skip
        assert (await bare.get(path, Accept=accept)).headers["Content-Type"] == kind


async def test_nothing_is_given_out_without_a_good_key(bare: Running) -> None:
    """Unknown and bound keys, a purge and a torn file count at once."""
    await bare.get(bare.path())
    bound = await bare.new_key(sites=("opac.example.org",))
    assert (await bare.get(bare.path(key="nosuchkeynosuchkey"))).status == 403
    assert (await bare.get(bare.path(key=bound.name))).status == 403
    bare.folder.cache.layout.paths(SPEC)[0].write_bytes(b"\xff\xd8\xff torn")
    assert (await bare.get(bare.path())).cover == "made"
    await bare.covers.purge(SPEC.identifier)
    assert (await bare.get(bare.path())).cover == "made"


async def test_what_is_asked_for_twice_is_kept(server: Running) -> None:
    """One look at a cover leaves the worker's memory to others; the second one is kept."""
    await server.get(server.path())
    if not is_cached(server):
        pytest.skip("this file system does not tell what it has in memory")
    before = len(server.service.memory)
    await server.get(server.path())
    once = len(server.service.memory)
    await server.get(server.path())
    assert (before, once, len(server.service.memory)) == (before, before, before + 1)


def test_a_file_on_tmpfs_is_read_at_once() -> None:
    """A file system without a disk needs no thread, though it cannot be asked to read without waiting."""
    shared = Path("/dev/shm")  # noqa: S108 - the file gets a name of its own
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    if not any(fields[1:3] == [str(shared), "tmpfs"] for fields in mounts):
        pytest.skip("no tmpfs here")
    with NamedTemporaryFile(dir=shared) as file:
        file.write(b"x" * 10_000)
        file.flush()
        found = cached_read.read(file.name, "user.none")
    assert found is not None
    assert found.body == b"x" * 10_000


@pytest.mark.parametrize("path", ["/sys/kernel/uevent_seqnum", "/etc"])
def test_what_cannot_be_read_without_waiting_is_a_threads(path: str) -> None:
    """Where the kernel refuses to say, or the length is not true, nobody gets half a file."""
    with pytest.raises(BlockingIOError):
        cached_read.read(path, "user.none")


def test_a_file_is_read_with_its_time_and_attribute(tmp_path: Path) -> None:
    """What is in memory is read whole; what is not there is none; a link is not followed."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10_000)
    os.utime(path, (1, 2_000_000_000))
    try:
        found = cached_read.read(str(path), "user.none")
    except BlockingIOError:
        pytest.skip("this file system does not tell what it has in memory")
    assert found == cached_read.CachedFile(b"x" * 10_000, 2_000_000_000, b"")

    (tmp_path / "link").symlink_to(path)
    with pytest.raises(BlockingIOError):
        cached_read.read(str(tmp_path / "link"), "user.none")
    (tmp_path / "gone").write_bytes(b"")
    (tmp_path / "gone").unlink()
    assert cached_read.read(str(tmp_path / "gone"), "user.none") is None
    path.write_bytes(bytes(cached_read.MOST_BYTES + 1))
    with pytest.raises(BlockingIOError):
        cached_read.read(str(path), "user.none")
