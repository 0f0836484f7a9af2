"""Lists that are compressed and damaged: every command that takes one names the file and what is wrong."""

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from coverproxy.cli import main

ROWS = b"isbn,oclc\n" + b"9780141439518,123456\n" * 3000
PACKED = gzip.compress(ROWS)

DAMAGED = {
    "cut off": (PACKED[:-9], "its end is missing"),
    "nothing but its name": (PACKED[:2], "its end is missing"),
    "a second part cut off": (PACKED + PACKED[:20], "its end is missing"),
    "another checksum": (PACKED[:-8] + bytes(4) + PACKED[-4:], "not what was packed"),
    "another length": (PACKED[:-4] + bytes(4), "not what was packed"),
    "other bytes within": (PACKED[:40] + b"\xff" * 30 + PACKED[70:], "not what was packed"),
    "other bytes behind": (PACKED + b"garbage", "not what was packed"),
}

COMMANDS = {
    "warm": ("warm", "LIST", "--data", "DATA"),
    "alias import": ("alias", "import", "LIST", "--data", "DATA"),
    "fetch": ("fetch", "LIST", "--server", "http://127.0.0.1:9", "--key", "k", "-o", "DATA"),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with databases."""
    folder = tmp_path_factory.mktemp("lists") / "data"
    (folder.parent / "none.csv").write_text("isbn,file\n9780141439518,none.jpg\n")
    for command in (["key", "create", "--label", "x"], ["import", str(folder.parent / "none.csv")]):
        CliRunner().invoke(main, [*command, "--data", str(folder)])
    return folder


@pytest.mark.parametrize(("body", "why"), DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_damaged_list_is_named(
    data: Path, tmp_path: Path, command: tuple[str, ...], body: bytes, why: str
) -> None:
    """One line, exit code 1, and no byte of Python's."""
    path = tmp_path / "list.csv.gz"
    path.write_bytes(body)
    done = CliRunner().invoke(
        main, [{"LIST": str(path), "DATA": str(data)}.get(each, each) for each in command]
    )
    (line,) = done.output.splitlines()

    assert done.exit_code == 1
    assert line.startswith(f"Error: {path}: it is compressed with gzip, and damaged: ")
    assert why in line


@pytest.mark.parametrize(("body", "why"), DAMAGED.values(), ids=DAMAGED)
def test_import_refuses_it(data: Path, tmp_path: Path, body: bytes, why: str) -> None:
    """It ends with an error or a refusal that names the file."""
    path, report = tmp_path / "list.csv.gz", tmp_path / "report"
    path.write_bytes(body)
    done = CliRunner().invoke(main, ["import", str(path), "--data", str(data), "--report", str(report)])
    told = done.output + (report.read_text() if report.exists() else "")

    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert str(path) in told
    assert why in told


def test_a_list_on_standard_input_may_be_compressed(data: Path) -> None:
    """As a file may; damaged, it is told as that."""
    whole = CliRunner().invoke(main, ["warm", "-", "--data", str(data)], input=gzip.compress(b"hello\n"))
    assert "1 line" in whole.output
    cut = CliRunner().invoke(main, ["warm", "-", "--data", str(data)], input=PACKED[:-9])
    assert cut.output == "Error: -: it is compressed with gzip, and damaged: its end is missing\n"
