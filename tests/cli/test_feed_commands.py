"""`coverproxy feed` and `coverproxy watch`, as an operator meets them."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from library import BOOK, OTHERS, Library
from link_host import link_host
from running import started
from senders import BLUE, RED, onix, product, zip_of

from coverproxy.cli import main


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """An empty folder of covers, and no data folder yet."""
    return Library(tmp_path)


def configured(library: Library, feed: str) -> Path:
    path = library.data.parent / "config.toml"
    path.write_text(f'[data]\ndir = "{library.data}"\n[[feed]]\nname = "house"\n{feed}\n', encoding="utf-8")
    return path


def told(config: Path, *arguments: str, code: int = 0) -> Any:
    """Run a command with --json, and read its answer."""
    ran = CliRunner().invoke(main, [*arguments, "--config", str(config), "--json"])
    assert ran.exit_code == code, ran.output
    return json.loads(ran.stdout)


def test_a_feed_is_run_listed_and_shown(library: Library) -> None:
    """What is new is taken in once; each refusal names the sender's own file and line; the state is told."""
    config = configured(library, f'dir = "{library.covers}"')
    library.put("blue.jpg", BLUE)
    onix(library, product("blue.jpg"), product("none.jpg", isbn=OTHERS[0], record="r2"))
    assert [each["name"] for each in told(config, "feed", "list")] == ["house"]
    first = told(config, "feed", "run", code=3)
    assert (first["added"], first["refused"]) == (1, {"unreadable": 1})
    (line,) = [json.loads(each) for each in Path(first["report"]).read_text().splitlines()]
    assert (line["place"], line["isbn"]) == (f"{library.covers / 'feed.dat'}:3", f"isbn:{OTHERS[0]}")
    assert told(config, "feed", "run", "house")["seen"] == 0
    (file, picture) = sorted(told(config, "feed", "status")["house"], key=lambda each: -each["done"])
    assert (file["name"], file["done"], file["added"], file["refused"]) == ("feed.dat", 2, 1, 1)
    assert picture["name"] == "blue.jpg"
    ran = CliRunner().invoke(main, ["feed", "run", "nobody", "--config", str(config)])
    assert (ran.exit_code, "expected one of: house" in ran.output) == (2, True)


def test_a_feed_at_a_url_is_fetched_when_it_changed(library: Library) -> None:
    """The file is fetched, read and removed; nothing of it stays but what it brought."""
    body = zip_of(library, {f"{BOOK}.jpg": BLUE}).read_bytes()
    with link_host({"/covers.zip": body}) as host:
        config = configured(library, f'url = "{host.url}/covers.zip"\nallow = ["127.0.0.1"]')
        assert told(config, "feed", "run")["added"] == 1
        assert told(config, "feed", "run")["already"] == 1
        host.files.clear()
        ran = CliRunner().invoke(main, ["feed", "run", "--config", str(config)])
        assert (ran.exit_code, "answered 404" in ran.output) == (1, True)
    assert not [path for path in (library.data / "feeds" / "house").iterdir() if path.is_file()]


@pytest.mark.parametrize("mistake", ["", 'dir = "a"\nurl = "https://b"', 'dir = "a"\nhosts = ["http://x/"]'])
def test_a_feed_with_a_mistake_is_told(library: Library, mistake: str) -> None:
    """A feed from nowhere, from two places, or with an address for a host is a mistake of the config."""
    ran = CliRunner().invoke(main, ["feed", "list", "--config", str(configured(library, mistake))])
    assert (ran.exit_code, "feed.0" in ran.output) == (2, True)


@pytest.mark.parametrize("poll", [(), ("--poll",)])
def test_what_lands_is_taken_in(library: Library, poll: tuple[str, ...]) -> None:
    """A watched folder's files are there within moments, and Ctrl-C ends the command in peace."""
    words = ["watch", library.covers, "--data", library.data, "--json", "--settle", "0.1", "--move", *poll]
    library.put(f"{BOOK}.jpg", BLUE)
    with started(*words) as watching:
        assert watching.stdout
        assert json.loads(watching.stdout.readline())["added"] == 1
        library.put("new.part", RED).rename(library.covers / f"{OTHERS[0]}.jpg")
        assert json.loads(watching.stdout.readline())["added"] == 1
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
    assert sorted(path.name for path in (library.covers / "done").iterdir()) == sorted(
        [f"{BOOK}.jpg", f"{OTHERS[0]}.jpg"]
    )
    assert {one.source for one in library.all_originals()} == {"covers"}
