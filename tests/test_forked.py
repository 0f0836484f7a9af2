"""A command that a nursery forks is as one that starts afresh."""

import json
import os
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest
from forked import nursery
from running import COMMAND, ENVIRONMENT, ended, get, started


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--version",), id="goes well"),
        pytest.param(("no-such-command",), id="is not understood"),
        pytest.param(("key", "list", "--data", "nowhere"), id="fails"),
        pytest.param(("check-config", "--config", "small.toml", "--json"), id="reads its folder"),
        pytest.param(("systemd-unit", "--data", "data"), id="looks at how it was called"),
        pytest.param(("serve", "--data", "/proc/nowhere"), id="does not start to serve"),
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
    assert nursery("serve" in arguments).can_run(arguments, environment)
    forked = ended(*arguments, env=environment)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        afresh.returncode,
        afresh.stdout,
        afresh.stderr,
    )


def test_what_a_fork_cannot_be_starts_afresh() -> None:
    """A variable that the interpreter reads at its start, and a command that imports a server of its own."""
    assert nursery().can_run(("key", "list"), os.environ)
    assert not nursery().can_run(("key", "list"), os.environ | {"PYTHONUTF8": "0"})
    assert not nursery().can_run(("demo",), os.environ)


def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """After its seconds, as by subprocess.run."""
    with pytest.raises(subprocess.TimeoutExpired):
        ended("watch", tmp_path, "--data", tmp_path / "data", timeout=1)


def test_it_is_asked_as_any_process(tmp_path: Path) -> None:
    """Whether it runs, how it ended, by which signal; its session and its output are its own."""
    with started("watch", tmp_path, "--data", tmp_path / "data", "--json", session=True) as process:
        assert (process.poll(), os.getsid(process.pid)) == (None, process.pid)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(20) == process.poll() == process.returncode == -signal.SIGKILL
        process.terminate()  # nobody
        assert process.stdout
        assert process.stdout.read() == ""
    for words in (("--version",), ("no-such-command",)):
        done = ended(*words)
        assert started(*words, stderr=subprocess.PIPE).communicate(timeout=60) == (done.stdout, done.stderr)


def test_a_fork_serves_by_a_folder_of_metrics_of_its_own(tmp_path: Path) -> None:
    """Two services at a time: each answers, and sums what its own workers count."""
    with ExitStack() as stack:
        urls = []
        for name in ("one", "two"):
            words = ("serve", "--data", tmp_path / name, "--port", "0", "--workers", "2", "--json")
            process = started(*words, env=ENVIRONMENT | {"COVERPROXY_OPS__PORT": "0"})
            stack.push(process)
            stack.callback(process.terminate)
            assert process.stdout
            urls.append(json.loads(process.stdout.readline()))
        for _ in range(3):
            assert get(f"{urls[0]['url']}/devkey/nobody/small/isbn/9780141439518")[0] == 403
        counted = [get(f"{each['ops_url']}/metrics")[2].decode() for each in urls]
    assert 'coverproxy_answers_total{status="key"} 3.0' in counted[0]
    assert 'coverproxy_answers_total{status="key"}' not in counted[1]


def test_standard_input_is_a_pipe(tmp_path: Path) -> None:
    """A command reads what it is sent, to its end; else it reads nothing."""
    (tmp_path / "data" / "originals").mkdir(parents=True)
    sent = ended("warm", "-", "--data", tmp_path / "data", sent=b"PK\x03\x04")
    nothing = ended("warm", "-", "--data", tmp_path / "data")
    assert ("ZIP" in sent.stderr, "empty" in nothing.stderr) == (True, True), (sent, nothing)
