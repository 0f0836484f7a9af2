"""Reads a command's list of ISBNs: a file, or standard input."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import click

from coverproxy.domain import list_text
from coverproxy.domain.isbn_list import Row, lines
from coverproxy.storage import packed_text

STDIN = "-"

NONE, SOME = 1, 3
"""Exit codes: nothing of the list was done, or part of it. All of it is 0."""


def listed_lines(stack: ExitStack, listed: str, column: str | None = None) -> tuple[Iterable[Row], int]:
    """Return the list's rows and their number; a file is read twice instead of kept in memory.

    A file that is empty, damaged or not a list ends the command with one sentence. Raises NoColumn, OSError.
    """
    try:
        if listed == STDIN:
            kept = list(lines(_read_stdin(), column))
            rows, total = iter(kept), len(kept)
        else:
            total = sum(1 for _ in lines(_opened(stack, listed), column))
            rows = lines(_opened(stack, listed), column)
    except (list_text.NotAList, packed_text.Damaged) as exc:
        raise click.ClickException(f"{listed}: {exc}") from None
    if not total:
        raise click.ClickException(f"{listed}: the list is empty")
    return rows, total


def readable(text: str) -> str:
    """Return a list's text so that JSON can hold it: bytes that are not UTF-8 become question marks."""
    return text.encode(errors="replace").decode()


def exit_code(done: int, failed: int) -> int:
    """Return the exit code of a command over a list: 0 all done, 3 part of it, 1 none."""
    if not failed:
        return 0
    return SOME if done else NONE


def _read_stdin() -> StringIO:
    with packed_text.unpacked(BytesIO(sys.stdin.buffer.read())) as file:
        body = file.read()
    name = list_text.encoding(body[: list_text.HEAD_BYTES])
    return StringIO(body.decode(name, list_text.errors(name)))


def _opened(stack: ExitStack, listed: str) -> Iterator[str]:
    path = Path(listed)
    with packed_text.opened(path) as file:
        name = list_text.encoding(file.read(list_text.HEAD_BYTES))
    packed = stack.enter_context(packed_text.opened(path))
    return stack.enter_context(TextIOWrapper(packed, name, list_text.errors(name)))
