"""systemd's units are sound, and the service takes what a service manager hands over."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import COVERED
from ports import free_port
from running import data, get, key
from services import program

import coverproxy
from coverproxy.cli import main
from coverproxy.deploy.systemd import LOCKS
from coverproxy.server import sd_notify

__all__ = ["data"]  # a fixture


def unit(folder: Path, *options: str, name: str = "coverproxy.service", **environment: str) -> Path:
    """Lay what `coverproxy systemd-unit` prints into a file of that name."""
    result = CliRunner().invoke(main, ["systemd-unit", *options], env=environment)
    assert result.exit_code == 0, result.output
    file = folder / name
    file.write_text(result.output)
    return file


@pytest.mark.parametrize("options", [(), ("--with-socket",)])
@pytest.mark.parametrize("folder", ["/var/lib/coverproxy", "/srv/book covers/100%", "/home/books/data"])
def test_systemd_finds_the_units_sound(tmp_path: Path, folder: str, options: tuple[str, ...]) -> None:
    """`systemd-analyze verify` says nothing, wherever the data lie, with a socket of its own or without."""
    analyze = program("systemd-analyze")
    service = unit(tmp_path, "--user", "daemon", "--data", folder, *options)
    with_it = [unit(tmp_path, "--socket", name="coverproxy.socket")] if options else []
    found = subprocess.run(
        [analyze, "verify", service, *with_it], capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_the_unit_is_hardened(tmp_path: Path) -> None:
    """systemd's own judgement of the exposure is OK (below 3 of 10), with no capability left."""
    service = unit(tmp_path, "--data", "/var/lib/coverproxy")
    analyze = [program("systemd-analyze"), "security", "--offline=true", "--threshold=30"]
    found = subprocess.run([*analyze, str(service)], capture_output=True, text=True, check=False)

    assert found.returncode == 0, found.stdout
    text = service.read_text()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text


def test_variables_may_lie_beside_the_config(tmp_path: Path) -> None:
    """Secrets come from a file that only root can read; a missing file is not an error."""
    assert "\nEnvironmentFile=-/etc/coverproxy/environment\n" in unit(tmp_path).read_text()


def test_the_bounds_grow_with_the_workers(tmp_path: Path) -> None:
    """Memory and tasks are given per worker; the time to stop is longer than the service's own."""
    one = unit(tmp_path, "--data", "/srv/x").read_text()
    four = unit(tmp_path, "--data", "/srv/x", COVERPROXY_SERVER__WORKERS="4").read_text()

    assert ("MemoryMax=856M" in one, "MemoryMax=2656M" in four) == (True, True)
    assert ("TasksMax=304" in one, "TasksMax=1120" in four) == (True, True)
    assert "TimeoutStopSec=15" in one
    assert "ReadWritePaths=/srv/x" in one


def test_every_set_of_locks_is_reckoned_with() -> None:
    """Each set of locks has threads of its own, so the unit must know how many sets a worker makes."""
    sources = Path(coverproxy.__file__).parent.rglob("*.py")
    of_commands = {"feeds.py"}  # no worker runs a feed
    made = [path.read_text().count("= FileLocks(") for path in sources if path.name not in of_commands]
    assert sum(made) == LOCKS


def test_the_socket_is_where_the_service_would_listen(tmp_path: Path) -> None:
    """The .socket has the config's address, an IPv6 one in brackets."""
    address = {"COVERPROXY_SERVER__HOST": "::1", "COVERPROXY_SERVER__PORT": "9000"}
    assert "ListenStream=[::1]:9000\n" in unit(tmp_path, "--socket", **address).read_text()


def test_a_socket_that_was_handed_over_is_served(data: Path, tmp_path: Path) -> None:
    """Started by systemd-socket-activate, as by a .socket unit, the service answers on that socket."""
    port = free_port()
    command = [program("systemd-socket-activate"), "-l", f"127.0.0.1:{port}", "-E", "COVERPROXY_OPS__PORT=0"]
    serving = [sys.executable, "-m", "coverproxy", "serve", "--data", str(data)]
    process = subprocess.Popen([*command, *serving], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        status, headers, _ = get(f"http://127.0.0.1:{port}/devkey/{key(data)}/medium/isbn/{COVERED}")
        assert (status, headers["X-Cover-Status"] in ("made", "hit", "pending")) == (200, True)
        assert process.stdout
        assert f"ready at http://127.0.0.1:{port}" in process.stdout.readline().decode()
    finally:
        process.terminate()
        assert process.wait(20) == 0
        process.communicate()


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """A datagram socket as a service manager has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(20)
        yield told


def test_it_says_when_it_is_ready(data: Path, tmp_path: Path) -> None:
    """READY=1 comes once, when the first worker answers, and nothing before it."""
    with listening(tmp_path / "notify") as told:
        environment = os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify"), "COVERPROXY_OPS__PORT": "0"}
        serving = [sys.executable, "-m", "coverproxy", "serve", "--data", str(data), "--port", "0"]
        process = subprocess.Popen([*serving, "--workers", "2"], stdout=subprocess.PIPE, env=environment)
        try:
            assert told.recv(100) == b"READY=1"
        finally:
            process.terminate()
            assert process.wait(20) == 0
            process.communicate()
        told.settimeout(0)
        with pytest.raises(BlockingIOError):
            told.recv(100)


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}],
)
def test_what_is_for_another_process_is_left_alone(environment: dict[str, str]) -> None:
    """Descriptors that were handed to somebody else, or to nobody, are not ours; the word goes no further."""
    left = dict(environment)
    assert sd_notify.listeners(left) == []
    assert left == {}


def test_telling_nobody_is_no_fault(tmp_path: Path) -> None:
    """Without a manager, or with one that is gone, states are not sent."""
    for address in ("", "nonsense", str(tmp_path / "gone")):
        sd_notify.notifier({"NOTIFY_SOCKET": address})("READY=1")
    with listening(tmp_path / "there") as told:
        sd_notify.notifier({"NOTIFY_SOCKET": str(tmp_path / "there")})("RELOADING=1")
        assert told.recv(100) == b"RELOADING=1"
