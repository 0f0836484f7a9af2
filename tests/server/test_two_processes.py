"""Two real processes of the service, with their own data folders, that share one PostgreSQL."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from typing import Any

import psycopg
import pytest
from conftest import COVERED, configured, take_in
from postgres_server import Cluster, postgres
from running import ENVIRONMENT, Serve, Served, get, run, serve, started

from coverproxy.concurrency.postgres_leases import LEASE_SECONDS

__all__ = ["postgres", "serve"]

CRASHING = Path(__file__).parents[1] / "crashing_server.py"
MARK = "MARKED-FOR-TESTS"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the first process has its data."""
    return tmp_path / "one"


@pytest.fixture
def url(postgres: Cluster, data: Path, drawn: Path, tmp_path: Path) -> str:
    """The database, with the cover of one book."""
    url = postgres.new_database()
    (tmp_path / "cover").mkdir()
    (tmp_path / "cover" / f"{COVERED}.jpg").write_bytes(
        min(drawn.rglob("*.jpg")).read_bytes() + MARK.encode()
    )
    take_in(configured(data, store={"url": url}), tmp_path / "cover", "reference")
    return url


def until(holds: Callable[[], bool], within: float = 10.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_one_does_the_other_knows(url: str, data: Path, tmp_path: Path, serve: Serve) -> None:
    """Asked at once they count a cover once; one may be killed; a key that a command revokes both refuse."""
    environment: dict[str, Any] = {"COVERPROXY_STORE__URL": url}
    one: Served = serve(**environment)
    other: Served = serve("--data", str(tmp_path / "two"), **environment)
    made = json.loads(run("key", "create", "--label", "x", "--json", data=tmp_path / "three", **environment))
    path = f"/devkey/{made['key']}/large/isbn/{COVERED}"

    def cover(node: Served) -> str:
        return get(node.url + path)[1]["X-Cover-Status"]

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(cover, [one, other] * 4))
    assert set(got) <= {"made", "hit"}
    usage = run("key", "show", made["key"], "--json", data=data, **environment)
    assert json.loads(usage)["made_today"] == 1, usage
    assert {cover(each) for each in (one, other)} == {"hit"}

    other.stop(SIGKILL)
    again: Served = serve("--data", str(tmp_path / "two"), **environment)
    assert cover(again) == "hit"
    run("key", "revoke", made["key"], data=tmp_path / "three", **environment)
    until(lambda: {cover(each) for each in (one, again)} == {"key"})
    assert not list((tmp_path / "two" / "cache" / "v2" / "by-key").iterdir())


@contextmanager
def stuck(data: Path, log: Path, **environment: str) -> Iterator[Served]:
    """Run a node that begins to decode the cover, notes that in *log*, and never comes to an end with it."""
    words = [MARK, "hang", log, "serve", "--data", data, "--port", "0", "--workers", "1", "--json"]
    env = ENVIRONMENT | {"COVERPROXY_OPS__PORT": "0"} | environment
    with started(*words, env=env, script=CRASHING, session=True) as process:
        try:
            assert process.stdout
            yield Served(process, **json.loads(process.stdout.readline()))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, SIGKILL)


def test_a_node_that_dies_in_the_middle(url: str, data: Path, tmp_path: Path, serve: Serve) -> None:
    """A cover that a killed node was making another makes within seconds, and none while it lives."""
    environment: dict[str, Any] = {
        "COVERPROXY_STORE__URL": url, "COVERPROXY_RENDER__TIME_LIMIT_SECONDS": "120",
        "COVERPROXY_RENDER__BROWSER_ANSWER_WITHIN_SECONDS": "0.5",
    }  # fmt: skip
    log = tmp_path / "begun"
    other: Served = serve("--data", str(tmp_path / "two"), **environment)
    made = json.loads(run("key", "create", "--label", "x", "--json", data=tmp_path / "three", **environment))
    path = f"/devkey/{made['key']}/large/isbn/{COVERED}"

    def status() -> str:
        return get(other.url + path)[1]["X-Cover-Status"]

    with stuck(data, log, **environment) as dying:

        def ask() -> None:
            with suppress(OSError):
                get(dying.url + path)

        asking = threading.Thread(target=ask)
        asking.start()
        until(lambda: log.exists() and bool(log.stat().st_size), 30)
        assert status() == "pending"
        os.killpg(dying.process.pid, SIGKILL)
        killed_at = time.monotonic()
        asking.join(30)
        until(lambda: status() in ("made", "hit"), 30)
        assert time.monotonic() - killed_at < LEASE_SECONDS + 6, "a busy machine has some seconds more"
    with psycopg.connect(url) as connection:
        (times,) = connection.execute("SELECT count(*) FROM making WHERE made_at IS NOT NULL").fetchall()
    assert times == (1,)
