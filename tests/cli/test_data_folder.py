"""Which config and data folder a command means, and that looking makes nothing."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import click
import images
import pytest
from click.testing import CliRunner, Result

from coverproxy.accounts.sqlite import schema_steps
from coverproxy.cli import main
from coverproxy.storage import sqlite_migrations

READING = [
    ("cover", "9780141439518"),
    ("purge", "9780141439518"),
    ("key", "list"),
    ("key", "show", "k"),
    ("key", "limit", "k", "5"),
    ("key", "bind", "k"),
    ("key", "revoke", "k"),
    ("key", "restore", "k"),
    ("key", "approve", "k"),
    ("key", "rotate", "k"),
    ("key", "word", "k"),
    ("key", "no-cover", "k", "gif"),
    ("key", "expire", "k", "never"),
    ("cache", "stats"),
    ("cache", "verify"),
    ("cache", "sweep"),
    ("cache", "evict"),
    ("originals", "quarantined"),
    ("originals", "release", "9780141439518"),
]


@pytest.fixture
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No config of this machine, and a working directory of its own."""
    for name in [name for name in os.environ if name.startswith("COVERPROXY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_looks_into_a_folder_makes_none(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A mistyped --data, or the wrong directory: one line that names the folder, and nothing is made."""
    (tmp_path / "empty").mkdir()
    for data in ("nowhere", "empty"):
        got = run(*command, "--data", data)
        assert (got.exit_code, got.output.count("\n")) == (1, 1), got.output
        assert got.output.startswith(f"Error: there is no data folder at {tmp_path / data}; ")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["empty"]


@pytest.mark.usefixtures("_alone")
def test_a_folder_of_a_similar_name_is_asked_about(tmp_path: Path) -> None:
    """Where a data folder of nearly that name lies beside it, it is named."""
    assert run("key", "create", "--label", "x", "--data", tmp_path / "covers-data").exit_code == 0
    got = run("key", "list", "--data", tmp_path / "cover-data")
    assert got.output.rstrip().endswith(f"did you mean {tmp_path / 'covers-data'}?")


@pytest.mark.usefixtures("_alone")
def test_the_config_file_may_be_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """COVERPROXY_CONFIG is what --config would be, for every command; --config goes before it."""
    (tmp_path / "a.toml").write_text(f'[server]\nport = 1111\n[data]\ndir = "{tmp_path}/a"\n')
    (tmp_path / "b.toml").write_text("[server]\nport = 2222\n")
    monkeypatch.setenv("COVERPROXY_CONFIG", str(tmp_path / "a.toml"))
    assert json.loads(run("check-config", "--json").output)["server"]["port"] == 1111
    told = json.loads(run("check-config", "--json", "--config", tmp_path / "b.toml").output)
    assert told["server"]["port"] == 2222
    assert run("key", "create", "--label", "x").exit_code == 0
    assert (tmp_path / "a" / "state.db").is_file()
    assert f"--config {tmp_path}/a.toml" in run("systemd-unit").output
    assert "a.toml is valid" in run("doctor").output


@pytest.mark.usefixtures("_alone")
def test_a_named_config_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A COVERPROXY_CONFIG that cannot be read is a mistake, not the defaults."""
    monkeypatch.setenv("COVERPROXY_CONFIG", str(tmp_path / "gone.toml"))
    got = run("check-config")
    assert (got.exit_code, got.output) == (
        2,
        f"{tmp_path}/gone.toml: cannot be read: No such file or directory\n",
    )


@pytest.mark.usefixtures("_alone")
def test_a_new_keys_url_is_one_to_click_on(tmp_path: Path) -> None:
    """It has the address that the config says, else the server's own with its port; programs get it too."""
    (tmp_path / "c.toml").write_text('[front]\npublic_url = "https://covers.example.org"\n')
    made = json.loads(run("key", "create", "--label", "x", "--json", "--config", tmp_path / "c.toml").output)
    site = "https://covers.example.org"
    assert made["url"] == f"{site}/devkey/{made['key']}/medium/isbn/9780141439518?default=card"
    (tmp_path / "c.toml").write_text('[server]\nhost = "::"\nport = 9000\n')
    name, _, url = run("key", "create", "--label", "x", "--config", tmp_path / "c.toml").output.splitlines()
    assert url == f"http://[::1]:9000/devkey/{name}/medium/isbn/9780141439518?default=card"


@pytest.mark.usefixtures("_alone")
def test_a_key_is_bound_by_the_address_of_a_page(tmp_path: Path) -> None:
    """`key bind` reads a site as the key page does; `key show --json` has days as /usage has."""
    name = json.loads(run("key", "create", "--label", "x", "--json").output)["key"]
    told = json.loads(
        run("key", "bind", name, "https://Opac.example.org/x?y", "*.example.com", "--json").output
    )
    assert told["sites"] == ["opac.example.org", "*.example.com"]
    assert run("key", "bind", name, "no host").exit_code == 2
    days = json.loads(run("key", "show", name, "--json").output)["days"]
    assert (len(days), days[-1].keys(), days[-1]["made"]) == (30, {"day", "made"}, 0)


@pytest.mark.usefixtures("_alone")
def test_the_demo_looks_for_its_port_before_it_draws() -> None:
    """A taken port is one line that names --port, before anything else."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        got = run("demo", "--port", str(taken.getsockname()[1]))
    assert (got.exit_code, got.output.count("\n")) == (1, 1)
    assert got.output.endswith("choose another with --port\n")


@pytest.mark.usefixtures("_alone")
def test_nothing_to_import_is_no_success(tmp_path: Path) -> None:
    """A folder without files, and a file that is no list, are one line each and exit code 1."""
    (tmp_path / "empty").mkdir()
    for path, why in ((tmp_path / "empty", "there are no files in it"), (Path("/etc/passwd"), "neither")):
        got = run("import", path)
        assert (got.exit_code, got.output.count("\n"), why in got.output) == (1, 1, True)


def test_texts_and_files_are_mistakes_of_the_same_look(tmp_path: Path) -> None:
    """An unknown language and a missing placeholder are told together, each with the name of its file."""
    file = tmp_path / "c.toml"
    file.write_text('[site]\nlanguage = "xx"\nplaceholder = "/no/such.gif"\n')
    got = run("check-config", "--config", file)
    told = got.output.splitlines()
    assert got.exit_code == 2
    assert [line.split(": ")[:2] for line in sorted(told)] == [
        [str(file), "site.language"], [str(file), "site.placeholder"],
    ]  # fmt: skip


@pytest.mark.usefixtures("_alone")
def test_room_is_made_by_sizes_with_a_unit() -> None:
    """`cache evict --max-bytes 20GB` is understood, another word refused in words."""
    run("key", "create", "--label", "x")
    assert run("cache", "evict", "--max-bytes", "20GB").exit_code == 0
    assert run("cache", "evict", "--max-bytes", "2000000").exit_code == 0
    assert "512MiB" in run("cache", "evict", "--max-bytes", "many").output


def every_command(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command with its names."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, *names, name)
        else:
            yield (*names, name), command


def each_of(command: click.Command) -> list[click.Argument]:
    """The arguments that a command cannot do without."""
    return [each for each in command.params if isinstance(each, click.Argument) and each.required]


VALUES = {"DATE|never": "never", "{FORMAT|EDITION|TRANSLATION|none}": "none", "FOLDER": "saved"}
LONG = {"serve", "demo", "watch", "fetch"}
ON_A_FOLDER = {
    " ".join(names): [*names, *(VALUES.get(each.metavar or "", "9780141439518") for each in each_of(command))]
    for names, command in every_command(main)
    if names[0] not in LONG and any("--data" in each.opts for each in command.params)
}


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("holds", [(), ("cache",), ("cache", "originals")])
@pytest.mark.parametrize("command", ON_A_FOLDER)
def test_what_is_not_there_is_said_in_plain_words(
    command: str, holds: tuple[str, ...], tmp_path: Path
) -> None:
    """Without databases every command does its work, or says in its own words what is missing."""
    (tmp_path / "data").mkdir()
    for name in holds:
        (tmp_path / "data" / name).mkdir()
    got = run(*ON_A_FOLDER[command], "--data", tmp_path / "data")

    assert got.exception is None or isinstance(got.exception, SystemExit), got.exception
    for word in ("unable to open", "no such table", "sqlite3", "Traceback"):
        assert word not in got.output


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("command", [each for each in READING if each[0] == "key"], ids=" ".join)
def test_a_look_at_keys_beside_a_cache_alone_makes_no_database(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Where nothing but a cache is, there are no keys: the command says so, and makes no empty state.db."""
    (tmp_path / "data" / "cache").mkdir(parents=True)
    got = run(*command, "--data", tmp_path / "data")

    assert "there are no keys yet: coverproxy key create" in got.output.lower()
    assert got.exit_code == (0 if command == ("key", "list") else 1)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cache"]


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("is_there", [True, False], ids=["empty", "gone"])
def test_lost_keys_are_told_by_their_links(tmp_path: Path, *, is_there: bool) -> None:
    """Where links of keys are left without their database, commands say what was lost and the way out."""
    data = tmp_path / "data"
    run("key", "create", "--label", "a", "--data", data)
    for path in data.glob("state.db*"):
        path.unlink()
    if is_there:
        sqlite_migrations.apply(data / "state.db", schema_steps())
    link = next(data.rglob("by-key")) / "."
    commands = [each for each in READING if each[0] == "key"] if not is_there else [("key", "list")]
    told = [run(*command, "--data", data) for command in (*commands, ("doctor",))]

    assert [each.exit_code for each in told] == [1] * len(told)
    for each in told:
        said = " ".join(each.output.split())
        assert f"the keys are lost, but 1 link of a key is left in {link}" in said
        assert "restore state.db from a backup (coverproxy restore FOLDER)" in said
    assert (data / "state.db").exists() == is_there


OVER_AN_EMPTIED = [
    ("catalogue.db", "import", "more"),
    ("catalogue.db", "warm", "list.txt", "--size", "small"),
    ("catalogue.db", "purge", "9780141439518"),
    ("catalogue.db", "cover", "9780141439518"),
    ("state.db", "key", "create", "--label", "b"),
    ("state.db", "key", "list"),
]


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("command", OVER_AN_EMPTIED, ids=lambda command: " ".join(command[1:3]))
def test_no_command_begins_an_emptied_database_anew(tmp_path: Path, command: tuple[str, ...]) -> None:
    """One line names the file and the way out, and the file stays empty: one with a new row looks healthy.

    Also where originals are referred to where they lie, so that no folder of originals shows what is lost,
    and where no key has a link.
    """
    name, *words = command
    for folder, isbn in (("first", "9780141439518"), ("more", "9780486284736")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{isbn}.jpg").write_bytes(images.small_jpeg())
    (tmp_path / "list.txt").write_text("9780141439518\n")
    run("import", "first", "--mode", "reference", "--data", "data")
    run("key", "create", "--label", "a", "--data", "data")
    next(tmp_path.rglob("by-key/*")).unlink()
    path = tmp_path / "data" / name
    for part in path.parent.glob(f"{name}-*"):
        part.unlink()
    path.write_bytes(b"")
    got = run(*words, "--data", "data")

    assert got.exit_code == 1
    assert [line for line in got.output.splitlines() if f"{name}: it is empty" in line], got.output
    assert "coverproxy restore FOLDER" in got.output
    assert path.stat().st_size == 0


@pytest.mark.usefixtures("_alone")
def test_originals_are_read_in_again_where_their_catalogue_was_emptied(tmp_path: Path) -> None:
    """The way out that is told works: the folder of originals, but no other, begins the catalogue anew."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "9780141439518.jpg").write_bytes(images.small_jpeg())
    run("import", "first", "--data", "data")
    (tmp_path / "data" / "catalogue.db").write_bytes(b"")
    refused = run("import", "first", "--data", "data")
    assert f"coverproxy import --data {tmp_path / 'data'} {tmp_path / 'data' / 'originals'}" in refused.output
    assert run("import", tmp_path / "data" / "originals", "--data", "data").exit_code == 0
    assert run("cover", "9780141439518", "--data", "data").exit_code == 0


@pytest.mark.usefixtures("_alone")
def test_a_lost_catalogue_is_named_with_the_way_back(tmp_path: Path) -> None:
    """Where originals lie without their catalogue, the command that reads them in again is told."""
    (tmp_path / "data" / "originals" / "951").mkdir(parents=True)
    got = run("originals", "quarantined", "--data", tmp_path / "data")

    assert got.exit_code == 1
    assert "there is no catalogue.db in" in got.output
    assert f"coverproxy import --data {tmp_path / 'data'} {tmp_path / 'data' / 'originals'}" in got.output
