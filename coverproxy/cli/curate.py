"""Commands that manage a book's originals: list, add, pin, hide, restore, remove, admit, history, undo."""

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.book_text import book_text
from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.lists import one
from coverproxy.config import Config
from coverproxy.domain.errors import NoSuchOriginal
from coverproxy.domain.spec import Identifier

if TYPE_CHECKING:
    from coverproxy.domain.decisions import Decision
    from coverproxy.service.curate import Book, Curator
    from coverproxy.wiring.data_folder import DataFolder


def deciding(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --note and --who to a command, for the book's history; it gets `note` and `who`."""

    @click.option("--note", default="", help="Why, in your words; kept in the book's history.")
    @click.option("--who", default=None, help="Who decides (default: your login name).")
    @wraps(command)
    def with_person(note: str, who: str | None, **rest: Any) -> Any:
        return command(note=note[:500], who=(who or _me())[:100], **rest)

    return with_person


def _of_one_or_all(everywhere: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add what decides on one original or all of a book; *everywhere*: the help of --everywhere."""

    def with_choice(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.argument("digest", required=False)(command)
        command = click.argument("text", metavar="ID")(command)
        command = click.option("--everywhere", is_flag=True, help=everywhere)(command)
        return options(needs_data(deciding(command)))

    return with_choice


def _me() -> str:
    try:
        return getpass.getuser()
    except OSError:  # a user id without a name, as in containers
        return "command line"


@contextmanager
def curating(config: Config) -> Iterator[tuple["DataFolder", "Curator"]]:
    """Open the curator; missing originals become one clear line."""
    from coverproxy.service.curate import Curator
    from coverproxy.wiring.data_folder import open_shelf

    with faults_told(), open_shelf(config) as shelf:
        try:
            yield shelf, Curator(shelf.catalogue, shelf.files, shelf.invalidator)
        except NoSuchOriginal as exc:
            raise click.ClickException(str(exc)) from None


@click.command("list")
@options
@needs_data
@click.argument("text", metavar="ID")
def list_(config: Config, as_json: bool, text: str) -> None:
    """List the originals of a book, best first: digest, size, origin, and whether each is shown."""
    with curating(config) as (shelf, curator):
        told = _as_json(shelf, curator.book(one(text)))
    tell(as_json, told, book_text(told))


def _as_json(shelf: "DataFolder", book: "Book") -> dict[str, Any]:
    from coverproxy.service.book_json import book_as_json

    told = book_as_json(book)
    rows = zip(told["originals"], book.originals, strict=True)
    return {**told, "originals": [{**row, "file": str(shelf.files.path(each))} for row, each in rows]}


def _done(as_json: bool, shelf: "DataFolder", curator: "Curator", book: Identifier) -> None:
    told = _as_json(shelf, curator.book(book))
    tell(as_json, told, book_text(told))


@contextmanager
def _decided(
    config: Config, as_json: bool, text: str, digest: str | None, everywhere: bool, note: str, who: str
) -> Iterator[tuple["Curator", Identifier, bytes | None, "Decision"]]:
    """Open the catalogue for a decision on one original or all of a book; afterwards print the book."""
    from coverproxy.domain.decisions import Decision

    if everywhere and digest is None:
        raise click.UsageError("--everywhere needs a DIGEST")
    book, by = one(text), Decision(who, int(time.time()), note)
    with curating(config) as (shelf, curator):
        yield curator, book, curator.digest(book, digest) if digest else None, by
        _done(as_json, shelf, curator, book)


@click.command()
@options
@needs_data
@deciding
@click.argument("text", metavar="ID")
@click.argument("digest")
def pin(config: Config, as_json: bool, text: str, digest: str, note: str, who: str) -> None:
    """Always show this original of a book. DIGEST: at least its first 8 digits."""
    from coverproxy.domain.decisions import Decision

    book = one(text)
    with curating(config) as (shelf, curator):
        curator.pin(book, curator.digest(book, digest), Decision(who, int(time.time()), note))
        _done(as_json, shelf, curator, book)


@click.command()
@options
@needs_data
@deciding
@click.argument("text", metavar="ID")
def unpin(config: Config, as_json: bool, text: str, note: str, who: str) -> None:
    """Let the rule decide again which original of a book is shown."""
    from coverproxy.domain.decisions import Decision

    book = one(text)
    with curating(config) as (shelf, curator):
        curator.unpin(book, Decision(who, int(time.time()), note))
        _done(as_json, shelf, curator, book)


@click.command()
@_of_one_or_all("Hide these bytes for all books. Needs DIGEST.")
def hide(
    config: Config, as_json: bool, text: str, digest: str | None, everywhere: bool, note: str, who: str
) -> None:
    """Hide this original of a book; without DIGEST, hide everything for the book, including future originals.

    It disappears at once, and stays hidden if an import, a feed or a source brings it again. The file stays,
    so `restore` brings it back. Without DIGEST the book has no cover until an original is restored or pinned.
    """
    with _decided(config, as_json, text, digest, everywhere, note, who) as (curator, book, which, by):
        if which and everywhere:
            curator.hide_everywhere(book, which, by)
        else:
            curator.hide(book, which, by)


@click.command()
@_of_one_or_all("Undo `hide --everywhere`. Needs DIGEST.")
def restore(
    config: Config, as_json: bool, text: str, digest: str | None, everywhere: bool, note: str, who: str
) -> None:
    """Unhide this original; without DIGEST, all originals of the book."""
    with _decided(config, as_json, text, digest, everywhere, note, who) as (curator, book, which, by):
        if which and everywhere:
            curator.restore_everywhere(book, which, by)
        else:
            curator.restore(book, which, by)


@click.command()
@options
@needs_data
@deciding
@click.argument("text", metavar="ID")
@click.argument("digest", required=False)
def remove(config: Config, as_json: bool, text: str, digest: str | None, note: str, who: str) -> None:
    """Delete this original of a book and its file; without DIGEST, all its originals. Cannot be undone.

    The same bytes are refused later, until `restore ISBN DIGEST`. A referenced file is not deleted.
    """
    from coverproxy.domain.decisions import Decision

    book = one(text)
    with curating(config) as (shelf, curator):
        which = curator.digest(book, digest) if digest else None
        curator.remove(book, which, Decision(who, int(time.time()), note))
        _done(as_json, shelf, curator, book)


@click.command()
@options
@needs_data
@deciding
@click.argument("digest")
def admit(config: Config, as_json: bool, digest: str, note: str, who: str) -> None:
    """Admit a picture although many books have it; then import its files again. DIGEST: all 32 digits.

    The report of an import names the rule that refused it; the output of `sha256sum FILE` begins with the
    digest.
    """
    from coverproxy.domain.decisions import Decision
    from coverproxy.domain.original import DIGEST_BYTES

    plain = digest.strip().lower()
    if len(plain) not in (2 * DIGEST_BYTES, 64) or set(plain) - set("0123456789abcdef"):
        raise click.ClickException(f"{digest[:80]!r} is not a digest; expected 32 hex digits, or a SHA-256")
    with curating(config) as (_, curator):
        curator.admit(bytes.fromhex(plain)[:DIGEST_BYTES], Decision(who, int(time.time()), note))
    told = {"digest": plain[: 2 * DIGEST_BYTES]}
    tell(as_json, told, f"{told['digest']} is admitted: import its files again")


@click.command()
@options
@needs_data
@click.argument("text", metavar="ID")
def history(config: Config, as_json: bool, text: str) -> None:
    """Show who did what to a book's originals, latest first; `undo NUMBER` undoes an entry."""
    from coverproxy.service.book_json import deed_as_json

    book = one(text)
    with curating(config) as (_, curator):
        deeds = [deed_as_json(each) for each in curator.history(book)]
    lines = [
        f"{each['number']:6}  {each['at']}  {each['who']}  {each['act']}  {each['digest'] or 'all'}"
        + (f"  {each['note']!r}" if each["note"] else "")
        + ("" if each["can_undo"] else "  (cannot be undone)")
        for each in deeds
    ]
    tell(as_json, deeds, "\n".join(lines) or "This book has no history.")


@click.command()
@options
@needs_data
@deciding
@click.argument("number", type=int)
def undo(config: Config, as_json: bool, number: int, note: str, who: str) -> None:
    """Restore a book's decisions to their state before NUMBER of its history."""
    from coverproxy.domain.decisions import Decision

    with curating(config) as (shelf, curator):
        deed = curator.undo(number, Decision(who, int(time.time()), note))
        _done(as_json, shelf, curator, deed.identifier)


@click.command()
@options
@needs_data
@deciding
@click.option("--source", default=None, help="Its source, for priorities (default: upload).")
@click.option("--licence", default=None, help="Its licence, shown in /info.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The first day on which it is not shown.")
@click.option("--no-crop", is_flag=True, help="Never show a part of it (no cropping).")
@click.option("--no-pin", is_flag=True, help="Let the rule decide whether it is shown.")
@click.argument("text", metavar="ID")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def add(
    config: Config, as_json: bool, text: str, file: Path, note: str, who: str, source: str | None,
    licence: str | None, until: datetime | None, no_crop: bool, no_pin: bool,
) -> None:  # fmt: skip
    """Add FILE as the cover of a book, and show it at once. It is fully decoded first.

    It replaces what you added to the book before, and brings back a hidden book.
    """
    from coverproxy.domain.original import Terms
    from coverproxy.originals.examine import OriginalRefused
    from coverproxy.service.contribute import SOURCE, Contribution, add_file
    from coverproxy.wiring.commands import open_contributor

    book = one(text)
    ends = int(until.replace(tzinfo=UTC).timestamp()) if until else None
    said = Contribution(
        who, source or SOURCE, str(file.absolute()), Terms(licence, ends, no_crop), note, is_trusted=True,
        is_choice=not no_pin,
    )  # fmt: skip
    with curating(config) as (shelf, curator):
        try:
            with open_contributor(config, shelf) as (contributor, guard):
                add_file(contributor, guard, file, book, said)
        except OriginalRefused as exc:
            raise click.ClickException(f"{file}: {exc.detail} ({exc.reason})") from None
        _done(as_json, shelf, curator, book)


@click.command()
@options
@needs_data
def pending(config: Config, as_json: bool) -> None:
    """List uploads that wait for a review, oldest first: `pin` shows one, `remove` rejects it."""
    from coverproxy.service.book_json import waiting_as_json

    with curating(config) as (_, curator):
        found = [waiting_as_json(each) for each in curator.pending(1000)]
    lines = [
        f"{each['isbn13'] or each['of']}  {each['digest']}  {each['width']}x{each['height']}"
        f"  {each['added']}  {each['who']}"
        for each in found
    ]
    tell(as_json, found, "\n".join(lines) or "Nothing waits for a review.")


COMMANDS = (list_, add, pending, pin, unpin, hide, restore, remove, admit, history, undo)
