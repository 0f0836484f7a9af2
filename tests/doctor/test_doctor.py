"""The doctor: what a healthy installation looks like, and what is said of every sick one."""

import asyncio
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from conftest import Running, configured, fill
from ports import unused_addresses
from running import COMMAND, ENVIRONMENT, ended, key, run

from coverproxy.cache.last_use import LastUse
from coverproxy.cache.layout import Layout
from coverproxy.config import Formats, Ops, Server
from coverproxy.doctor.checks import folder, network, pictures
from coverproxy.doctor.checks.finding import Level
from coverproxy.domain.formats import Loader
from coverproxy.imaging import vips
from coverproxy.originals.changes import quarantine
from coverproxy.wiring.data_folder import open_shelf


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory, drawn: Path, stocked: Path) -> Path:
    """A data folder with covers, a key, and derivatives."""
    data = tmp_path_factory.mktemp("healthy") / "data"
    fill(configured(data), stocked, drawn)
    key(data)
    (data / "list").write_text("9780141439518\n")
    run("warm", data / "list", data=data)
    return data


@pytest.fixture
def sick(tmp_path: Path, healthy: Path) -> Path:
    """A copy of it, to be broken."""
    return Path(shutil.copytree(healthy, tmp_path / "data", symlinks=True))


@pytest.fixture
def ports() -> dict[str, str]:
    """An environment in which nothing listens on the configured addresses."""
    return unused_addresses()


Examine = Callable[..., tuple[int, dict[str, list[dict[str, str]]]]]


@pytest.fixture
def examine(ports: dict[str, Any]) -> Examine:
    """A function that runs `doctor --json`: its exit code, and its findings by level."""

    def run_it(data: Path, *options: str | Path, **environment: str) -> tuple[int, Any]:
        done = ended("doctor", "--data", data, "--json", *options, env=ENVIRONMENT | ports | environment)
        assert done.stderr == ""
        found = orjson.loads(done.stdout)["findings"]
        return done.returncode, {level: [each for each in found if each["level"] == level] for level in Level}

    return run_it


def only(findings: list[dict[str, str]], check: str) -> tuple[str, str]:
    """The one finding of a check: what was found, and what to do."""
    (one,) = (each for each in findings if each["check"] == check)
    return one["found"], one["advice"]


def test_a_healthy_folder_has_no_problem(examine: Examine, healthy: Path) -> None:
    """Exit code 0: all is looked at, only that no server runs is a warning, and nothing is left behind."""
    before = sorted(healthy.rglob("*"))
    code, found = examine(healthy)

    assert (code, found["problem"]) == (0, [])
    assert {each["check"] for each in found["warning"]} <= {"server", "health", "nginx", "open files"}
    assert {
        "config", "data folder", "file system", "moves", "free space", "access times", "database",
        "originals", "key links", "versions", "time zone", "libvips", "image types read",
        "image types written", "unsafe image types",
    } <= {each["check"] for each in found["ok"]}  # fmt: skip
    assert [path for path in sorted(healthy.rglob("*")) if not path.name.endswith(("-wal", "-shm"))] == before


def test_people_get_lines_with_what_to_do(sick: Path, ports: dict[str, Any]) -> None:
    """Without --json each finding is a line, its advice below it, and the counts come last."""
    (sick / "cache" / "v2" / "by-key").rename(sick / "away")
    done = ended("doctor", "--data", sick, env=ENVIRONMENT | ports)

    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("problem"))
    assert lines[at].startswith("problem  key links: 1 key has no link")
    assert lines[at + 1].strip() == "→ any key command repairs them: coverproxy key list"
    assert lines[-1].startswith("problems: 1, warnings: ")
    run("key", "list", data=sick)
    assert run("doctor", data=sick, **ports)


def test_a_config_with_mistakes_is_the_one_finding(examine: Examine, tmp_path: Path) -> None:
    """All mistakes are reported with their paths; a right config is reported by its name."""
    file = tmp_path / "c.toml"
    file.write_text('[server]\nworkers = "x"\n[cache]\nsize = 1\n')
    code, found = examine(tmp_path / "data", "--config", file)
    assert code == 1
    assert "server.workers" in found["problem"][0]["found"]
    assert "cache.size: no such key" in found["problem"][0]["found"]

    file.write_text('[quota]\ntime_zone = "Europe/Berlin"\n')
    code, found = examine(tmp_path / "data", "--config", file, COVERPROXY_LOG__LEVEL="debug")
    assert code == 0
    assert f"{file} is valid" in only(found["ok"], "config")[0]
    assert "COVERPROXY_LOG__LEVEL" in only(found["ok"], "config")[0]
    assert only(found["ok"], "time zone")[0].startswith("Europe/Berlin")


def test_a_folder_that_is_not_there_yet_is_no_problem(examine: Examine, tmp_path: Path) -> None:
    """Before the first import there are only warnings, each with the next command; nothing is made."""
    code, found = examine(tmp_path / "new" / "data")

    assert code == 0
    assert "does not exist yet" in only(found["warning"], "data folder")[0]
    assert only(found["warning"], "originals")[1] == "coverproxy import FOLDER"
    assert "key create" in only(found["warning"], "key links")[1]
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_of_the_folder_is_told(examine: Examine, tmp_path: Path) -> None:
    """A data folder that is a file, or below one, is a problem with a way out."""
    (tmp_path / "file").write_text("")
    for data in (tmp_path / "file", tmp_path / "file" / "below"):
        code, found = examine(data)
        assert code == 1
        assert "is a file" in only(found["problem"], "data folder")[0]
        assert "--data" in only(found["problem"], "data folder")[1]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder that takes no files is a problem: /proc is one even for root."""
    found = list(folder.look(Path("/proc/self"), Layout(Path("/proc/self/cache"), {}), 0))
    problems = {each.check: each for each in found if each.level is Level.PROBLEM}
    assert "cannot be written" in problems[folder.DATA].found
    assert "chown" in problems[folder.DATA].advice


def test_a_mount_inside_the_cache_is_told(examine: Examine, sick: Path) -> None:
    """Where the folder for writing is on another file system no cover could get its name."""
    memory = Path("/dev/shm")  # noqa: S108 - another file system is the point
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == sick.stat().st_dev:
        pytest.skip("no second file system at hand")
    shm = memory / f"coverproxy-{os.getpid()}"
    shutil.move(sick / "cache" / "v2" / "tmp", shm)
    try:
        (sick / "cache" / "v2" / "tmp").symlink_to(shm)
        code, found = examine(sick)
    finally:
        shutil.rmtree(shm)

    assert code == 1
    assert "files cannot be moved" in only(found["problem"], "moves")[0]
    assert "one file system" in only(found["problem"], "moves")[1]


def test_too_little_room_is_told(examine: Examine, healthy: Path) -> None:
    """Less free than cache.min_free_bytes is a warning: covers are answered, and not stored."""
    code, found = examine(healthy, COVERPROXY_CACHE__MIN_FREE_BYTES=str(10**18))
    assert code == 0
    assert "min_free_bytes" in only(found["warning"], "free space")[1]


def test_a_mount_that_keeps_no_access_times_is_told(tmp_path: Path) -> None:
    """Under noatime eviction goes by the time made: a warning that says how to change it."""
    found = folder.access_times(tmp_path, LastUse.CTIME)
    assert (found.level, str(tmp_path) in found.advice) == (Level.WARNING, True)
    assert "remount,relatime" in found.advice


def test_a_low_limit_of_open_files_is_told(healthy: Path, ports: dict[str, Any]) -> None:
    """1024 is a warning with the line for systemd; 64 is a problem."""
    for limit, code, level in ((1024, 0, "warning"), (64, 1, "problem")):
        done = subprocess.run(
            [*COMMAND, "doctor", "--data", str(healthy), "--json"],
            capture_output=True, text=True, timeout=60, env=ENVIRONMENT | ports,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit)),
        )  # fmt: skip
        found = [each for each in json.loads(done.stdout)["findings"] if each["level"] == level]
        assert done.returncode == code
        assert "LimitNOFILE=65536" in only(found, "open files")[1]


def test_missing_originals_are_told(examine: Examine, sick: Path) -> None:
    """Files that the catalogue names and that are gone or cut are a problem, with one of them by name."""
    files = sorted((sick / "originals").glob("*/*"))
    files[0].unlink()
    files[1].write_bytes(b"cut")
    code, found = examine(sick)
    told, advice = only(found["problem"], "originals")

    assert code == 1
    assert told.startswith("2 of ")
    assert files[0].name in told or files[1].name in told
    assert "import them again" in advice


def test_quarantined_originals_are_told(examine: Examine, sick: Path) -> None:
    """What is no longer decoded is a warning that says how many, the latest reason, and how to release it."""
    assert not [each for each in examine(sick)[1]["warning"] if "in quarantine" in each["found"]]
    with open_shelf(configured(sick)) as shelf:
        quarantine(shelf.catalogue, bytes(16), "not finished after 10 s", 1_700_000_000)
    code, found = examine(sick)
    told, advice = only(found["warning"], "quarantine")

    assert code == 0
    assert told == "1 picture in quarantine, the latest since 2023-11-14T22:13:20Z: not finished after 10 s"
    assert "coverproxy originals release" in advice


def test_keys_and_links_that_differ_are_told(examine: Examine, sick: Path) -> None:
    """An open key without a link, a link without a key, and one that leads nowhere are problems."""
    by_key = sick / "cache" / "v2" / "by-key"
    (link,) = by_key.iterdir()
    link.rename(by_key / "abcdefgh12345678")
    code, found = examine(sick)
    told = [each["found"] for each in found["problem"]]
    assert code == 1
    assert "1 key has no link" in told[0]
    assert "a link that should not exist" in told[1]

    run("key", "list", data=sick)
    assert examine(sick)[0] == 0
    link.unlink()
    link.symlink_to("../nowhere")
    assert "broken link" in only(examine(sick)[1]["problem"], "key links")[0]


@pytest.mark.parametrize("name", ["catalogue.db", "state.db"])
def test_a_damaged_database_is_told_and_keeps_no_other_check(examine: Examine, sick: Path, name: str) -> None:
    """A database whose pages are overwritten is a problem; the checks after it are made all the same."""
    for beside in sick.glob(f"{name}-*"):
        beside.unlink()
    size = (sick / name).stat().st_size
    with (sick / name).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    code, found = examine(sick)

    assert code == 1
    assert any(name in each["found"] and "recover" in each["advice"] for each in found["problem"])
    assert only(found["ok"], "libvips")


def test_a_database_of_a_newer_version_is_told(examine: Examine, sick: Path) -> None:
    """A schema from the future asks for an update, not for a repair."""
    with sqlite3.connect(sick / "catalogue.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "update coverproxy" in only(examine(sick)[1]["problem"], "database")[1]


@pytest.mark.parametrize("is_ours", [True, False], ids=["lacks a table", "foreign"])
def test_a_database_without_our_tables_is_told(examine: Examine, sick: Path, *, is_ours: bool) -> None:
    """A state.db that lacks a table, or is another program's, is a problem that names the tables."""
    script = "DROP TABLE made" if is_ours else "PRAGMA user_version = 0"
    with sqlite3.connect(sick / "state.db") as database:
        database.execute(script)
    database.close()
    told = only(examine(sick)[1]["problem"], "database")[0]

    assert str(sick / "state.db") in told
    assert ("it lacks the tables made" if is_ours else "another program's database") in told


def test_hundreds_of_originals_are_sampled(examine: Examine, sick: Path) -> None:
    """Of a large catalogue a hundred originals are looked at, spread over all of it."""
    with sqlite3.connect(sick / "catalogue.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(original)")]
        taken = ", ".join({"value": "?", "digest": "randomblob(16)"}.get(each, each) for each in columns)
        database.executemany(
            f"INSERT INTO original SELECT {taken} FROM original LIMIT 1",  # noqa: S608 - names of the schema
            [(9780000000000 + number,) for number in range(5000)],
        )
    database.close()
    told = only(examine(sick)[1]["problem"], "originals")[0]
    gone, of = int(told.split()[0]), int(told.split()[2])

    assert 60 < of <= 100
    assert gone > of - 10


def test_libvips_is_really_tried() -> None:
    """All loaders and savers work here, SVG is refused; an old version is a problem with the pip command."""
    found = list(pictures.look(Formats(avif=True)))
    assert {each.level for each in found} == {Level.OK}
    assert "avif" in next(each.found for each in found if each.check == pictures.WRITES)
    assert all(pictures._can_read(vips.library(), loader) for loader in Loader)
    old = pictures._version((8, 18, 3))
    assert (old.level, "pip install" in old.advice) == (Level.PROBLEM, True)


class Stranger(BaseHTTPRequestHandler):
    """Another program's server."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def stranger() -> Iterator[HTTPServer]:
    """A server that is not ours."""
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_program_on_our_port_is_told(examine: Examine, healthy: Path, stranger: HTTPServer) -> None:
    """Who answers without X-Cover-Status is not us: on either address, and behind the public URL."""
    port = str(stranger.server_port)
    code, found = examine(healthy, "--url", f"http://127.0.0.1:{port}", COVERPROXY_SERVER__PORT=port)

    assert code == 1
    assert "server.port" in only(found["problem"], "server")[1]
    assert "proxy_pass" in only(found["problem"], "public URL")[1]
    code, found = examine(healthy, COVERPROXY_OPS__PORT=port)
    assert "ops.port" in only(found["problem"], "health")[1]


def test_why_nothing_answers_is_said_in_words(examine: Examine, healthy: Path) -> None:
    """Where no program listens, a port says so, without an error's number."""
    _, found = examine(healthy)
    told = [only(found["warning"], check)[0] for check in ("server", "health")]

    assert [each.rpartition(": ")[2] for each in told] == ["no program listens there"] * 2


def test_a_url_that_does_not_answer_is_told(examine: Examine, healthy: Path) -> None:
    """A refused connection and a text that is not a URL are separate problems."""
    for url in ("http://127.0.0.1:1", "http://127.0.0.1:99999", "covers.example.org", "ftp://example.org"):
        code, found = examine(healthy, "--url", url)
        assert code == 1
        assert url in only(found["problem"], "public URL")[0]


async def test_a_running_server_is_found(server: Running) -> None:
    """Our server is recognised by its answers: on its own address, its health address and from outside."""
    listeners = server.listeners

    def ask() -> dict[str, Level]:
        found = network.look(
            Server(port=listeners.covers.getsockname()[1]), Ops(port=listeners.ops.getsockname()[1]),
            server.folder.cache.layout.top, listeners.url + "/",
        )  # fmt: skip
        return {each.check: each.level for each in found if each.check != network.NGINX}

    expected = dict.fromkeys((network.SERVER, network.HEALTH, network.URL), Level.OK)
    assert await asyncio.to_thread(ask) == expected


def test_folders_that_nginx_cannot_pass_are_told(tmp_path: Path) -> None:
    """The first folder on the way that another user may not enter is named."""
    (tmp_path / "closed" / "cache").mkdir(parents=True)
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    (tmp_path / "closed").chmod(0o700)
    assert folder.closed_to_others(tmp_path / "closed" / "cache") == (tmp_path / "closed").resolve()
    (tmp_path / "closed").chmod(0o755)
    assert folder.closed_to_others(tmp_path / "closed" / "cache") is None


@pytest.mark.parametrize("name", ["catalogue.db", "state.db", "sources.db"])
@pytest.mark.parametrize("damage", [b"", b"no database at all" * 500], ids=["empty", "text"])
def test_every_damaged_database_is_a_problem(examine: Examine, sick: Path, name: str, damage: bytes) -> None:
    """Each of the three databases is named where it is empty or no database."""
    for part in sick.glob(f"{name}-*"):
        part.unlink()
    (sick / name).write_bytes(damage)
    told = only(examine(sick)[1]["problem"], "database")

    assert any(name in each and ("is damaged" in each or "is empty" in each) for each in told)
