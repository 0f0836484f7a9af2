"""The commands about sources, and workers that share them: real processes, and a source that is a server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from running import ENVIRONMENT, Served, ended, get, key, run, started
from samples import book
from upstream import BOOK, Asked, Upstream, gives, of_its_own, picture

from coverproxy.domain.isbn import to_isbn10
from coverproxy.domain.spec import Identifier
from coverproxy.sources.sqlite import SqliteSourceMemory

SECRET: dict[str, Any] = {"COVER_TOKEN": "secret"}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """A source that takes a fifth of a second for a cover, until it is told otherwise."""

    async def behave(asked: Asked) -> None:
        await asyncio.sleep(0.2)
        await of_its_own(asked)

    async with Upstream(behave).running() as made:
        yield made


@pytest.fixture
def config(tmp_path: Path, upstream: Upstream) -> Path:
    """A config file with two sources: a server, and a folder that holds one cover."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "9780141439563.jpg").write_bytes(picture(320, 480))
    file = tmp_path / "config.toml"
    file.write_text(
        f"""
[render]
answer_within_seconds = 15.0
[[source]]
name = "web"
kind = "http"
url = "{upstream.url}?t={{env:COVER_TOKEN}}"
allow = ["127.0.0.0/8"]
[[source]]
name = "shelf"
kind = "folder"
dir = "{folder}"
priority = 5
"""
    )
    return file


@pytest.fixture
def serve(tmp_path: Path, config: Path) -> Iterator[Any]:
    """A function that starts `coverproxy serve` with that config."""
    running: list[Served] = []

    def start(*arguments: str) -> Served:
        words = ["serve", "--config", config, "--data", tmp_path / "data", "--json", "--port", "0"]
        environment = ENVIRONMENT | {"COVERPROXY_OPS__PORT": "0", "COVER_TOKEN": "x"}
        with (tmp_path / "log").open("w") as log:
            process = started(*words, *arguments, env=environment, stderr=log)
        assert process.stdout
        running.append(Served(process, **orjson.loads(process.stdout.readline())))
        return running[-1]

    yield start
    for served in running:
        served.stop()
        assert served.process.stdout
        served.process.stdout.close()


async def test_workers_ask_once(serve: Any, tmp_path: Path, upstream: Upstream) -> None:
    """Sixty requests of two workers for one book in three sizes and both spellings are one ask."""
    served = await asyncio.to_thread(serve, "--workers", "2")
    name = await asyncio.to_thread(key, tmp_path / "data")
    base = f"{served.url}/devkey/{name}"
    urls = [
        f"{base}/{size}/isbn/{isbn}"
        for size in ("small", "medium", "large")
        for isbn in (BOOK, to_isbn10(BOOK))
    ] * 10
    got = await asyncio.gather(*(asyncio.to_thread(get, url) for url in urls))

    assert {each[1]["X-Cover-Status"] for each in got} == {"made", "hit"}
    assert len(upstream.asked) == 1
    assert upstream.asked[0].path == f"/{BOOK}.jpg?t=x"


async def test_workers_share_what_is_missing(serve: Any, tmp_path: Path, upstream: Upstream) -> None:
    """What one worker was told is not there, the others do not ask for."""
    upstream.behave = gives(b"", "404 Not Found")
    served = await asyncio.to_thread(serve, "--workers", "2")
    name = await asyncio.to_thread(key, tmp_path / "data")
    for _ in range(20):
        _, headers, _ = await asyncio.to_thread(get, f"{served.url}/devkey/{name}/small/isbn/{BOOK}")
        assert headers["X-Cover-Status"] == "missing"

    assert len(upstream.asked) == 1


async def test_workers_keep_one_pace(serve: Any, config: Path, tmp_path: Path, upstream: Upstream) -> None:
    """At five requests a second without a burst, two workers together ask every fifth of a second."""
    slow = 'allow = ["127.0.0.0/8"]\nrequests_per_second = 5.0\nburst = 1\n'
    config.write_text(config.read_text().replace('allow = ["127.0.0.0/8"]\n', slow))
    upstream.behave = gives(b"", "404 Not Found")
    served = await asyncio.to_thread(serve, "--workers", "2")
    name = await asyncio.to_thread(key, tmp_path / "data")
    urls = [f"{served.url}/devkey/{name}/small/isbn/{book(number)}" for number in range(9)]
    await asyncio.gather(*(asyncio.to_thread(get, url) for url in urls))
    times = sorted(each.at for each in upstream.asked)

    assert len(times) == 9
    assert times[-1] - times[0] > 1.1  # 1.6, but for a first one that was late; 0.4 if each had its own pace


async def test_purge_has_sources_asked_again(config: Path, tmp_path: Path) -> None:
    """What is remembered as "no source has it" is forgotten by `purge`."""
    (tmp_path / "data" / "originals").mkdir(parents=True)
    recall = SqliteSourceMemory(tmp_path / "data" / "sources.db", 100)
    recall.open()
    recall.note_absent(Identifier("isbn", BOOK), until=2e9, now=0)
    await asyncio.to_thread(run, "purge", BOOK, data=tmp_path / "data")

    assert not recall.look(Identifier("isbn", BOOK), now=1.0).is_absent
    recall.close()


async def test_test_says_what_each_answers(config: Path, upstream: Upstream) -> None:
    """Every source is asked, the preferred first; a picture is told by its size and kind."""
    arguments = ("source", "test", "978-0-14-143956-3", "--config", config)
    told = orjson.loads(await asyncio.to_thread(run, *arguments, "--json", **SECRET))

    assert told["isbn13"] == "9780141439563"
    assert [(each["source"], each["answer"]) for each in told["answers"]] == [
        ("shelf", "found"), ("web", "found"),
    ]  # fmt: skip
    assert told["answers"][0]["detail"].startswith("320x480 px jpeg, ")
    assert told["answers"][1]["ms"] >= 200
    text = await asyncio.to_thread(run, *arguments, **SECRET)
    assert text.startswith("shelf: found (320x480 px jpeg, ")


@pytest.mark.parametrize(
    ("status", "body", "answer", "detail"),
    [
        ("404 Not Found", b"", "not there", "status 404"),
        ("500 Oh", b"", "could not ask", "status: 500"),
        ("200 OK", b"<svg/>", "not there", "its picture is refused: type: "),
    ],
)
async def test_test_keeps_three_answers_apart(
    config: Path, upstream: Upstream, status: str, body: bytes, answer: str, detail: str
) -> None:
    """Not there and could not ask are told apart, each with its reason; the exit code is 1."""
    upstream.behave = gives(body, status)
    command = partial(ended, "source", "test", BOOK, "--config", config, "--json", env=ENVIRONMENT | SECRET)
    done = await asyncio.to_thread(command)
    answers = {each["source"]: each for each in orjson.loads(done.stdout)["answers"]}

    assert done.returncode == 1
    assert answers["web"]["answer"] == answer
    assert answers["web"]["detail"].startswith(detail)
    assert answers["shelf"]["answer"] == "not there"
    assert "secret" not in done.stdout + done.stderr


def test_list_shows_them_in_order(config: Path) -> None:
    """The list has the higher priority first, and no secret."""
    told = orjson.loads(run("source", "list", "--config", config, "--json", **SECRET))

    assert [(each["name"], each["kind"]) for each in told["sources"]] == [
        ("shelf", "folder"),
        ("web", "http"),
    ]
    text = run("source", "list", "--config", config, **SECRET)
    assert text.startswith("shelf  folder  ")
    assert "secret" not in text
    assert "no sources" in run("source", "list")


@pytest.mark.parametrize("command", [("check-config",), ("serve", "--port", "0"), ("source", "test", BOOK)])
def test_a_missing_secret_is_told_at_once(config: Path, command: tuple[str, ...]) -> None:
    """A variable that a source names and nobody set ends the command with its name."""
    code = 1 if command[0] == "source" else 2

    assert "COVER_TOKEN" in run(*command, "--config", config, code=code)


def test_an_import_needs_no_secret(config: Path, tmp_path: Path, drawn: Path) -> None:
    """Commands that ask no source do without its secrets."""
    run("import", drawn, "--config", config, "--mode", "link", data=tmp_path / "other")
