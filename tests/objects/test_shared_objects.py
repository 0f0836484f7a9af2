"""The object store that nodes share: its contract on three kinds of store, and one that is slow or away."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import configured
from contracts_objects import KEY, ObjectsContract
from obstore.store import MemoryStore
from s3_server import BUCKET, KEY_ID, REGION, S3, SECRET, running

from coverproxy.doctor.checks.finding import Level
from coverproxy.doctor.checks.objects import look
from coverproxy.domain.breaker import FAILURES
from coverproxy.domain.errors import ConfigError, StoreUnavailable
from coverproxy.objects.base import Objects
from coverproxy.objects.shared import SharedObjects
from coverproxy.wiring.objects import objects as of_config

OPTIONS = {"region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}


class TestMemory(ObjectsContract):
    """In memory."""

    @pytest.fixture
    def objects(self) -> SharedObjects:
        """An empty one."""
        store = MemoryStore()
        return SharedObjects(lambda: store, "memory", 2.0)


class TestFolder(ObjectsContract):
    """In a folder."""

    @pytest.fixture
    def objects(self, tmp_path: Path) -> Objects | None:
        """An empty one."""
        return of_config(configured(tmp_path / "data", store={"objects": f"file://{tmp_path}"}))


@pytest.fixture
async def s3() -> AsyncIterator[S3]:
    """An S3 that checks signatures."""
    async with running() as server:
        yield server


def asking(s3: S3, folder: Path, seconds: float = 2.0) -> Objects:
    """Ask it as a config says."""
    store = {
        "objects": f"s3://{BUCKET}/shared", "objects_endpoint": s3.url, "objects_options": OPTIONS,
        "objects_timeout_seconds": seconds,
    }  # fmt: skip
    found = of_config(configured(folder, store=store))
    assert found is not None
    return found


class TestS3(ObjectsContract):
    """Over S3."""

    @pytest.fixture
    def objects(self, s3: S3, tmp_path: Path) -> Objects:
        """An empty one."""
        return asking(s3, tmp_path)


async def test_slow_answers_do_not_pile_up(s3: S3, tmp_path: Path) -> None:
    """Answers that take a minute: soon nothing waits any more; it recovers alone, told once each."""
    objects = asking(s3, tmp_path, seconds=0.3)
    told: list[str] = []
    objects.on_state = told.append
    s3.delay = 60.0
    started = time.monotonic()
    got = await asyncio.gather(*(objects.fetch(KEY, 10) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, StoreUnavailable) for each in got)
    assert time.monotonic() - started < 30
    asked = len(s3.got)
    for _ in range(50):
        with pytest.raises(StoreUnavailable, match="left alone"):
            await objects.fetch(KEY, 10)
    assert len(s3.got) == asked
    s3.delay = 0.0
    async with asyncio.timeout(60):
        while objects.fault:
            try:
                await objects.fetch(KEY, 10)
            except StoreUnavailable:
                await asyncio.sleep(0.05)
    assert told == ["no answer in 0.3 s", ""]


async def test_refusals_open_the_breaker(s3: S3, tmp_path: Path) -> None:
    """A store that answers 503 is left alone after five answers, and no secret is in what is told."""
    objects = asking(s3, tmp_path)
    s3.fault = "503"
    for _ in range(FAILURES):
        with pytest.raises(StoreUnavailable) as told:
            await asyncio.to_thread(objects.put, KEY, b"x")
        assert SECRET not in str(told.value)
    assert objects.fault == "status (503 SlowDown)"


async def test_the_doctor_tries_it(s3: S3, tmp_path: Path) -> None:
    """It writes, reads and deletes an object, and says why it cannot."""
    (well,) = await asyncio.to_thread(lambda: list(look(asking(s3, tmp_path))))
    assert (well.level, s3.objects) == (Level.OK, {})
    s3.fault = "403"
    (ill,) = await asyncio.to_thread(lambda: list(look(asking(s3, tmp_path))))
    assert (ill.level, "refused (403" in ill.found) == (Level.PROBLEM, True)


def test_a_folder_that_is_not_mounted_is_away(tmp_path: Path) -> None:
    """It does not lack its objects: it cannot be asked."""
    objects = of_config(configured(tmp_path / "data", store={"objects": f"file://{tmp_path}/none"}))
    assert objects is not None
    with pytest.raises(StoreUnavailable):
        objects.get(KEY, 10)


@pytest.mark.parametrize("url", ["http://host/bucket", "s3://", "file://folder", "file:///", "bucket"])
def test_other_urls_are_refused(tmp_path: Path, url: str) -> None:
    """The mistake names the key, and what was expected."""
    with pytest.raises(ConfigError, match=r"store.objects: .*expected one like s3://bucket"):
        configured(tmp_path, store={"objects": url})


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    """And its value is not."""
    store = {"objects": "s3://bucket", "objects_options": {"colour": "s3cret"}}
    with pytest.raises(ConfigError, match="colour is not an option") as told:
        of_config(configured(tmp_path, store=store))
    assert "s3cret" not in str(told.value)
