"""What keeps `serve` from starting is one line and an exit code, never a traceback."""

from pathlib import Path

from running import ENVIRONMENT, ended


def refused(*arguments: str | Path, code: int = 1) -> str:
    """Start `serve`, which must end by itself with *code*; return its one line on standard error."""
    env = ENVIRONMENT | {"COVERPROXY_OPS__PORT": "0", "COVERPROXY_LOG__LEVEL": "warning"}
    done = ended("serve", *arguments, "--port", "0", "--workers", "2", env=env)
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_file_for_a_data_folder(tmp_path: Path) -> None:
    """A file where the data folder should be is named, with the settings that name another."""
    (tmp_path / "data").write_text("")
    said = refused("--data", tmp_path / "data")
    expected = f"Error: {tmp_path}/data is a file, not a folder: choose another with --data or data.dir"
    assert said == expected


def test_a_folder_where_none_can_be_made() -> None:
    """In a file system of the kernel's no folder can be made: one line says so."""
    said = refused("--data", "/proc/covers")
    assert said.startswith("Error: ")
    assert "/proc/covers" in said


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    """A config file whose folder is missing is a mistake in the command: exit code 2."""
    said = refused("--config", tmp_path / "no" / "config.toml", code=2)
    assert said == f"{tmp_path}/no/config.toml: cannot be read: No such file or directory"
