"""The compose files: each command of the service's images is one that it has, and each setting is valid."""

import re
from pathlib import Path
from typing import Any

import click
import pytest

from coverproxy.cli import main
from coverproxy.cli.common import CONFIG_VARIABLE
from coverproxy.config import load

yaml = pytest.importorskip("yaml")

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = sorted(DEPLOY.glob("compose*.yaml"))


def services(file: Path) -> dict[str, Any]:
    """The services of a file, with what they share merged in."""
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    return found


def parse(words: list[str]) -> None:
    """Have click parse a command line without running it. Raises click.UsageError."""
    with click.Context(main, info_name="coverproxy") as context:
        name, command, rest = main.resolve_command(context, words)
        assert command
        command.make_context(name, rest, parent=context).close()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_commands_exist(file: Path) -> None:
    """What our images are told to run, and what the head of the file tells to run, click takes."""
    ours = [each["command"] for each in services(file).values() if "build" in each and "command" in each]
    lines = re.findall(r"^#   coverproxy (.+?)(?: > \S+)?$", file.read_text(encoding="utf-8"), re.MULTILINE)

    assert lines
    for words in [*ours, *(line.split() for line in lines)]:
        parse([word for word in words if word not in ("--config", "config.toml")])
    with pytest.raises(click.UsageError):
        parse(["serve", "--no-such-option"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_settings_are_valid(file: Path) -> None:
    """The environment that our images get is a valid config."""
    ours = {name: each for name, each in services(file).items() if "build" in each}

    assert ours
    for each in ours.values():
        load(
            None, {name: value for name, value in each["environment"].items() if name != CONFIG_VARIABLE}, {}
        )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_named_exists(file: Path) -> None:
    """Each service that another waits for, each volume and each build file is there."""
    whole = yaml.safe_load(file.read_text(encoding="utf-8"))
    for each in whole["services"].values():
        assert set(each.get("depends_on", ())) <= set(whole["services"])
        volumes = {volume.partition(":")[0] for volume in each.get("volumes", ())}
        assert {name for name in volumes if not name.startswith(".")} <= set(whole["volumes"])
        if build := each.get("build"):
            assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_the_nodes_are_two() -> None:
    """Two nodes with folders of their own share the database and the store that the file runs."""
    found = services(DEPLOY / "compose-nodes.yaml")
    nodes = [each for each in found.values() if "build" in each]
    configs = [load(None, each["environment"], {}) for each in nodes]

    assert len({each["volumes"][0] for each in nodes}) == 2
    for config in configs:
        assert config.store.url.partition("@")[2].partition("/")[0] in found
        assert config.store.objects_endpoint.removeprefix("http://").partition(":")[0] in found
