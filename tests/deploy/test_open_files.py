"""nginx and its limit of open files: it is reached only if the config asks for that, and is then reported."""

import asyncio
import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from conftest import configured
from fronting import TEMPORARY, laid, printed, readable
from ports import free_port
from running import ended, key, run
from services import program

from coverproxy.cli import main
from coverproxy.deploy.nginx import DEBIAN_CONNECTIONS, FITTING_CONNECTIONS, USUAL_FILES, files_needed
from coverproxy.doctor.checks import front
from coverproxy.doctor.checks.finding import Level
from coverproxy.domain.formats import Format
from coverproxy.domain.spec import ISBN, Identifier, Spec
from coverproxy.wiring.data_folder import open_shelf

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))  # at the end, so that an installed coverproxy is not shadowed

from bench import books  # noqa: E402
from bench.serve import limits_met  # noqa: E402

DEBIAN = """\
user www-data;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
include {folder}/modules-enabled/*.conf;

events {{
    worker_connections 768;
}}

http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    default_type application/octet-stream;
    access_log off;
    gzip on;
    {temporary}
    include {folder}/conf.d/*.conf;
}}
"""
"""Debian's own nginx.conf but for its paths, as tests may not write to /etc. It sets no limit."""

BOOKS = 5000
BODY = b"\xff\xd8\xff\xe0" + bytes(2000) + b"\xff\xd9"


class Cache:
    """A data folder with covers where the product lays them, all hard links to one file."""

    def __init__(self, data: Path) -> None:
        self.data, self.key = data, key(data)
        with open_shelf(configured(data)) as shelf:  # makes the folders, and each size's link
            self.layout = shelf.layout
        one = data / "one.jpg"
        one.write_bytes(BODY)
        for number in range(BOOKS):
            path = self.file(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(one)
        readable(data)

    def file(self, number: int) -> Path:
        """The cover's place on disk."""
        identifier = Identifier(ISBN, books.isbn(number))
        return self.layout.paths(Spec(identifier, "medium", Format.JPEG))[0]

    def path(self, number: int) -> str:
        """The path of its URL."""
        return f"/devkey/{self.key}/medium/isbn/{books.isbn(number)}"


@pytest.fixture(scope="module")
def cache() -> Iterator[Cache]:
    """5,000 covers, not below pytest's folder: each pytest that starts closes that to nginx's own user."""
    with tempfile.TemporaryDirectory() as folder:
        yield Cache(Path(folder) / "data")


class Front:
    """A running nginx, and what it answers."""

    def __init__(self, process: int, port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    async def ask(self, paths: Sequence[str]) -> list[tuple[int, bytes]]:
        """Ask for all of them over one connection that is kept: status and body of each."""
        got = []
        async with connected(self.port) as (reader, writer):
            for at in range(0, len(paths), 50):
                some = paths[at : at + 50]
                writer.write(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in some))
                got += [await answer(reader) for _ in some]
        return got

    async def ask_all(self, paths: Sequence[str]) -> list[tuple[int, bytes]]:
        """The same over eight connections, which fall to both workers."""
        shares = await asyncio.gather(*(self.ask(paths[at::8]) for at in range(8)))
        return [each for share in shares for each in share]


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Keep a connection while the block runs."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer of a given length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    (length,) = (line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
    return int(head.split()[1]), await reader.readexactly(int(length.partition(":")[2]))


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path, soft: int, hard: int) -> Iterator[Front]:
    """Run nginx under these limits of open files."""
    process = subprocess.Popen(
        command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    )
    try:
        deadline = time.monotonic() + 60
        while sum(len(each.workers) for each in front.running() if each.master.process == process.pid) < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "nginx's workers did not come"
            time.sleep(0.02)
        yield Front(process.pid, port, log)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def debian(
    cache: Cache, folder: Path, soft: int = USUAL_FILES, hard: int = USUAL_FILES, top: str = "", **given: Any
) -> Iterator[Front]:
    """Run nginx with Debian's nginx.conf around what `coverproxy nginx-conf` prints, as README's commands do.

    *top*: what lies in modules-enabled. The app is away: every cover is on disk.
    """
    binary, port = program("nginx"), free_port()
    for name in ("conf.d", "modules-enabled"):
        (folder / name).mkdir()
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY)
    (folder / "nginx.conf").write_text(DEBIAN.format(folder=folder, temporary=temporary))
    (folder / "modules-enabled" / "90-coverproxy.conf").write_text(top)
    text = site(cache.data, listen=[f"127.0.0.1:{port}"], access_log="", **given)
    (folder / "conf.d" / "coverproxy.conf").write_text(text)
    command = [binary, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]
    with running(command, port, folder / "error.log", soft, hard) as front:
        yield front


def environment(**front: Any) -> dict[str, str]:
    """Keys of [front], as variables."""
    return {
        f"COVERPROXY_FRONT__{name.upper()}": orjson.dumps(value).decode() for name, value in front.items()
    }


def site(data: Path, **front: Any) -> str:
    """What `coverproxy nginx-conf` prints."""
    done = CliRunner().invoke(main, ["nginx-conf", "--data", str(data)], env=environment(**front))
    assert done.exit_code == 0, done.output
    return done.stdout


def hard_limit() -> int:
    """How many files this process may let others open."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return hard if hard >= 0 else 65_536


@pytest.mark.parametrize("is_hard", [False, True], ids=["soft", "hard"])
async def test_all_covers_come_under_debians_limit(cache: Cache, tmp_path: Path, is_hard: bool) -> None:
    """5,000 covers, each asked for twice, under a limit of 1,024 open files: none fails, none is logged."""
    paths = [cache.path(number) for number in range(BOOKS)]
    hard = USUAL_FILES if is_hard else hard_limit()
    with debian(cache, tmp_path, hard=hard) as nginx:
        got = await nginx.ask_all(paths * 2)
        assert [each for each in got if each != (200, BODY)] == []
        assert limits_met(nginx.log, USUAL_FILES) == []


async def test_a_whole_configuration_fits_the_usual_limit(cache: Cache, tmp_path: Path) -> None:
    """--whole raises no limit, has no more connections than fit, and says nothing under a limit of 1,024."""
    port, folder = free_port(), tmp_path / "nginx"
    text = printed(cache.data, listen=[f"127.0.0.1:{port}"], access_log="").replace("auto;", "2;", 1)
    assert not [line for line in text.splitlines() if line.strip().startswith("worker_rlimit_nofile")]
    assert f"worker_connections {FITTING_CONNECTIONS};" in text
    with running(laid(folder, text), port, folder / "error.log", USUAL_FILES, USUAL_FILES) as nginx:
        got = await nginx.ask_all([cache.path(number) for number in range(2 * USUAL_FILES)])
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(FITTING_CONNECTIONS // 2):
                await stack.enter_async_context(connected(port))
            got += await nginx.ask([cache.path(0)])
    assert set(got) == {(200, BODY)}
    assert limits_met(folder / "error.log", USUAL_FILES) == []


async def test_open_files_without_the_limit_are_told(cache: Cache, tmp_path: Path) -> None:
    """With open_files and a limit of 1,024 covers fail: doctor says so, and how that is mended."""
    given: dict[str, Any] = {"open_files": 4000}
    with debian(cache, tmp_path, hard=hard_limit(), **given) as nginx:
        with contextlib.suppress(EOFError, ConnectionError):  # it answers 500, or hangs up
            await nginx.ask_all([cache.path(number) for number in range(BOOKS)])
        (found,) = (
            each for each in doctor(cache.data, **given) if f"nginx {nginx.process}:" in each["found"]
        )
        assert "limit of open files (RLIMIT_NOFILE is 1024)" in limits_met(nginx.log, USUAL_FILES)[0]
    needed = files_needed(4000)
    assert (found["level"], needed) == ("problem", 4000 + 2 * DEBIAN_CONNECTIONS + 64)
    assert f"may open 1024 files, but front.open_files = 4000 needs {needed}" in found["found"]
    assert f"`worker_rlimit_nofile {needed};` into /etc/nginx/modules-enabled/" in found["advice"]


async def test_open_files_with_the_limit(cache: Cache, tmp_path: Path) -> None:
    """Where modules-enabled raises the limit as doctor says, all covers come; what is replaced comes later.

    The old cover is answered until front.open_file_seconds are over; with no open files the new one at once.
    """
    given, needed = {"open_files": 3000, "open_file_seconds": 1}, files_needed(3000)
    raised = f"worker_rlimit_nofile {needed};"
    with debian(cache, tmp_path, hard=max(needed, USUAL_FILES), top=raised, **given) as nginx:
        got = await nginx.ask_all([cache.path(number) for number in range(BOOKS)])
        assert set(got) == {(200, BODY)}
        assert limits_met(nginx.log, needed) == []
        (found,) = (each for each in front.running() if each.master.process == nginx.process)
        assert {limit.soft for limit in found.workers} == {needed}
        assert front.judged(found, 3000).level is Level.OK
        at_once, later = await changed(nginx, cache, 1)
        assert at_once == BODY
        assert later == BODY[::-1]


async def test_changes_take_effect_at_once(cache: Cache, tmp_path: Path) -> None:
    """As it is by default, the next hit is the new cover, and none once the key's link is gone."""
    with debian(cache, tmp_path) as nginx:
        at_once, _ = await changed(nginx, cache, 2)
        assert at_once == BODY[::-1]
        link = cache.layout.by_key / cache.key
        link.rename(link.with_name("away"))
        try:
            assert (await nginx.ask([cache.path(3)]))[0][1] != BODY
        finally:
            link.with_name("away").rename(link)


async def changed(nginx: Front, cache: Cache, number: int) -> tuple[bytes, bytes]:
    """Ask for a cover, replace it as the product does, and ask again on that connection: at once, later."""
    file, path = cache.file(number), cache.path(number)
    bodies = []
    async with connected(nginx.port) as (reader, writer):
        for wait in (0.0, 0.0, 2.1):
            await asyncio.sleep(wait)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            bodies.append((await answer(reader))[1])
            if len(bodies) == 1:
                (cache.data / "new").write_bytes(BODY[::-1])
                (cache.data / "new").replace(file)
    (cache.data / "as-before").hardlink_to(cache.data / "one.jpg")
    (cache.data / "as-before").replace(file)
    assert bodies[0] == BODY
    return bodies[1], bodies[2]


def doctor(data: Path, **given: Any) -> list[dict[str, str]]:
    """What `coverproxy doctor` says of nginx's open files."""
    done = ended("doctor", "--data", data, "--json", env=os.environ | environment(**given))
    return [each for each in orjson.loads(done.stdout)["findings"] if each["check"] == front.FILES]


def proc(folder: Path, processes: dict[int, tuple[str, int, int, int]]) -> Path:
    """A /proc with these processes: their title, parent, soft and hard limit."""
    for process, (title, parent, soft, hard) in processes.items():
        (folder / str(process)).mkdir()
        (folder / str(process) / "cmdline").write_bytes(title.encode() + b"\0")
        (folder / str(process) / "stat").write_text(f"{process} (nginx (x)) S {parent} 1 1 0")
        limits = f"Limit Soft Hard Units\nMax open files            {soft}                 {hard}  files\n"
        (folder / str(process) / "limits").write_text(limits)
    return folder


def test_the_lowest_worker_counts_and_the_hard_limit_is_told(tmp_path: Path) -> None:
    """Old workers that shut down do not count; where the master's hard limit is too low, that comes first."""
    master, worker = "nginx: master process /usr/sbin/nginx", "nginx: worker process"
    processes = {
        1: ("/sbin/init", 0, 10, 10),
        10: (master, 1, 1024, 524288),
        11: (worker, 10, 50_000, 50_000),
        12: (f"{worker} is shutting down", 10, 1024, 524288),
        20: (master, 1, 1024, 20_000),
        21: (worker, 20, 50_000, 50_000),
        22: (worker, 20, 1024, 20_000),
    }
    good, bad = front.look(40_000, proc(tmp_path, processes))
    assert (good.level, bad.level) == (Level.OK, Level.PROBLEM)
    assert "worker 22 may open 1024" in bad.found
    assert "hard limit, 20000, is lower" in bad.found
    assert f"LimitNOFILE={files_needed(40_000)}" in bad.advice


def test_no_open_files_ask_for_nothing_and_no_nginx_is_told(tmp_path: Path) -> None:
    """Where no file stays open any limit is right; where some do and no nginx runs, it cannot be said."""
    assert [each.level for each in front.look(0, tmp_path)] == [Level.OK]
    assert [each.level for each in front.look(1, tmp_path)] == [Level.WARNING]


def test_the_printed_file_says_what_limit_it_needs(tmp_path: Path) -> None:
    """The cache, and the words on the limit, only where the config asks; then standard error has them too."""
    assert "open_file_cache off;" in site(tmp_path)
    assert "open_file_cache_valid" not in site(tmp_path)
    assert "rlimit" not in site(tmp_path)
    text = site(tmp_path, open_files=40_000)
    assert "open_file_cache max=40000 " in text
    assert f"#     worker_rlimit_nofile {files_needed(40_000)};" in text
    assert "modules-enabled" in text
    command = ["nginx-conf", "--data", str(tmp_path)]
    assert CliRunner().invoke(main, command).stderr == ""
    told = CliRunner().invoke(main, command, env=environment(open_files=900_000)).stderr
    assert f"needs a limit of {files_needed(900_000)} open files" in told


@pytest.mark.parametrize("value", ["-1", "1000001", "many"])
def test_an_impossible_number_is_refused(tmp_path: Path, value: str) -> None:
    """Below 0 and above what Linux lets any process open (fs.nr_open): a mistake that names the key."""
    said = run("nginx-conf", data=tmp_path, code=2, COVERPROXY_FRONT__OPEN_FILES=value)
    assert "COVERPROXY_FRONT__OPEN_FILES" in said
