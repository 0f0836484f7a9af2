"""Originals that no item has leave the object store, and none that an item has is ever missing."""

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import configured
from library import isbn_of
from nodes import until
from postgres_server import postgres
from running import ENVIRONMENT, ended, started
from s3_server import BUCKET, KEY_ID, REGION, S3, SECRET
from s3_server import running as s3_running

from coverproxy.config import Config
from coverproxy.domain.errors import StoreUnavailable
from coverproxy.domain.formats import Loader
from coverproxy.domain.identifier import ISBN, Identifier
from coverproxy.domain.original import DIGEST_BYTES, Original
from coverproxy.originals.files import OriginalFiles, object_key, removed_key
from coverproxy.service.sweep_originals import (
    FRESH_SECONDS,
    HELD_SECONDS,
    NAME,
    SPARE_SECONDS,
    OriginalSweep,
    SweptOriginals,
    TurnTaken,
    keep_swept,
)
from coverproxy.wiring.data_folder import DataFolder, open_shelf

__all__ = ["postgres"]

DAY = 86_400
KEPT = 10 * DAY


@pytest.fixture(params=["sqlite", "postgres"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Config:
    """A service with an object store in a folder, and one engine or the other."""
    (tmp_path / "store").mkdir()
    store = {"objects": f"file://{tmp_path}/store"}
    if request.param == "postgres":
        store["url"] = request.getfixturevalue("postgres").new_database()
    return configured(tmp_path / "data", store=store)


@pytest.fixture
def shelf(config: Config) -> Iterator[DataFolder]:
    """Its data folder, open."""
    with open_shelf(config) as opened:
        yield opened


def one(number: int) -> tuple[Original, bytes]:
    """An original of a book, and its bytes."""
    body = b"%d" % number * 100
    digest = hashlib.sha256(body).digest()[:DIGEST_BYTES]
    item = Identifier(ISBN, isbn_of(number))
    return Original(item, digest, Loader.JPEG, 9, 9, len(body), 1_217_808_000), body


def placed(shelf: DataFolder, number: int) -> Original:
    """Bring an original to the object store alone, as another node does."""
    original, body = one(number)
    shelf.files.place(original, body, Path("unused"), "copy")
    shelf.files.discard(original)
    return original


def entered(shelf: DataFolder, number: int) -> Original:
    original = placed(shelf, number)
    shelf.catalogue.add(original)
    return original


def sweep(shelf: DataFolder, after: float, **options: Any) -> OriginalSweep:
    """A sweep so many seconds from now."""
    assert shelf.objects
    return OriginalSweep(shelf.catalogue, shelf.objects, KEPT, now=lambda: time.time() + after, **options)


def swept(shelf: DataFolder, after: float, **options: Any) -> tuple[int, int, int, int]:
    """Sweep to the end; return (seen, moved, brought back, deleted)."""
    done = [SweptOriginals(), *sweep(shelf, after, **options).steps()][-1]
    return done.seen, done.moved, done.brought_back, done.deleted


def places(shelf: DataFolder, original: Original) -> tuple[bool, bool]:
    """Whether it is among the originals, and below removed/."""
    assert shelf.objects
    return shelf.objects.has(object_key(original)), shelf.objects.has(removed_key(original))


def is_readable(shelf: DataFolder, original: Original) -> bool:
    """Whether a node without a copy of its own can read it."""
    files = OriginalFiles(shelf.data / "elsewhere" / str(time.monotonic_ns()), shelf.objects)
    files.open()
    return files.has(original) and files.read(original, 10**6) == one(int(original.identifier.value[3:12]))[1]


def test_what_no_item_has_goes_in_two_steps(shelf: DataFolder) -> None:
    """A day after it came it is moved aside, where it can still be read; days later it is deleted."""
    kept, lost = entered(shelf, 1), placed(shelf, 2)
    assert swept(shelf, FRESH_SECONDS - 60) == (2, 0, 0, 0)
    assert swept(shelf, 2 * DAY, acts=False) == (2, 1, 0, 0)
    assert places(shelf, lost) == (True, False)
    assert swept(shelf, 2 * DAY) == (2, 1, 0, 0)
    assert places(shelf, lost) == (False, True)
    assert is_readable(shelf, lost)
    assert swept(shelf, KEPT - 60) == (1, 0, 0, 0)
    assert swept(shelf, KEPT + 60) == (1, 0, 0, 1)
    assert places(shelf, lost) == (False, False)
    assert places(shelf, kept) == (True, False)
    assert is_readable(shelf, kept)


def test_what_an_item_gets_again_comes_back(shelf: DataFolder) -> None:
    """Entered while it lies aside, with or without being written anew, it is an original as before."""
    entered(shelf, 1)
    late, again = placed(shelf, 2), placed(shelf, 3)
    assert swept(shelf, 2 * DAY)[1] == 2
    shelf.catalogue.add(late)  # its import had written it before it was moved
    entered(shelf, 3)
    assert is_readable(shelf, late)
    assert swept(shelf, SPARE_SECONDS - 60)[1:] == (0, 1, 0)
    assert places(shelf, late) == places(shelf, again) == (True, True)
    assert swept(shelf, KEPT + 60)[1:] == (0, 0, 0)
    assert places(shelf, late) == places(shelf, again) == (True, False)
    assert is_readable(shelf, late)


def test_what_is_not_ours_is_left_alone(shelf: DataFolder) -> None:
    """Other names, other bytes under a digest, and derivatives stay; beside an empty catalogue all does."""
    assert shelf.objects
    lost = placed(shelf, 1)
    with pytest.raises(StoreUnavailable, match="the catalogue is empty"):
        swept(shelf, 2 * DAY)
    entered(shelf, 2)
    damaged = placed(shelf, 3)
    shelf.objects.put(object_key(damaged), b"other bytes")
    others = ["originals/0a/notes.txt", "derivatives/isbn/1/x.jpg", "originals/readme"]
    for key in others:
        shelf.objects.put(key, b"-")
    assert swept(shelf, 2 * DAY)[1:] == (1, 0, 0)
    assert places(shelf, lost) == (False, True)
    assert places(shelf, damaged) == (True, False)
    assert all(shelf.objects.has(key) for key in others)


def test_one_sweeps_at_a_time(shelf: DataFolder) -> None:
    """While one sweeps no other does. One that is left is gone on with; one that is dead, minutes later."""
    for number in range(60):
        entered(shelf, number)
    steps = sweep(shelf, 2 * DAY).steps()
    for _ in range(20):
        next(steps)
    with pytest.raises(TurnTaken):
        swept(shelf, 2 * DAY)
    assert swept(shelf, 2 * DAY + HELD_SECONDS + 60)[0] < 60  # the dead one's turn is over
    with pytest.raises(TurnTaken):
        list(steps)
    assert shelf.catalogue.turns.ended(NAME) > time.time() + 2 * DAY
    steps = sweep(shelf, 3 * DAY).steps()
    for _ in range(20):
        next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert 0 < swept(shelf, 3 * DAY)[0] < 60
    assert swept(shelf, 3 * DAY)[0] == 60


def import_again_and_again(shelf: DataFolder) -> None:
    """Have five originals come, go and come again; at the end they stay."""
    for turn in range(60):
        original = placed(shelf, 1 + turn % 5)
        time.sleep(0.002 * (turn % 3))
        shelf.catalogue.add(original)
        assert is_readable(shelf, original), turn
        time.sleep(0.002 * (turn % 4))
        assert is_readable(shelf, original), turn
        shelf.catalogue.remove(original)
    for number in range(1, 6):
        shelf.catalogue.add(placed(shelf, number))


def test_an_import_races_with_sweeps(shelf: DataFolder) -> None:
    """What has no row is swept at once, whatever its age, while originals come and go: each row's original
    can be read at any time."""
    entered(shelf, 0)
    moved = 0
    with ThreadPoolExecutor(1) as thread:
        importing = thread.submit(import_again_and_again, shelf)
        while not importing.done():
            moved += swept(shelf, 2 * DAY)[1]
        importing.result()
    assert moved > 0
    swept(shelf, 3 * DAY)
    swept(shelf, 3 * DAY + KEPT)
    for number in range(6):
        assert places(shelf, one(number)[0]) == (True, False)


async def test_the_service_sweeps_once_a_day(shelf: DataFolder) -> None:
    """Its own turn moves what no item has, and does not come again on the same day."""
    entered(shelf, 1)
    lost = placed(shelf, 2)
    running = asyncio.create_task(keep_swept(sweep(shelf, 2 * DAY), look=0.01, pause=0.0))

    async def is_done() -> bool:
        return await asyncio.to_thread(lambda: shelf.catalogue.turns.ended(NAME) > 0)

    try:
        await until(is_done)
        assert places(shelf, lost) == (False, True)
        later = placed(shelf, 3)
        await asyncio.sleep(0.3)
        assert places(shelf, later) == (True, False)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def environment(s3: S3) -> dict[str, str]:
    return {
        "COVERPROXY_STORE__OBJECTS": f"s3://{BUCKET}/shared", "COVERPROXY_STORE__OBJECTS_ENDPOINT": s3.url,
        "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET,
    }  # fmt: skip


@pytest.mark.parametrize("moment", [("PUT", 1), ("POST", 1), ("PUT", 8)])
async def test_a_killed_sweep_loses_nothing(tmp_path: Path, moment: tuple[str, int]) -> None:
    """Killed as it writes or deletes, it leaves each original where it is found; the next sweep ends it."""
    method, count = moment
    async with s3_running() as s3:
        env = environment(s3)
        data = tmp_path / "data"
        prepared = await asyncio.to_thread(_prepared, data, s3)
        old = int(time.time()) - 2 * DAY
        s3.objects |= {key: replace(each, modified=old) for key, each in s3.objects.items()}
        s3.got.clear()
        s3.delay = 0.005
        words = ("originals", "sweep", "--data", data)
        process = await asyncio.to_thread(partial(started, *words, env=os.environ | env))

        async def has_come() -> bool:
            return sum(each.method == method for each in s3.got) >= count

        await until(has_come, 60.0)
        process.kill()
        await asyncio.to_thread(process.communicate)
        s3.delay = 0.0
        moved = await asyncio.to_thread(_ended_later, data, s3, prepared)
        assert 0 < moved <= 12


def _opened(data: Path, s3: S3) -> Any:
    options = {"region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}
    store = {"objects": f"s3://{BUCKET}/shared", "objects_endpoint": s3.url, "objects_options": options}
    return open_shelf(configured(data, store=store))


def _prepared(data: Path, s3: S3) -> list[Original]:
    """Twelve originals with a row, then twelve without."""
    with _opened(data, s3) as shelf:
        return [entered(shelf, n) for n in range(12)] + [placed(shelf, n) for n in range(12, 24)]


def _ended_later(data: Path, s3: S3, prepared: list[Original]) -> int:
    """Look that nothing is lost, sweep to the end, and look again; return how many the next sweep moved."""
    with _opened(data, s3) as shelf:
        assert all(any(places(shelf, each)) for each in prepared)
        moved = swept(shelf, HELD_SECONDS + 60)[1]
        assert swept(shelf, 2 * HELD_SECONDS)[1] + moved > 0
        assert [places(shelf, each) for each in prepared] == [(True, False)] * 12 + [(False, True)] * 12
        assert all(is_readable(shelf, each) for each in prepared)
    return moved


def test_the_command_says_what_it_does(tmp_path: Path) -> None:
    """It counts first, then moves; without an object store there is nothing to sweep."""
    (tmp_path / "store").mkdir()
    config = configured(tmp_path / "data", store={"objects": f"file://{tmp_path}/store"})
    env = ENVIRONMENT | {"COVERPROXY_STORE__OBJECTS": f"file://{tmp_path}/store"}
    with open_shelf(config) as shelf:
        entered(shelf, 1)
        lost = placed(shelf, 2)
    path = tmp_path / "store" / object_key(lost)
    os.utime(path, (time.time() - 2 * DAY,) * 2)

    def said(*arguments: str, code: int = 0, **more: Any) -> str:
        done = ended("originals", "sweep", *arguments, "--data", config.data.dir, env=more.get("env", env))
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "1 would be moved" in said("--dry-run")
    assert path.exists()
    assert "2 originals looked at: 1 moved below removed/, 0 brought back, 0 deleted" in said()
    assert not path.exists()
    assert '"deleted":1' in said("--days", "0", "--json").replace(" ", "")
    assert "no object store is named" in said(code=1, env=ENVIRONMENT)
