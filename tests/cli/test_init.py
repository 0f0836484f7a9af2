"""`coverproxy init`: five questions, and a config that holds the answers and nothing else."""

import stat
import tomllib
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from coverproxy.cli import main
from coverproxy.cli.init import EVERYWHERE


def run(*arguments: str | Path, answers: str = "") -> Result:
    """Run a command in this process, with lines typed at its questions."""
    return CliRunner().invoke(main, [*map(str, arguments)], input=answers)


def settings(file: Path) -> dict[str, object]:
    """The settings of a file that check-config has found valid."""
    checked = run("check-config", "--config", file)
    assert checked.exit_code == 0, checked.output
    return tomllib.loads(file.read_text(encoding="utf-8"))


def test_the_answers_are_written(tmp_path: Path) -> None:
    """A wrong answer is asked again. A file with a password is readable by its owner alone."""
    file = tmp_path / "new" / "config.toml"
    typed = f'{tmp_path}/da"ta\ncovers.example.org\nhttps://covers.example.org/\n99999\n9000\ny\nn\n'
    result = run("init", file, answers=typed)
    assert result.exit_code == 0, result.output
    assert result.output.count("Error: ") == 2
    found = settings(file)
    token = tomllib.loads(file.read_text())["admin"]["token"]
    assert len(token) >= 16
    assert found == {
        "data": {"dir": f'{tmp_path}/da"ta'},
        "front": {"public_url": "https://covers.example.org"},
        "server": {"port": 9000, "host": EVERYWHERE},
        "admin": {"token": token},
    }
    assert token not in result.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["config.toml"]


def test_defaults_are_never_pinned(tmp_path: Path) -> None:
    """Answers equal to the defaults, typed, given or taken by --yes, leave a file without settings."""
    for name, arguments, typed in (
        ("enter", [], "\n" * 5),
        ("typed", [], "coverproxy-data\n\n8080\nn\ny\n"),
        ("yes", ["--yes"], ""),
        ("given", ["--yes", "--port", "8080", "--data", "coverproxy-data", "--nginx", "--no-admin"], ""),
    ):
        file = tmp_path / name
        result = run("init", file, *arguments, answers=typed)
        assert result.exit_code == 0, result.output
        assert settings(file) == {}
        assert stat.S_IMODE(file.stat().st_mode) & 0o044


def test_options_answer_without_questions(tmp_path: Path) -> None:
    """With all five given nothing is asked; programs get JSON."""
    file = tmp_path / "config.toml"
    result = run(
        "init", file, "--data", tmp_path, "--public-url", "http://covers.example.org", "--port", "9001",
        "--admin", "--no-nginx", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert orjson.loads(result.stdout) == {"file": str(file), "settings": 5, "admin": True}
    assert settings(file)["front"] == {"public_url": "http://covers.example.org"}


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    """Without --force the command does nothing, before it asks."""
    file = tmp_path / "config.toml"
    file.write_text("[server]\nport = 1234\n")
    result = run("init", file, "--yes")
    assert (result.exit_code, "--force" in result.output) == (1, True)
    assert "1234" in file.read_text()
    assert run("init", file, "--yes", "--force", "--port", "9000").exit_code == 0
    assert settings(file) == {"server": {"port": 9000}}


@pytest.mark.parametrize(("option", "value"), [("--public-url", "covers.example.org"), ("--port", "70000")])
def test_a_wrong_option_writes_nothing(tmp_path: Path, option: str, value: str) -> None:
    """The error names the setting; the exit code is that of a wrong config."""
    file = tmp_path / "config.toml"
    result = run("init", file, "--yes", option, value)
    assert (result.exit_code, file.exists()) == (2, False), result.output
    assert value in result.output
