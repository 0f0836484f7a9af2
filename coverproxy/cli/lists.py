"""What commands over a list of ISBNs share: reading it, from a file or standard input, and noting results."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson

from coverproxy.domain import list_text, schemes
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.isbn_list import Row, lines
from coverproxy.storage import packed_text

STDIN = "-"

T = TypeVar("T")

INTERRUPTED = "Interrupted: run the same command again to go on."

NONE, SOME = 1, 3
"""Exit codes if none of the list was done, or only a part. 0: all of it."""


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


def one(text: str) -> Identifier:
    """Parse one identifier; an invalid or ambiguous one ends the command."""
    try:
        reading = schemes.read(text)
    except NotAnIdentifier as exc:
        raise click.ClickException(str(exc)) from None
    if reading.sure is None:
        can_mean = ", ".join(each.listed for each in reading.identifiers)
        raise click.ClickException(f"{text!r} can mean any of {can_mean}; write one of them")
    return reading.sure


@contextmanager
def noted(path: Path | None, as_line: Callable[[T], dict[str, Any] | None]) -> Iterator[Callable[[T], None]]:
    """Yield a function that writes a result as a line of JSON to *path*; None of a result: it has no line."""
    if path is None:
        yield lambda result: None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:

        def note(result: T) -> None:
            if (told := as_line(result)) is not None:
                file.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))

        yield note


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
