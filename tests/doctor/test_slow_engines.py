"""Engines that answer after 5 s, or never: the doctor and /readyz end in time, and say so."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import configured
from cut_proxy import CutProxy
from nodes import running
from postgres_server import Cluster, postgres
from s3_server import BUCKET, KEY_ID, REGION, S3, SECRET
from s3_server import running as s3_running

from coverproxy.config import Config
from coverproxy.doctor.checks import objects, shared_database
from coverproxy.doctor.checks.finding import Finding, Level
from coverproxy.wiring.objects import objects as store_of

__all__ = ["postgres"]

MOST_SECONDS = 25.0
"""What a check may take on a busy machine. Each waits for 2 or 3 s at most, a few times."""


class Engines:
    """Both engines, the ways to them, and a config that names them."""

    def __init__(self, way: CutProxy, s3: S3, url: str, folder: Path) -> None:
        self.way = way
        self.s3 = s3
        options = {"region": REGION, "access_key_id": KEY_ID, "secret_access_key": SECRET}
        store = {
            "url": url,
            "objects": f"s3://{BUCKET}/x",
            "objects_endpoint": s3.url,
            "objects_options": options,
        }
        self.config: Config = configured(folder, store=store)

    def slow(self) -> None:
        """Have both answer after 5 s."""
        self.way.delay = self.s3.delay = 5.0

    def silent(self) -> None:
        """Have both take connections, and never answer."""
        self.way.fall_silent()
        self.s3.delay = 60.0

    def well(self) -> None:
        """Have both answer at once again: what they are asked at the end would wait too."""
        self.way.delay = self.s3.delay = 0.0
        self.way.heal()


@pytest.fixture
async def engines(postgres: Cluster, tmp_path: Path) -> AsyncIterator[Engines]:
    """Engines that answer at once."""
    url = postgres.new_database()
    with CutProxy(postgres.port) as way:
        async with s3_running() as s3:
            yield Engines(way, s3, url.replace(f":{postgres.port}", f":{way.port}"), tmp_path)


async def found(look: Callable[[], Any]) -> list[Finding]:
    """Run a check; it must end in time."""
    started = time.monotonic()
    findings = await asyncio.to_thread(lambda: list(look()))
    assert time.monotonic() - started < MOST_SECONDS
    return findings


def is_said(text: str) -> bool:
    """Whether a text says that an engine did not answer in time."""
    return "no answer in" in text or "timeout expired" in text


@pytest.mark.parametrize("how", ["slow", "silent"])
async def test_the_doctor_ends_in_time(engines: Engines, how: str) -> None:
    """Each engine is one problem that says that no answer came in time, and what to look at."""
    getattr(engines, how)()
    database, store = await asyncio.gather(
        found(lambda: shared_database.look(engines.config)),
        found(lambda: objects.look(store_of(engines.config))),
    )
    for finding in (database[0], *store):
        assert finding.level is Level.PROBLEM
        assert is_said(finding.found), finding
        assert finding.advice


async def faults(ops_url: str, client: Any) -> tuple[dict[str, str], float]:
    """What /readyz says, and after how many seconds."""
    started = time.monotonic()
    async with client.get(ops_url + "/readyz") as response:
        assert response.status == 503
        return (await response.json())["faults"], time.monotonic() - started


@pytest.mark.parametrize("how", ["slow", "silent"])
async def test_readyz_ends_in_time(engines: Engines, how: str) -> None:
    """It says of both that no answer came, in time; asked by many at once, it takes no longer."""
    async with running(engines.config) as node:
        getattr(engines, how)()
        told, seconds = await faults(node.listeners.ops_url, node.client)
        assert seconds < MOST_SECONDS
        assert told.keys() >= {"catalogue", "objects"}
        assert is_said(told["catalogue"]), told
        assert is_said(told["objects"]), told
        many = await asyncio.gather(*(faults(node.listeners.ops_url, node.client) for _ in range(8)))
        assert max(each[1] for each in many) < MOST_SECONDS
        engines.well()
