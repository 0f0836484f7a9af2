"""What the doctor and commands say where nodes share a database: from the command line, as operators do."""

import time
from pathlib import Path

import orjson
from conftest import configured, take_in
from cut_proxy import CutProxy
from ports import free_port
from postgres_server import Cluster, postgres
from running import ENVIRONMENT, ended, run

from coverproxy.doctor.checks import shared_database

__all__ = ["postgres"]


def examined(data: Path, url: str, **environment: str) -> list[dict[str, str]]:
    """Run the doctor; return what it says of the database and of what is in it."""
    settings = {"COVERPROXY_STORE__URL": url, "COVERPROXY_SERVER__PORT": "0", "COVERPROXY_OPS__PORT": "0"}
    done = ended("doctor", "--json", "--data", data, env=ENVIRONMENT | settings | environment)
    assert not done.stderr, done.stderr
    checks = ("database", "originals", "key links")
    return [each for each in orjson.loads(done.stdout)["findings"] if each["check"] in checks]


def test_a_healthy_node_is_told_so(postgres: Cluster, tmp_path: Path, drawn: Path) -> None:
    """Server, clock and notices are looked at; originals and keys are those of the shared database."""
    url, data = postgres.new_database(), tmp_path / "data"
    take_in(configured(data, store={"url": url}), drawn, "reference")
    run("key", "create", "--label", "x", data=data, COVERPROXY_STORE__URL=url)
    assert "x" in run("key", "list", data=tmp_path / "other", COVERPROXY_STORE__URL=url)
    found = examined(data, url)

    assert {each["level"] for each in found} == {"ok"}, found
    text = "\n".join(each["found"] for each in found)
    for part in ("answers in", "apart", "are heard", "none missing", "1 key, 1 open"):
        assert part in text


def test_what_is_wrong_is_told(postgres: Cluster, tmp_path: Path) -> None:
    """A server that is down and a way by which no notice comes are problems, with what to do."""
    data = tmp_path / "data"
    data.mkdir()
    down = examined(data, f"postgresql://coverproxy@127.0.0.1:{free_port()}/x")
    assert "refused" in down[0]["found"]
    assert down[0]["level"] == "problem"
    with CutProxy(postgres.port) as way:
        way.refuse()
        cut = postgres.url().replace(f":{postgres.port}", f":{way.port}")
        deaf = examined(data, postgres.new_database(), COVERPROXY_STORE__LISTEN_URL=cut)
    said = [each for each in deaf if "not heard" in each["found"]]
    assert said
    assert "PgBouncer" in said[0]["advice"]


def test_a_wrong_clock_is_told() -> None:
    """Clocks that are apart are a warning, and far apart a problem."""

    class Late:
        """A server whose clock is wrong by so many seconds."""

        def __init__(self, seconds: float) -> None:
            self._seconds = seconds

        def read(self, sql: str) -> list[tuple[float]]:
            return [(time.time() + self._seconds,)]

    levels = [next(shared_database._clock(Late(each))).level.value for each in (0, -1, 60)]  # type: ignore[arg-type]
    assert levels == ["ok", "warning", "problem"]
