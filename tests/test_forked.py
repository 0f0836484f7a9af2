"""A command that a nursery forks is as one that starts afresh."""

import os
import subprocess
from pathlib import Path

import pytest
from forked import nursery
from running import COMMAND, ENVIRONMENT, ended


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--version",), id="goes well"),
        pytest.param(("no-such-command",), id="is not understood"),
        pytest.param(("key", "list", "--data", "nowhere"), id="fails"),
        pytest.param(("check-config", "--config", "small.toml", "--json"), id="reads its folder"),
        pytest.param(("systemd-unit", "--data", "data"), id="looks at how it was called"),
    ],
)
def test_the_same_is_said(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code, output and errors are those of `python -m coverproxy`, in its folder and environment."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text("[server]\nport = 81\n")
    (tmp_path / "data" / "originals").mkdir(parents=True)
    environment = ENVIRONMENT | {"COVERPROXY_SITE__NAME": "Reading room"}
    afresh = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, env=environment)
    assert nursery().can_run(arguments, environment)
    forked = ended(*arguments, env=environment)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        afresh.returncode,
        afresh.stdout,
        afresh.stderr,
    )


def test_what_a_fork_cannot_be_starts_afresh() -> None:
    """A variable that the interpreter reads at its start, and commands that look about when they import."""
    assert nursery().can_run(("key", "list"), os.environ)
    assert not nursery().can_run(("key", "list"), os.environ | {"PYTHONUTF8": "0"})
    assert not nursery().can_run(("serve",), os.environ)


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """After its seconds, as by subprocess.run."""
    with pytest.raises(TimeoutError):
        ended("watch", tmp_path, "--data", tmp_path / "data", timeout=1)


def test_standard_input_is_a_pipe(tmp_path: Path) -> None:
    """A command reads what it is sent, to its end; else it reads nothing."""
    (tmp_path / "data" / "originals").mkdir(parents=True)
    sent = ended("warm", "-", "--data", tmp_path / "data", sent=b"PK\x03\x04")
    nothing = ended("warm", "-", "--data", tmp_path / "data")
    assert ("ZIP" in sent.stderr, "empty" in nothing.stderr) == (True, True), (sent, nothing)
