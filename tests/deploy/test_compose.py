"""The compose files: each command of the service's images is one that it has, and each setting is valid."""

import re
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from fronting import laid

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


WORDS = {
    "build", "command", "depends_on", "entrypoint", "environment", "healthcheck", "image", "mem_limit",
    "networks", "ports", "read_only", "restart", "tmpfs", "volumes",
}  # fmt: skip
"""What we use of the Compose specification's services."""

CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def conditions(service: dict[str, Any]) -> dict[str, str]:
    """Which services one waits for, and until when."""
    found = service.get("depends_on", {})
    if isinstance(found, list):
        return dict.fromkeys(found, "service_started")
    return {name: each["condition"] for name, each in found.items()}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_file_keeps_the_specification(file: Path) -> None:
    """Words, ports, volumes, sizes and restarts are of the forms that Compose knows."""
    whole = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert {name for name in whole if not name.startswith("x-")} <= {"services", "volumes", "networks"}
    for name, each in whole["services"].items():
        assert set(each) <= WORDS, name
        assert ("image" in each) != ("build" in each), name
        assert set(each.get("build", {})) <= {"context", "dockerfile", "args"}
        assert each.get("restart", "no") in ("no", "always", "on-failure", "unless-stopped")
        assert all(re.fullmatch(r"(\d+:)?\d+", port) for port in each.get("ports", ()))
        assert all(re.fullmatch(r"[^:]+:/[^:]*(:ro)?", volume) for volume in each.get("volumes", ()))
        assert re.fullmatch(r"\d+[kmg]", each.get("mem_limit", "1m"))
        assert all(isinstance(value, str) for value in each.get("environment", {}).values()), name
        assert all(isinstance(word, str) for word in [*each.get("command", []), *each.get("entrypoint", [])])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_waited_for_comes(file: Path) -> None:
    """Who waits for health waits for a service that has a check; who waits for an end, for one that ends."""
    found = services(file)
    for each in found.values():
        for name, condition in conditions(each).items():
            assert condition in CONDITIONS
            if condition == "service_healthy":
                check = found[name]["healthcheck"]
                assert check["test"][0] in ("CMD", "CMD-SHELL")
                assert re.fullmatch(r"\d+(ms|s|m)", check["interval"])
                assert isinstance(check["retries"], int)
            if condition == "service_completed_successfully":
                assert "restart" not in found[name]
                assert not conditions(found[name]), "podman then starts nothing that waits for it"


def test_the_nodes_have_the_keys_of_what_they_use() -> None:
    """User, password and bucket are those that the database and the store are made with; nginx is trusted."""
    whole = yaml.safe_load((DEPLOY / "compose-nodes.yaml").read_text(encoding="utf-8"))
    found = whole["services"]
    database, store = found["postgres"]["environment"], found["objects"]["environment"]
    (network,) = whole["networks"]["default"]["ipam"]["config"]
    for node in ("node1", "node2"):
        ours = found[node]["environment"]
        config = load(None, ours, {})
        assert config.store.url.partition("//")[2].partition("@")[0] == database["POSTGRES_USER"]
        assert config.store.url.rpartition("/")[2] == database.get("POSTGRES_DB", database["POSTGRES_USER"])
        assert ours["PGPASSWORD"] == database["POSTGRES_PASSWORD"]
        assert ours["AWS_ACCESS_KEY_ID"] == store["MINIO_ROOT_USER"]
        assert ours["AWS_SECRET_ACCESS_KEY"] == store["MINIO_ROOT_PASSWORD"]
        assert f"store/{config.store.objects.split('/')[2]}" in found["bucket"]["command"][0]
        assert [ip_network(each) for each in config.front.trusted] == [ip_network(network["subnet"])]
        assert found[node]["build"]["args"]["EXTRAS"] == "[postgres]"


def test_every_service_keeps_its_address() -> None:
    """A node started again has the address that nginx found at its start: it never looks a name up again.

    All have one of their own: an engine gives those without the next one free, be it another's.
    """
    whole = yaml.safe_load((DEPLOY / "compose-nodes.yaml").read_text(encoding="utf-8"))
    (network,) = whole["networks"]["default"]["ipam"]["config"]
    found = [ip_address(each["networks"]["default"]["ipv4_address"]) for each in whole["services"].values()]

    assert len(set(found)) == len(found) == 6
    assert all(each in ip_network(network["subnet"]) for each in found)


def test_the_database_is_healthy_once_nodes_can_reach_it() -> None:
    """It is asked by TCP, as nodes do: the image's first start answers at its socket before it is set up."""
    check = services(DEPLOY / "compose-nodes.yaml")["postgres"]["healthcheck"]["test"]
    assert check[:4] == ["CMD", "pg_isready", "-h", "127.0.0.1"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nginx_takes_its_configuration(file: Path, tmp_path: Path) -> None:
    """nginx -t passes what the head of the file says to print, with this machine in place of the services.

    Its logs go to the engine: the image's root is read-only.
    """
    text = file.read_text(encoding="utf-8")
    (line,) = re.findall(r"^#   coverproxy (nginx-conf .+?) > (?:\S+)$", text, re.MULTILINE)
    settings = re.findall(r"^#   ([a-z]+\.[a-z_]+ = .+)$", text, re.MULTILINE)
    (tmp_path / "config.toml").write_text("\n".join(settings), encoding="utf-8")
    words = line.replace("config.toml", str(tmp_path / "config.toml")).split()
    printed = CliRunner().invoke(main, words)
    assert printed.exit_code == 0, printed.output
    assert services(file)["nginx"]["read_only"]
    assert set(re.findall(r"(?:access|error)_log (\S+?)[; ]", printed.stdout)) <= {"off", "/dev/stdout"}
    here = re.sub(r"\b(node1|node2|covers):8080", "127.0.0.1:8080", printed.stdout)
    assert here != printed.stdout
    command = [*laid(tmp_path / "nginx", here), "-t"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
