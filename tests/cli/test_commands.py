"""The commands, run as an operator runs them: real processes over a data folder of their own."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import click
import orjson
import pytest
from click.testing import CliRunner
from conftest import BROWSER, COVERED, UNCOVERED
from ending import Ending
from running import COMMAND, ENVIRONMENT, Serve, Served, child_of, data, get, held, key, run, serve, workers

from coverproxy import __version__
from coverproxy.cli import main
from coverproxy.cli.build import build

__all__ = ["data", "serve"]  # fixtures


def every(command: click.Command, *names: str) -> Iterator[tuple[str, ...]]:
    """The words of *command* and of every command below it."""
    yield names
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from every(below, *names, name)


def test_help_teaches() -> None:
    """Every command has a --help with a sentence and its options, and the first says where to start."""
    assert "coverproxy demo" in run("--help")
    found = list(every(main))
    assert len(found) > 40
    assert ("key", "limit") in found
    assert ("originals", "release") in found
    for words in found:
        # in this process: starting another takes most of a second each
        result = CliRunner().invoke(main, [*words, "--help"])
        usage, sentence, *_ = (line for line in result.output.splitlines() if line)
        assert result.exit_code == 0
        assert usage.startswith("Usage:")
        assert " ".join(words) in usage
        assert sentence.startswith("  ")
        assert sentence.strip()[0].isupper()
        assert "--help" in result.output


def test_create_prints_the_key(data: Path) -> None:
    """`key create --json` prints {"key", "label", "url"}; without, the key and a URL with it."""
    made = orjson.loads(run("key", "create", "--label", "Küche", "--json", data=data))
    assert set(made) == {"key", "label", "url"}
    assert made["label"] == "Küche"
    assert re.search(r"/devkey/cp_[a-z0-9]{26}/medium/isbn/", run("key", "create", "--label", "x", data=data))


def test_a_keys_life(data: Path) -> None:
    """A key is listed and shown, its limit changed, it is revoked and restored; an unknown one is told."""
    name = key(data, "--daily-limit", "7", "--allow-site", "*.Example.org", "--strict")
    shown = orjson.loads(run("key", "show", name, "--json", data=data))
    assert (shown["daily_limit"], shown["sites"], shown["strict"]) == (7, ["*.example.org"], True)
    assert "may make 9 a day" in run("key", "limit", name, "9", data=data)
    assert "revoked" in run("key", "revoke", name, data=data)
    states = {each["key"]: each["state"] for each in orjson.loads(run("key", "list", "--json", data=data))}
    assert states[name] == "revoked"
    assert "active" in run("key", "restore", name, data=data)
    assert name in run("key", "list", data=data)
    assert "not a key here" in run("key", "show", "nonsense", data=data, code=1)
    assert "expected a host" in run(
        "key", "create", "--label", "x", "--allow-site", "https:///x", data=data, code=2
    )


def test_a_key_is_bound_and_ends(data: Path) -> None:
    """Binding and an end that has come take the key's link away; freeing it brings the link back."""
    name = key(data)
    link = data / "cache" / "v2" / "by-key" / name
    assert link.is_symlink()
    assert "is bound to opac.example.org" in run("key", "bind", name, "OPAC.example.org", data=data)
    assert not link.is_symlink()
    assert "from any site" in run("key", "bind", name, data=data)
    assert link.is_symlink()
    assert "ends at 2020-01-31T00:00:00Z" in run("key", "expire", name, "2020-01-31", data=data)
    assert not link.is_symlink()
    assert orjson.loads(run("key", "show", name, "--json", data=data))["state"] == "expired"
    assert "never ends" in run("key", "expire", name, "never", data=data)
    assert link.is_symlink()
    assert "https:///x" in run("key", "bind", name, "https:///x", data=data, code=2)
    assert "tomorrow" in run("key", "expire", name, "tomorrow", data=data, code=2)


def test_cover_tells_what_is_known(data: Path) -> None:
    """`cover` says how the ISBN was understood and its originals, the best first, or that there are none."""
    told = orjson.loads(run("cover", "0-14-143951-3", "--json", data=data))
    (book,) = told["books"]
    assert (book["isbn13"], book["isbn10"]) == (COVERED, "0141439513")
    assert book["originals"][0]["present"]
    assert "1000x1500 px jpeg" in run("cover", COVERED, data=data)
    assert "no original" in run("cover", UNCOVERED, data=data)
    assert "check digit" in run("cover", "9780141439519", data=data, code=1)


def test_serving_from_start_to_stop(serve: Serve, data: Path) -> None:
    """serve prints one line when it answers; a key made afterwards works; SIGTERM ends it with code 0."""
    served = serve(COVERPROXY_RENDER__ANSWER_WITHIN_SECONDS="20")  # however busy the machine is
    name = key(data)
    status, headers, body = get(f"{served.url}/devkey/{name}/small/isbn/{COVERED}")

    assert (status, headers["X-Cover-Status"], body[:2]) == (200, "made", b"\xff\xd8")
    assert get(f"{served.ops_url}/readyz")[0] == 200
    assert "derivative" in run("cover", COVERED, data=data)
    assert "1 file removed" in run("purge", COVERED, data=data)
    assert get(f"{served.url}/devkey/{name}/small/isbn/{COVERED}")[1]["X-Cover-Status"] == "made"
    run("key", "revoke", name, data=data)
    deadline = time.monotonic() + 30
    while get(f"{served.url}/devkey/{name}/small/isbn/{COVERED}")[0] != 403:
        assert time.monotonic() < deadline, "a revoked key must stop"
        time.sleep(0.1)
    assert served.stop() == 0


def test_logs_are_json_and_hold_no_whole_key(serve: Serve, data: Path, tmp_path: Path) -> None:
    """With standard error no terminal each log line is JSON; no line has a whole key or address."""
    served = serve(COVERPROXY_LOG__ACCESS="true")
    name = key(data)
    get(f"{served.url}/devkey/{name}/large/isbn/{COVERED}")
    served.stop()
    text = (tmp_path / "log").read_text()
    lines = [orjson.loads(line) for line in text.splitlines()]

    assert {"made", "answer"} <= {line["event"] for line in lines}
    assert all({"time", "level", "event"} <= set(line) for line in lines)
    assert name not in text
    assert "127.0.0.1" not in text


def test_a_stop_finishes_what_is_being_answered(serve: Serve, data: Path) -> None:
    """Requests under way when SIGTERM comes are answered; then the port is closed."""
    served = serve(COVERPROXY_RENDER__ANSWER_WITHIN_SECONDS="20.0")
    name = key(data)
    isbns = [path.name[:13] for path in sorted((data / "originals").glob("*/*/*"))][:12]

    (worker,) = workers(served)
    idle = held(worker)

    async def ask() -> list[str]:
        async with aiohttp.ClientSession(headers=BROWSER) as client:
            asking = [
                asyncio.ensure_future(client.get(f"{served.url}/devkey/{name}/large/isbn/{value}.webp"))
                for value in isbns
            ]
            async with asyncio.timeout(60):
                while held(worker) < idle + len(isbns):  # what nobody has accepted yet, nobody answers
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.15)
            served.process.send_signal(signal.SIGTERM)
            return [(await each).headers["X-Cover-Status"] for each in asking]

    assert asyncio.run(ask()) == ["made"] * len(isbns)
    assert served.process.wait(20) == 0
    with pytest.raises(OSError, match="refused"):
        get(served.url)


def test_workers_make_each_cover_once_and_add_up_their_metrics(serve: Serve, data: Path) -> None:
    """Four workers, 1,000 requests for one cold cover: one made, quota up by one, 1,000 images."""
    served = serve("--workers", "4", COVERPROXY_RENDER__ANSWER_WITHIN_SECONDS="30.0")
    name = key(data)
    isbn = "9780142437247"

    async def ask() -> list[str]:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, headers=BROWSER) as client:

            async def one() -> str:
                async with client.get(f"{served.url}/devkey/{name}/medium/isbn/{isbn}") as response:
                    assert (await response.read()).startswith(b"\xff\xd8")
                    return response.headers["X-Cover-Status"]

            return await asyncio.gather(*(one() for _ in range(1000)))

    got = asyncio.run(ask())
    assert sorted(set(got)) == ["hit", "made"]
    assert got.count("made") == 1
    assert orjson.loads(run("key", "show", name, "--json", data=data))["made_today"] == 1

    def counted() -> float:
        metrics = get(f"{served.ops_url}/metrics")[2].decode()
        return sum(map(float, re.findall(r'answers_total{status="(?:hit|made)"} ([0-9.]+)', metrics)))

    deadline = time.monotonic() + 60
    while (
        counted() < 1000 and time.monotonic() < deadline
    ):  # hits show after a moment: they are counted together
        time.sleep(0.05)
    assert counted() == 1000
    assert served.stop() == 0


def test_the_master_never_loads_libvips_and_replaces_a_dead_worker(serve: Serve, data: Path) -> None:
    """No libvips before the fork; a worker that is killed is replaced, and covers go on being served."""
    served = serve("--workers", "2")
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    deadline = time.monotonic() + 20
    while len(workers := children.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "libvips" not in Path(f"/proc/{served.process.pid}/maps").read_text()
    os.kill(int(workers[0]), signal.SIGKILL)
    while not set(children.read_text().split()) - set(workers):
        assert time.monotonic() < deadline, "a dead worker must be replaced"
        time.sleep(0.05)
    assert get(f"{served.url}/devkey/{key(data)}/small/isbn/{UNCOVERED}")[1]["X-Cover-Status"] == "missing"


def test_a_taken_port_is_told(serve: Serve, data: Path) -> None:
    """A port that is in use ends serve at once, with the address in the message."""
    port = serve().url.rpartition(":")[2]
    said = run("serve", "--port", port, data=data, code=1)

    assert f"cannot listen on 127.0.0.1 port {port}" in said


def test_check_config_tells_every_mistake(tmp_path: Path) -> None:
    """Mistakes of file and environment come all at once, each with its path; the exit code is 2."""
    file = tmp_path / "c.toml"
    file.write_text('[server]\nport = "x"\nhosts = "y"\n[quota]\ntime_zone = "Mars/Olympus"\n')
    said = run("check-config", "--config", file, code=2, COVERPROXY_RENDER__QUEUE="-1")

    for path in ("server.port", "server.hosts", "quota.time_zone", "COVERPROXY_RENDER__QUEUE"):
        assert path in said
    file.write_text("[server]\nport = 1234\n")
    assert orjson.loads(run("check-config", "--json", "--config", file))["server"]["port"] == 1234
    assert "server.port = 1234" in run("check-config", "--config", file)
    assert "cannot be read" in run("check-config", "--config", tmp_path / "none.toml", code=2)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("key", "limit", "nope", "5"), 1, "nope"),  # refused by the command
        (("key", "create"), 2, "Missing option '--label'"),  # not understood
        (("check-config", "--config", "{bad}"), 2, "bad.toml"),  # mistakes of the config
    ],
)
def test_errors_are_json_for_programs(
    data: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    """With --json an error is one line `{"error", "exit_code"}` on standard error; without, it is text."""
    bad = tmp_path / "bad.toml"
    bad.write_text("nope = 1")
    arguments = tuple(each.format(bad=bad) for each in arguments)
    told = orjson.loads(run(*arguments, "--json", data=data, code=code))
    assert expected in told["error"]
    assert told["exit_code"] == code
    plain = run(*arguments, data=data, code=code)
    assert expected in plain
    assert not plain.startswith("{")


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Where the data folder cannot be, a command says so in one line."""
    (tmp_path / "file").write_text("")
    said = run("key", "create", "--label", "x", data=tmp_path / "file" / "data", code=1)

    assert "Not a directory" in said
    assert "Traceback" not in said


def test_the_demo_shows_covers() -> None:
    """`demo` needs nothing: it prints an address, whose page shows all covers and the HTML to copy."""
    process = subprocess.Popen(
        [*COMMAND, "demo", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    try:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        url = told["url"]
        page = get(url + "/")[2].decode()
        shown = re.findall(r'<img src="(/devkey/[^"]+)"', page)
        assert len([path for path in shown if "/medium/" in path]) >= 25
        assert shown[0].startswith(f"/devkey/{told['key']}/")
        assert "&lt;img src=" in page
        for path in (shown[0], next(path for path in shown if "/large/" in path)):
            assert get(url + path)[1]["Content-Type"] == "image/jpeg"
        assert get(url + shown[-1])[1]["X-Cover-Status"] == "missing"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        if process.stdout:
            process.stdout.close()


@pytest.mark.parametrize("program", ["coverproxy.demo.draw", "coverproxy.imaging.render_child"])
def test_the_demo_is_interrupted_while_it_begins(program: str) -> None:
    """Ctrl-C, which reaches the processes that draw and decode too, ends the demo without a traceback.

    That process stands still as it starts, so that the demo can get no further meanwhile.
    """
    with Ending(
        [*COMMAND, "demo", "--port", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT, start_new_session=True,
    ) as process:  # fmt: skip
        child = child_of(process.pid, program)
        os.kill(child, signal.SIGSTOP)
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)  # for the signal to come before the child goes on
        with suppress(ProcessLookupError):  # the demo may have ended it
            os.kill(child, signal.SIGCONT)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert (process.returncode, said.splitlines()[-1]) == (1, "Aborted!")


def test_a_broken_database_is_told_in_one_line(tmp_path: Path) -> None:
    """Keys and counts that cannot be read end a command with one line that names the file: exit code 1."""
    key(tmp_path)
    (tmp_path / "state.db").write_bytes((tmp_path / "state.db").read_bytes()[:4096] + b"x" * 40_000)
    for name in ("state.db-wal", "state.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    said = run("key", "list", data=tmp_path, code=1)

    assert said.startswith("Error: the data folder's database: state.db: ")
    assert said.endswith("; for details: coverproxy doctor\n")
    assert len(said.splitlines()) == 1


def test_requests_that_are_no_http_are_not_quoted(serve: Callable[..., Served], tmp_path: Path) -> None:
    """What is no HTTP, or too long, leaves neither the key nor the address of who sent it in the log."""
    server = serve()
    host, port = server.url.removeprefix("http://").split(":")
    for garbage, status in (
        (b"GET /devkey/secretkeysecret/ HTTP/1.1\r\nA: \x00\r\n\r\n", b"400"),
        (b"GET /devkey/secretkeysecret/" + b"x" * 40_000, b"414"),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(garbage)
            assert connection.recv(1000).startswith(b"HTTP/1.0 " + status)
    server.stop()
    log = (tmp_path / "log").read_text()

    assert "secretkey" not in log
    assert "127.0.0.1" not in log.replace(server.url, "").replace(server.ops_url, "")


@pytest.mark.parametrize("name", ["catalogue.db", "state.db"])
def test_a_damaged_database_is_named_in_one_line(
    serve: Callable[..., Served], tmp_path: Path, name: str
) -> None:
    """serve starts without it: one line of all workers names the file and what looks into it."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    (folder / name).write_bytes(b"no database at all" * 500)
    server = serve("--data", str(folder), "--workers", "2")
    status, _, body = get(f"{server.ops_url}/readyz")
    server.stop()
    lines = (tmp_path / "log").read_text().splitlines()

    (told,) = (orjson.loads(line) for line in lines if "a database cannot be used" in line)
    assert told["file"] == str(folder / name)
    assert told["look_into_it"] == f"coverproxy doctor --data {folder}"
    assert not any("Traceback" in line for line in lines)
    assert status == 503
    assert name in orjson.dumps(orjson.loads(body)["faults"]).decode()


def test_the_version_tells_builds_apart(tmp_path: Path) -> None:
    """Two builds of one version have other code, and say so; the same code is the same build."""
    said = CliRunner().invoke(main, ["--version"]).output
    assert re.fullmatch(rf"coverproxy {re.escape(__version__)}, build [0-9a-f]{{8}}, Python 3.*\n", said)
    (tmp_path / "a.py").write_text("1")
    one = build(tmp_path)
    (tmp_path / "a.pyc").write_text("compiled")
    assert build(tmp_path) == one
    (tmp_path / "a.py").write_text("2")
    assert build(tmp_path) != one
