"""The commands in all papers: each exists, and takes the options and arguments that are written."""

import re
import shlex
from pathlib import Path

import click
import images
import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

from coverproxy.cli import main
from coverproxy.cli.import_openlibrary import openlibrary

ROOT = Path(__file__).resolve().parents[1]
PAPERS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "integrations/README.md"]

_PLACEHOLDERS = re.compile(r"[\[\]…]|\.\.\.")
"""What a synopsis marks as optional or repeated."""


def _blocks(text: str) -> list[str]:
    """The lines of a Markdown text's code blocks."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def _inline(text: str) -> list[str]:
    """Code in running text that begins with the command, outside code blocks."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(each.split()) for each in re.findall(r"`(coverproxy [^`]*)`", plain)]


def _arguments(line: str) -> list[str] | None:
    """The arguments of a written command; None if the line runs another program.

    A remark follows after two blanks or a #; a redirection belongs to the shell.
    """
    found = re.match(r"(?:.*&& )?(?:\S*/bin/)?coverproxy (\S.*)", line)
    if not found:
        return None
    command = re.split(r"\s{2,}|\s#|\s[>&|]", found.group(1))[0]
    return shlex.split(_PLACEHOLDERS.sub("", command.replace("$CONFIG", "FILE")))


def _written() -> dict[str, list[str]]:
    """Every command of the papers by file and text."""
    found = {}
    for paper in PAPERS:
        text = paper.read_text(encoding="utf-8")
        for line in [*_blocks(text), *_inline(text)]:
            if arguments := _arguments(line):
                found[f"{paper.relative_to(ROOT)}: {' '.join(arguments)}"] = arguments
    return found


def _rows() -> list[str]:
    """The first column of the commands' table, a command each."""
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1].replace("\0", "|") for row in _escaped(text) if row.startswith("| `")]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row)]


def _escaped(text: str) -> list[str]:
    return text.replace("\\|", "\0").splitlines()


def _resolve(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """Follow the names of groups down to a command; return it and what is left."""
    command: click.Command = main
    left = list(arguments)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        inner = command.get_command(click.Context(command), left[0])
        if inner is None:
            assert command.invoke_without_command, f"{left[0]} is no command of {command.name}"
            break
        command, left = inner, left[1:]
    if command.name == "import" and left[:1] == ["openlibrary"]:
        return openlibrary, left[1:]
    return command, left


def _check_options(command: click.Command, written: list[str]) -> None:
    known = {option for each in command.params for option in [*each.opts, *each.secondary_opts]}
    used = [each.partition("=")[0] for each in written if each.startswith("-")]
    assert not set(used) - known - {"--help"}, f"{command.name} has not {sorted(set(used) - known)}"


WRITTEN = _written()


def test_the_papers_name_commands() -> None:
    """The pattern finds the commands: were it wrong, the tests below would prove nothing."""
    assert len(WRITTEN) > 25
    assert "README.md: serve --workers 2" in WRITTEN


@pytest.mark.parametrize("arguments", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_written_command_exists(arguments: list[str]) -> None:
    """Each command in a code block or a sentence resolves, with every option that is written."""
    _check_options(*_resolve(arguments))


@pytest.mark.parametrize("row", _rows())
def test_a_row_of_the_table_exists(row: str) -> None:
    """Each row of docs/commands.md names commands (`a|b` is several) with options that they have."""
    words = _PLACEHOLDERS.sub("", row.split(", ")[0]).split()
    at = next((number for number, word in enumerate(words) if "|" in word and not word.startswith("-")), None)
    choices = words[at].split("|") if at == 1 else [""]
    for choice in choices:
        arguments = [*words[:1], choice, *words[2:]] if choice else words
        command, left = _resolve(arguments)
        _check_options(command, left)


_READING = [
    "key list",
    "cache stats",
    "originals quarantined",
    "originals pending",
    "alias list",
    "source list",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one key and one cover."""
    parent = tmp_path_factory.mktemp("written")
    covers, folder = parent / "covers", parent / "data"
    covers.mkdir()
    (covers / "9780141439518.jpg").write_bytes(images.jpeg(images.cover(300, 450)))
    for command in (["import", str(covers)], ["key", "create", "--label", "Our catalogue"]):
        made = CliRunner().invoke(main, [*command, "--data", str(folder)])
        assert made.exit_code == 0, made.output
    return folder


@pytest.mark.parametrize(
    "command", [*_READING, "cache verify", "cache sweep", "cache evict", "feed list", "feed status"]
)
def test_a_command_without_arguments_runs(command: str, data: Path) -> None:
    """Commands that need neither a service nor an identifier run on a folder with a key and a cover."""
    resolved, _ = _resolve(command.split())
    takes_data = any("--data" in each.opts for each in resolved.params)
    arguments = [*command.split(), *(["--data", str(data)] if takes_data else [])]
    ran = CliRunner().invoke(main, arguments, env={"COVERPROXY_DATA__DIR": str(data)})
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_completes_commands(shell: str) -> None:
    """The variable that the papers name makes the program print a script for that shell."""
    assert f"_COVERPROXY_COMPLETE={shell}_source" in (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    found = get_completion_class(shell)
    assert found
    assert "coverproxy" in found(main, {}, "coverproxy", "_COVERPROXY_COMPLETE").source()
    completed = found(main, {}, "coverproxy", "_COVERPROXY_COMPLETE").get_completions([], "ini")
    assert [each.value for each in completed] == ["init"]
