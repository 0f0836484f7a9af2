"""Two real processes of the service, with their own data folders, that share one PostgreSQL."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from conftest import COVERED, configured, take_in
from postgres_server import Cluster, postgres
from running import Serve, Served, get, run, serve

__all__ = ["postgres", "serve"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where the first process has its data."""
    return tmp_path / "one"


@pytest.fixture
def url(postgres: Cluster, data: Path, drawn: Path, tmp_path: Path) -> str:
    """The database, with the cover of one book."""
    url = postgres.new_database()
    (tmp_path / "cover").mkdir()
    (tmp_path / "cover" / f"{COVERED}.jpg").write_bytes(min(drawn.rglob("*.jpg")).read_bytes())
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
