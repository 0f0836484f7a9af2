"""Eviction: what goes first, how much goes, and that the cap holds while covers keep coming."""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import caches
import pytest
from conftest import Running, Start
from ending import Ending
from hypothesis import given
from hypothesis import strategies as st

from coverproxy.cache import count, walk
from coverproxy.cache.budget import UNBOUNDED, CacheFull, DiskBounds, DiskBudget, Free
from coverproxy.cache.disk import DiskCache
from coverproxy.cache.evict import Eviction, Evictor, plan
from coverproxy.cache.janitor import Janitor, alone
from coverproxy.cache.last_use import DAY, LastUse, by_mounts, of_folder
from coverproxy.domain.derivative import Derivative
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import Identifier, Spec
from coverproxy.stats.metrics import Metrics
from coverproxy.storage.shared_counters import SharedCounters

# A JPEG in all that the cache looks at: SOI, a frame header of 200x300, filler, EOI.
HEAD = bytes.fromhex("ffd8ffe000100000000000000000000000000000ffc0000b08012c00c8010111")
JPEG = HEAD + bytes(3000) + b"\xff\xd9"
PICTURE = Derivative(JPEG, Format.JPEG, 1_217_808_000, (200, 300), None)
BLOCK = 4096
OLD = {"medium": "fedcba9876"}
LIVE = {"medium": "0123456789"}


def spec(number: int) -> Spec:
    """The medium JPEG of an ISBN that *number* makes, each in a shard of its own as far as they reach."""
    twelve = f"978{number * 7919 % 10**9:09d}"
    check = -sum((1, 3)[at % 2] * int(digit) for at, digit in enumerate(twelve)) % 10
    return Spec(Identifier("isbn", f"{twelve}{check}"), "medium", Format.JPEG)


def opened(root: Path, bounds: DiskBounds = UNBOUNDED, revisions: dict[str, str] = LIVE) -> DiskCache:
    """An open cache that counts as a process of its own would."""
    layout = caches.layout(root, revisions)
    cache = DiskCache(layout, room=DiskBudget(layout, bounds))
    cache.open()
    return cache


def evictor(cache: DiskCache) -> Evictor:
    return Evictor(cache.layout, cache.room, LastUse.ATIME)


def run(cache: DiskCache, bounds: DiskBounds) -> Eviction:
    return evictor(cache).run(threading.Event(), bounds)


def age(cache: DiskCache, number: int, days: int) -> None:
    """Set when a cover was last used."""
    path = cache.layout.paths(spec(number))[0]
    os.utime(path, (time.time() - days * DAY, PICTURE.mtime))


def there(cache: DiskCache, number: int) -> list[bool]:
    """Whether a cover is there, under each of its names."""
    return [path.exists() for path in cache.layout.paths(spec(number))]


def used(root: Path) -> int:
    """What `du` says of a folder: every inode once."""
    seen: dict[int, int] = {}
    for folder, _, files in os.walk(root):
        for path in (folder, *(f"{folder}/{name}" for name in files)):
            try:
                stat = os.lstat(path)
            except FileNotFoundError:
                continue
            seen[stat.st_ino] = stat.st_blocks * 512
    return sum(seen.values())


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


AGES = st.dictionaries(st.tuples(st.integers(0, 30_000), st.booleans()), st.integers(1, 10**9), max_size=40)


@given(AGES, st.integers(0, 10**10))
def test_just_enough_is_chosen(held: dict[Any, int], excess: int) -> None:
    """What is chosen is exactly the excess, or all there is; an age is never chosen beyond what it holds."""
    chosen = plan(held, excess)

    assert sum(chosen.values()) == min(excess, sum(held.values()))
    assert all(0 < size <= held[each] for each, size in chosen.items())


@given(AGES, st.integers(0, 10**10))
def test_the_long_unused_go_first(held: dict[Any, int], excess: int) -> None:
    """Nothing goes while anything stays that is longer unused, or of the same day and an old revision."""
    chosen = plan(held, excess)
    order = sorted(held, key=lambda each: (each[0], each[1]))

    assert list(chosen) == order[: len(chosen)]
    assert all(chosen[each] == held[each] for each in list(chosen)[:-1])


@given(st.integers(1, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_what_is_evicted_makes_room(max_bytes: int, min_free: int, held: int, free: int) -> None:
    """With the excess gone the cache is no longer tight, unless it is empty; and before, nothing goes."""
    bounds = DiskBounds(max_bytes, min_free)
    excess = bounds.excess(held, free)

    if not bounds.is_tight(held, free):
        assert excess == 0
    elif excess < held:
        assert bounds.why_full(held - excess, free + excess) is None
        assert held - excess <= max_bytes * 0.95 + 1
        assert free + excess >= min_free * 1.10 - 1


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_inodes_are_made_room_for(least: int, free: int) -> None:
    """Where inodes are short files go until there are some more than must stay free; else none goes."""
    bounds = DiskBounds(sys.maxsize, 0, least)
    short = bounds.short_of_inodes(free)

    assert (short > 0) == bounds.is_tight(0, 0, free)
    assert bounds.why_full(0, 0, free + short) is None
    assert not bounds.is_tight(0, 0, free + short)


class FewInodes(DiskBudget):
    """The budget of a cache on a disk with room for a hundred files more."""

    def free(self) -> Free:
        """See DiskBudget."""
        files = sum(1 for path in self._folder.rglob("*.jpg") if len(path.stem) == 13)
        return Free(super().free().bytes, 200 - files)


@pytest.mark.parametrize(("least", "gone"), [(0, 0), (66, 0), (67, 34), (80, 60)])
def test_old_covers_give_their_inodes(tmp_path: Path, least: int, gone: int) -> None:
    """Where inodes get short the longest unused covers go, until twice as many are free as must be."""
    bounds = DiskBounds(sys.maxsize, 0, least)
    layout = caches.layout(tmp_path, LIVE)
    cache = DiskCache(layout, room=FewInodes(layout, UNBOUNDED))
    cache.open()
    for number in range(100):
        cache.put(spec(number), PICTURE)
        age(cache, number, days=200 - number)
    outcome = run(cache, bounds)

    assert outcome.files == gone
    assert [number for number in range(100) if not any(there(cache, number))] == list(range(gone))


def test_the_longest_unused_go_under_both_names(tmp_path: Path) -> None:
    """Of ten covers last used on ten days the oldest go until the cap is kept, each with its hard link."""
    cache = opened(tmp_path)
    for number in range(10):
        cache.put(spec(number), PICTURE)
        age(cache, number, days=10 - number)
    before = used(tmp_path)
    outcome = run(cache, DiskBounds(before - 2 * BLOCK, 0))

    assert outcome.is_whole
    gone = [number for number in range(10) if not any(there(cache, number))]
    assert gone == list(range(outcome.files))
    assert 1 <= len(gone) <= 9
    assert all(all(there(cache, number)) for number in range(outcome.files, 10))
    assert used(tmp_path) <= before - 2 * BLOCK


def test_an_empty_file_goes_by_its_last_use(tmp_path: Path) -> None:
    """A file that a crash emptied frees no bytes, and goes all the same before one that was used later."""
    cache = opened(tmp_path)
    for number in (1, 2):
        cache.put(spec(number), PICTURE)
    (canonical, *_) = cache.layout.paths(spec(1))
    os.truncate(canonical, 0)
    age(cache, 1, days=3)
    age(cache, 2, days=2)
    run(cache, DiskBounds(1, 0))

    assert not any(there(cache, 1))
    assert not any(there(cache, 2))
    assert plan({(1, True): 1, (2, True): 4096}, 4096) == {(1, True): 1, (2, True): 4095}


def test_old_revisions_go_by_their_last_use(tmp_path: Path) -> None:
    """A cover of changed settings is still served: it goes before one used on the same day, no sooner."""
    old, cache = opened(tmp_path, revisions=OLD), opened(tmp_path)
    old.put(spec(1), PICTURE)
    cache.put(spec(2), PICTURE)
    outcome = run(cache, DiskBounds(int(used(tmp_path) / 0.97), 0))

    assert outcome.files == 1
    assert not any(there(old, 1))
    assert all(there(cache, 2))
    assert not (tmp_path / "v2/img/medium/jpg/fedcba9876").exists()
    assert (tmp_path / "v2/live/medium/jpg").resolve().is_dir()


def test_nothing_goes_while_there_is_room(tmp_path: Path) -> None:
    """Below 97 % of the cap everything stays, old revisions too."""
    old, cache = opened(tmp_path, revisions=OLD), opened(tmp_path)
    old.put(spec(1), PICTURE)
    outcome = run(cache, DiskBounds(used(tmp_path) * 2, 0))

    assert (outcome.files, outcome.held_files) == (0, 1)
    assert all(there(old, 1))


def test_too_little_free_space_evicts(tmp_path: Path) -> None:
    """A disk that others fill takes from the cache, below any cap of its own."""
    cache = opened(tmp_path)
    cache.put(spec(1), PICTURE)

    assert run(cache, DiskBounds(sys.maxsize, 2**62)).files == 1


def test_a_walk_sets_the_estimate_right(tmp_path: Path) -> None:
    """After a walk the estimate is what `du` says, whatever others did to the files and to the estimate."""
    cache = opened(tmp_path)
    for number in range(20):
        cache.put(spec(number), PICTURE)
    cache.layout.paths(spec(3))[0].unlink()
    (tmp_path / "v2/img/stray.txt").write_bytes(b"x" * 10_000)
    cache.layout.held.write_bytes(b"\x01")
    run(cache, UNBOUNDED)

    assert cache.room.held() == used(tmp_path)


def test_what_is_put_and_purged_is_counted(tmp_path: Path) -> None:
    """Without any walk the estimate follows: a put adds blocks and new folders, a purge gives them back."""
    cache = opened(tmp_path)
    run(cache, UNBOUNDED)
    cache.put(spec(1), PICTURE)
    assert cache.room.held() == used(tmp_path)
    cache.purge(spec(1).identifier)
    assert cache.room.held() == used(tmp_path)


def filled(root: Path) -> None:
    """A cache of twenty covers whose count is lost: deleted, or in a backup that lacks it."""
    cache = opened(root)
    for number in range(20):
        cache.put(spec(number), PICTURE)
    cache.layout.held.unlink()
    cache.layout.walked.write_bytes(b"")


def test_a_small_cache_is_counted_at_once(tmp_path: Path) -> None:
    """What lies there is counted before anything is stored: it took as much again as the cap allows."""
    filled(tmp_path)
    cache = opened(tmp_path, DiskBounds(used(tmp_path) + BLOCK, 0))
    with pytest.raises(CacheFull):
        cache.put(spec(20), PICTURE)
    assert cache.room.held() == used(tmp_path)
    assert cache.room.tight.is_set()


def test_a_large_cache_counts_as_full_until_it_was_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be counted quickly may be all that the cap allows; the walk that is due sets it right."""
    filled(tmp_path)
    monkeypatch.setattr(count, "_MOST_FILES", 5)
    cache = opened(tmp_path, DiskBounds(used(tmp_path) + 100 * BLOCK, 0))
    with pytest.raises(CacheFull):
        cache.put(spec(20), PICTURE)
    assert cache.room.held() >= cache.room.bounds.max_bytes
    assert upkeep(cache)._is_due()

    run(cache, cache.room.bounds)
    assert cache.room.held() == used(tmp_path)
    cache.put(spec(20), PICTURE)


def test_a_disk_that_holds_less_is_no_full_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache takes more than all that its disk holds."""
    filled(tmp_path)
    monkeypatch.setattr(count, "_MOST_FILES", 5)
    cache = opened(tmp_path)
    assert used(tmp_path) <= cache.room.held() < UNBOUNDED.max_bytes
    assert not evictor(cache)._room.is_tight()


def test_a_lone_second_name_is_counted_and_goes(tmp_path: Path) -> None:
    """A file under an ISBN-10 whose ISBN-13 is gone takes room like any other, and is evicted like it."""
    cache = opened(tmp_path)
    cache.put(spec(1), PICTURE)
    cache.layout.paths(spec(1))[0].unlink()
    outcome = run(cache, DiskBounds(1, 0))

    assert (outcome.held_files, outcome.files) == (1, 1)
    assert not any(there(cache, 1))


def test_979_does_not_take_978s_second_name(tmp_path: Path) -> None:
    """Two books that share nine digits under 978 and 979 are two covers; the ISBN-10 is the first one's."""
    cache = opened(tmp_path)
    cache.put(spec(1), PICTURE)
    path = cache.layout.paths(spec(1))[0]
    path.with_name("979" + path.name[3:]).write_bytes(JPEG)
    (shard,) = walk.shards(cache.layout)
    others = {Path(each.path).name[:3]: each.other for each in walk.derivatives(shard)}

    assert others["979"] is None
    assert others["978"] == cache.layout.paths(spec(1))[1].name


def test_a_cover_just_made_has_just_been_used(tmp_path: Path) -> None:
    """A new file's atime is now, though its mtime is its original's, years ago: it is not the next to go."""
    cache = opened(tmp_path)
    cache.put(spec(1), PICTURE)
    stat = cache.layout.paths(spec(1))[0].stat()

    assert abs(stat.st_atime - time.time()) < 60
    assert stat.st_mtime == PICTURE.mtime


def test_a_file_that_is_being_read_survives_its_eviction(tmp_path: Path) -> None:
    """Whoever has a cover open reads it to its end, evicted or not."""
    cache = opened(tmp_path)
    cache.put(spec(1), PICTURE)
    with cache.layout.paths(spec(1))[0].open("rb") as file:
        first = file.read(10)
        run(cache, DiskBounds(1, 0))

        assert first + file.read() == JPEG
    assert cache.find(spec(1)) is None


def test_a_full_cache_stores_nothing_and_tells_once(tmp_path: Path) -> None:
    """At the cap put raises CacheFull, leaves no trace and no count; only the first in a minute is news."""
    cache = opened(tmp_path, DiskBounds(5 * BLOCK, 0))
    before = cache.room.held()
    cache.room.adjust(4 * BLOCK - before)
    news = []
    for number in range(3):
        with pytest.raises(CacheFull) as full:
            cache.put(spec(number), PICTURE)
        news.append(full.value.is_news)

    assert news == [True, False, False]
    assert cache.room.held() == 4 * BLOCK
    assert cache.room.tight.is_set()
    assert not list((tmp_path / "v2/tmp").iterdir())


def upkeep(cache: DiskCache, check_seconds: float = 30.0) -> Janitor:
    return Janitor(evictor(cache), cache, Metrics(), check_seconds)


class Makers:
    """Four threads that store covers nobody has seen yet, on two caches that count as two processes do."""

    def __init__(self, root: Path, bounds: DiskBounds) -> None:
        self.caches = [opened(root, bounds) for _ in range(2)]
        self.highest = 0
        self._root = root
        self._at_work = threading.Semaphore(4)
        self._done = threading.Event()

    def make(self, covers: int) -> None:
        """Store *covers* unique covers, each tried until there is room, while the disk is watched."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self._store, range(covers)))
        self._done.set()
        watcher.join()

    def _store(self, number: int) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with self._at_work:
                try:
                    return self.caches[number % 2].put(spec(number), PICTURE)
                except CacheFull:
                    pass
            time.sleep(0.002)
        raise AssertionError("no room was made")

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            # makers stand still meanwhile: adding up what moves would count the same block twice
            for _ in range(4):
                self._at_work.acquire()
            self.highest = max(self.highest, used(self._root))
            self._at_work.release(4)


def test_the_cap_holds_while_covers_keep_coming(tmp_path: Path) -> None:
    """2,000 unique covers come into a cache of some 400: all are stored, and `du` is never over the cap."""
    bounds = DiskBounds(400 * 2 * BLOCK, 0)
    makers = Makers(tmp_path, bounds)
    with ExitStack() as stack:
        for cache in makers.caches:
            keeper = upkeep(cache, check_seconds=0.3)
            keeper.start()
            stack.callback(keeper.stop)
        makers.make(2000)

    assert bounds.max_bytes * 0.5 < makers.highest <= bounds.max_bytes
    assert used(tmp_path) <= bounds.max_bytes


def test_a_cache_of_few_covers_makes_room_too(tmp_path: Path) -> None:
    """A cover that does not fit beside the two that a tiny cache holds gets its room, by their going."""
    opened(tmp_path)
    cap = used(tmp_path) + 14 * BLOCK
    makers = Makers(tmp_path, DiskBounds(cap, 0))
    keepers = [upkeep(cache, check_seconds=0.05) for cache in makers.caches]
    for keeper in keepers:
        keeper.start()
    # the first walk tells what the cache's own folders take, which is most of this one
    until(lambda: makers.caches[0].room.held() >= used(tmp_path))
    makers.make(20)
    for keeper in keepers:
        keeper.stop()

    assert makers.highest <= cap


HOLDER = """
import sys
from pathlib import Path
from coverproxy.cache.layout import Layout
from coverproxy.cache.janitor import alone
with alone(Layout(Path(sys.argv[1]), {}), wait=True) as is_ours:
    print(is_ours, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that evicts from the cache in tmp_path, and never ends."""
    opened(tmp_path)
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with Ending(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


def test_only_one_process_evicts(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """While one process evicts others do not; once it is dead, however it died, another may."""
    cache = opened(tmp_path, DiskBounds(1, 0))
    keeper = upkeep(cache, check_seconds=0.05)
    with alone(cache.layout, wait=False) as is_ours:
        assert not is_ours
    (tmp_path / "v2/img/medium/jpg/0123456789/isbn/00/00").mkdir(parents=True)
    path = tmp_path / "v2/img/medium/jpg/0123456789/isbn/00/00/9780000000002.jpg"
    path.write_bytes(JPEG)
    keeper.start()
    time.sleep(0.5)
    assert path.exists()
    holder.kill()
    until(lambda: not path.exists())
    keeper.stop()


def test_a_tight_cache_is_looked_at_at_once(tmp_path: Path) -> None:
    """A cover that finds little room wakes the evictor, which else looks once an hour."""
    cache = opened(tmp_path, DiskBounds(60 * BLOCK, 0))
    metrics = Metrics()
    keeper = Janitor(evictor(cache), cache, metrics, check_seconds=3600)
    keeper.start()
    until(lambda: SharedCounters(cache.layout.walked).read()[0] > 0)
    with suppress(CacheFull):
        for number in range(60):
            cache.put(spec(number), PICTURE)
    until(lambda: metrics.evictions._value.get() >= 1)
    keeper.stop()


@pytest.mark.parametrize("gone", ["live", "img", "tmp", "locks", "by-key"])
def test_folders_that_somebody_deleted_are_made_anew(
    tmp_path: Path, gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A running service lays out again what was deleted of its cache, and says so in one line."""
    cache = opened(tmp_path)
    shutil.rmtree(cache.layout.top / gone)
    keeper = upkeep(cache, check_seconds=0.05)
    keeper.start()
    until(cache.layout.is_whole)
    cache.put(spec(1), PICTURE)
    keeper.stop()

    assert [record.message for record in caplog.records if "made anew" in record.message] == [
        "the cache's folders were gone and are made anew"
    ]
    assert (cache.layout.live / "medium/jpg" / cache.layout.place(spec(1)).split("/", 3)[3]).exists()


def test_stopping_is_prompt(tmp_path: Path) -> None:
    """A walk that would rest for a minute between steps stops within a moment, and says it is not whole."""
    cache = opened(tmp_path)
    folder = tmp_path / "v2/img/medium/jpg/0123456789/isbn/00/00"
    folder.mkdir(parents=True)
    for number in range(walk.STEP_FILES * 2):
        (folder / f"9790000{number:06d}.jpg").write_bytes(b"")
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(partial(evictor(cache).run, stop, DiskBounds(1, 0), rest_seconds=60.0))
        time.sleep(0.2)
        started = time.monotonic()
        stop.set()
        outcome = running.result()

    assert time.monotonic() - started < 30
    assert (outcome.is_whole, outcome.files) == (False, 0)


def test_upkeep_stops_while_it_waits(tmp_path: Path) -> None:
    """The thread ends at once, though it would look again only in an hour; and it keeps no process alive."""
    keeper = upkeep(opened(tmp_path), check_seconds=3600)
    keeper.start()
    started = time.monotonic()
    keeper.stop()

    assert time.monotonic() - started < 60
    assert not keeper._thread.is_alive()
    assert keeper._thread.daemon


MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid,noatime - proc proc rw
30 22 254:1 / /srv rw,noatime shared:1 - xfs /dev/vdb rw,attr2
31 30 254:2 / /srv/covers rw,nodev,relatime - ext4 /dev/vdc rw,noatime_is_not_here
32 22 254:3 / /mnt/my\040disk rw,noatime,nodiratime - ext4 /dev/vdd rw
33 22 254:4 / /twice rw,relatime - ext4 /dev/vde rw
34 22 254:5 / /twice rw,noatime - ext4 /dev/vdf rw
35 22 254:6 / /strict rw - ext4 /dev/vdg rw
not a line of it
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/var/cache", "atime"), ("/srv/cache", "ctime"), ("/srv", "ctime"), ("/srv/covers/v1", "atime"),
        ("/srvcovers", "atime"), ("/mnt/my disk/cache", "ctime"), ("/twice/cache", "ctime"),
        ("/strict/cache", "atime"),
    ],
)  # fmt: skip
def test_noatime_is_seen(folder: str, expected: str) -> None:
    """The mount a folder is on decides: the deepest, of two on one point the later, spaces unescaped."""
    assert by_mounts(MOUNTS, Path(folder)).value == expected
    assert by_mounts("", Path(folder)).value == "atime"


def test_this_machines_mounts_are_read(tmp_path: Path) -> None:
    """The time to go by is found for a real folder, and is the file's own of that name."""
    file = tmp_path / "file"
    file.write_bytes(b"")
    os.utime(file, (10 * DAY, 5 * DAY))

    assert of_folder(tmp_path) in LastUse
    assert LastUse.ATIME.day(file.stat()) == 10
    assert LastUse.CTIME.day(file.stat()) == int(file.stat().st_ctime // DAY)


ADDER = """
import sys
from pathlib import Path
from coverproxy.storage.shared_counters import SharedCounters
number = SharedCounters(Path(sys.argv[1]))
for _ in range(1000):
    number.add(3)
    number.add(-1)
"""


def test_a_shared_number_is_exact_over_processes(tmp_path: Path) -> None:
    """Four processes add 2,000 times each, up and down: nothing is lost."""
    command = [sys.executable, "-c", ADDER, str(tmp_path / "number")]
    processes = [subprocess.Popen(command) for _ in range(4)]

    assert [process.wait(60) for process in processes] == [0] * 4
    assert SharedCounters(tmp_path / "number").read() == (8000,)


def test_a_shared_number_survives_its_file(tmp_path: Path) -> None:
    """Cut short or removed, the file counts as 0 and is made again; below 0 it never goes."""
    number = SharedCounters(tmp_path / "number", 2)
    number.set(7, 8)
    (tmp_path / "number").write_bytes(b"\x07\x00")
    assert number.read() == (0, 0)
    number.set(7, 8)
    (tmp_path / "number").unlink()
    assert number.add(1, 2) == (1, 2)
    assert (tmp_path / "number").stat().st_size == 16
    assert number.add(-5, 1) == (0, 3)
    number.close()
    assert number.read() == (0, 3)


async def measured(server: Running) -> str:
    async with server.client.get(server.listeners.ops_url + "/metrics") as answer:
        return await answer.text()


@pytest.mark.parametrize("bounds", [{"max_bytes": 1}, {"min_free_bytes": 2**62}])
async def test_a_full_cache_still_answers(start: Start, bounds: dict[str, int]) -> None:
    """With no room a cover is made and answered from memory: that is counted, and is no failure to store."""
    server = await start(cache=bounds)
    got = [await server.get(server.path()) for _ in range(2)]

    assert [each.cover for each in got] == ["made", "made"]
    text = await measured(server)
    assert "coverproxy_cache_refusals_total 2.0" in text
    assert "store_failures_total 0.0" in text


async def test_a_running_server_evicts(start: Start, drawn_isbns: list[str]) -> None:
    """A server whose cache is too small for its covers makes room by itself, and keeps answering."""
    cap = 600_000
    server = await start(cache={"max_bytes": cap, "check_seconds": 0.1})
    root = server.folder.cache.layout.root
    for value in drawn_isbns:
        for size in server.config.usual_sizes:
            got = await server.get(server.path(value, size=size))
            assert got.cover in ("made", "pending")
            assert await asyncio.to_thread(used, root) <= cap
    for _ in range(200):
        if "coverproxy_cache_evictions_total 0.0" not in await measured(server):
            break
        await asyncio.sleep(0.05)
    text = await measured(server)

    assert "coverproxy_cache_evictions_total 0.0" not in text
    (held,) = [line for line in text.splitlines() if line.startswith("coverproxy_cache_bytes ")]
    assert 0 < float(held.split()[1]) <= cap


def test_other_names_go_with_what_they_lead_to(tmp_path: Path) -> None:
    """An item's other name finds its derivative, is counted as nothing, and is removed after it."""
    cache = opened(tmp_path)
    name, item = Spec(Identifier("oclc", "52517734"), "medium", Format.JPEG), spec(1)
    cache.lead(name, item)
    assert cache.find(name) is None
    cache.put(item, PICTURE)
    cache.lead(name, item)
    found = cache.find(name)

    assert found is not None
    assert (found.body, found.etag) == (PICTURE.body, PICTURE.etag)
    assert evictor(cache).survey(walk.WalkPace(threading.Event())).files == 1
    for _ in range(2):
        run(cache, DiskBounds(max_bytes=1, min_free_bytes=0))
        assert cache.find(name) is None
    assert not any(path.is_symlink() for path in cache.layout.images.rglob("*"))
