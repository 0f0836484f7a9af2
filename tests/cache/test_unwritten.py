"""A derivative that is on disk comes into the object store, whatever ends the process in between."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import caches
import pytest
from obstore.store import LocalStore

from coverproxy.cache import second_tier
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.second_tier import SecondTier, unpacked
from coverproxy.cache.unwritten import Unwritten
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format, Loader
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import Original
from coverproxy.domain.spec import Spec
from coverproxy.objects.shared import SharedObjects
from coverproxy.stats.metrics import Metrics

SPEC = Spec(Identifier(ISBN, "9780545010221"), "medium", Format.JPEG)
# A JPEG in all that the cache looks at: SOI, a frame header of 200x300, EOI.
JPEG = bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c801011100ffd9")
PICTURE = Derivative(JPEG, Format.JPEG, 1_217_808_000, (200, 300), (1128, 1718))
ORIGINAL = Original(SPEC.identifier, bytes(16), Loader.JPEG, 1128, 1718, 99, 1_217_808_000)


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    """An open cache with a derivative."""
    disk = DiskCache(caches.layout(tmp_path / "cache", {"medium": "0123456789"}))
    disk.open()
    disk.put(SPEC, PICTURE)
    return disk


@pytest.fixture
def objects(tmp_path: Path) -> SharedObjects:
    """A store in a folder."""
    (tmp_path / "store").mkdir()
    return SharedObjects(lambda: LocalStore(tmp_path / "store"), "store", 2.0)


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def died(folder: Path) -> None:
    """Have what waits belong to a process that is dead."""
    process = subprocess.Popen(["true"])
    process.wait()
    for path in list(folder.iterdir()):
        path.rename(path.with_name(f"{process.pid}-{path.name.partition('-')[2]}"))


def test_what_a_dead_process_left_is_written(cache: DiskCache, objects: SharedObjects) -> None:
    """Offered and not written when its process died: the next one writes it, the same object; none waits."""
    dead = SecondTier(objects, cache.layout, Metrics())  # its threads never run
    dead.offer(SPEC, ORIGINAL, PICTURE)
    key, folder = dead.key(SPEC, ORIGINAL), cache.layout.unwritten
    assert not objects.has(key)
    died(folder)
    tier = SecondTier(objects, cache.layout, Metrics())
    tier.start()
    try:
        wait_for(lambda: objects.has(key))
        wait_for(lambda: list(folder.iterdir()) == [])
        assert unpacked(objects.get(key, 1000) or b"", Format.JPEG) == PICTURE
    finally:
        tier.close(1)


def test_what_does_not_fit_into_memory_is_written_later(
    cache: DiskCache, objects: SharedObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is full drops nothing that is on disk; without it there, it is dropped and counted."""
    monkeypatch.setattr(second_tier, "MOST_WAITING", 0)
    metrics = Metrics()
    tier = SecondTier(objects, cache.layout, metrics)
    tier.offer(SPEC, ORIGINAL, PICTURE)
    cache.purge(SPEC.identifier)
    other = Original(SPEC.identifier, bytes(15) + b"1", Loader.JPEG, 1128, 1718, 99, 1_217_808_000)
    tier.offer(SPEC, other, PICTURE)
    tier.start()
    try:
        wait_for(lambda: objects.has(tier.key(SPEC, ORIGINAL)))
        assert metrics.second_tier_writes.labels("dropped")._value.get() == 1
        assert not objects.has(tier.key(SPEC, other))
    finally:
        tier.close(1)


def test_a_torn_file_is_not_written(cache: DiskCache, objects: SharedObjects) -> None:
    """A file that a machine's crash tore is not written as an object, and no longer waits."""
    tier = SecondTier(objects, cache.layout, Metrics())
    tier.offer(SPEC, ORIGINAL, PICTURE)
    cache.layout.paths(SPEC)[0].write_bytes(PICTURE.body[:-3])
    died(cache.layout.unwritten)
    late = SecondTier(objects, cache.layout, Metrics())
    late.start()
    try:
        wait_for(lambda: list(cache.layout.unwritten.iterdir()) == [])
        assert not objects.has(tier.key(SPEC, ORIGINAL))
    finally:
        late.close(1)


def test_living_processes_keep_theirs(cache: DiskCache) -> None:
    """What another living process has to write is left to it."""
    ours = Unwritten(cache.layout.unwritten)
    assert ours.note("derivatives/x.jpg", cache.layout.paths(SPEC)[0])
    (path,) = cache.layout.unwritten.iterdir()
    path.rename(path.with_name("1-derivatives~x.jpg"))
    assert ours.left() == []


def test_strays_stop_no_writer(cache: DiskCache, objects: SharedObjects) -> None:
    """Names that no process of ours gave stay; files and folders that are not ours are passed over."""
    dead = SecondTier(objects, cache.layout, Metrics())  # its threads never run
    dead.offer(SPEC, ORIGINAL, PICTURE)
    folder = cache.layout.unwritten
    for number in range(4):  # as many as there are writers
        (folder / f"9-{number}").write_bytes(b"?")
        (folder / f"9-{number}.jpg").mkdir()
    died(folder)
    for name in ("stray", "-x.jpg", "²-x.jpg", "9" * 30 + "-x.jpg"):
        (folder / name).write_bytes(b"?")
    tier = SecondTier(objects, cache.layout, Metrics())
    tier.start()
    try:
        wait_for(lambda: objects.has(dead.key(SPEC, ORIGINAL)))
        wait_for(lambda: tier.waiting == 0)
        other = Original(SPEC.identifier, bytes(15) + b"1", Loader.JPEG, 1128, 1718, 99, 1_217_808_000)
        tier.offer(SPEC, other, PICTURE)
        wait_for(lambda: objects.has(tier.key(SPEC, other)))
    finally:
        tier.close(1)
