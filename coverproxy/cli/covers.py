"""Commands about single covers: cover, purge."""

import time
from typing import TYPE_CHECKING, Any

import click

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.config import Config
from coverproxy.domain import isbn, schemes
from coverproxy.domain.counted import counted
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.moment import iso
from coverproxy.domain.spec import ISBN, Identifier, Reading

if TYPE_CHECKING:
    from coverproxy.domain.original import Original
    from coverproxy.wiring.data_folder import DataFolder


@click.command()
@options
@click.argument("text", metavar="ISBN")
@needs_data
def cover(config: Config, as_json: bool, text: str) -> None:
    """Show what is known about an ISBN, or any identifier as scheme:value (oclc:12345).

    Shows how it is read, its originals, and its derivatives on disk.
    """
    from coverproxy.wiring.data_folder import open_shelf

    reading = _parse(text)
    with faults_told(), open_shelf(config, to_write=False) as shelf:
        books = [_known(shelf, each) for each in reading.identifiers]
    told = {"asked": text, "only_one": reading.only_one, "books": books}
    tell(as_json, told, "\n\n".join(_text(book) for book in books))


def _parse(text: str) -> Reading:
    try:
        return schemes.read(text)
    except NotAnIdentifier as exc:
        raise click.ClickException(str(exc)) from None


def _known(shelf: "DataFolder", identifier: Identifier) -> dict[str, Any]:
    isbn13 = identifier.value if identifier.scheme == ISBN else None
    names = shelf.catalogue.aliases.names(identifier)
    derivatives = [
        {
            "path": str(each.path), "bytes": each.stat.st_size, "made": iso(each.stat.st_ctime),
            "live": each.is_live,
        }
        for each in shelf.cache.held(names[0])
    ]  # fmt: skip
    return {
        "identifier": str(identifier),
        "isbn13": isbn13,
        "isbn10": isbn.to_isbn10(isbn13) if isbn13 else None,
        "item": str(names[0]),
        "linked": [str(each) for each in names if each != identifier],
        "originals": [_original(shelf, each) for each in shelf.catalogue.of_item(identifier)],
        "derivatives": derivatives,
    }


def _original(shelf: "DataFolder", each: "Original") -> dict[str, Any]:
    from coverproxy.service.book_json import score_as_json

    path = shelf.files.path(each)
    return {
        "of": str(each.identifier), "file": str(path), "present": path.exists(),
        "type": each.loader.value, "width": each.width, "height": each.height, "bytes": each.bytes,
        "source": each.source, "date": iso(each.date), "fault": each.fault,
        "score": score_as_json(each),
    }  # fmt: skip


def score_text(score: dict[str, Any]) -> str:
    """Say in words what decides which original is best."""
    marks = ["pinned"] if score["pinned"] else []
    marks += [] if score["front"] else ["not the front"]
    marks += ["odd shape or border"] if score["odd"] else []
    width, height = score["effective"]
    sharp = "not measured" if score["detail"] is None else f"detail {score['detail']:.2f}"
    content = "" if score["content"] is None else f", content {score['content']:.2f}"
    return ", ".join([*marks, f"counts as {width}x{height} px ({sharp}{content})"])


def _text(book: dict[str, Any]) -> str:
    named = f"ISBN {book['isbn13']}" if book["isbn13"] else book["identifier"]
    lines = [named + (f" (ISBN-10 {book['isbn10']})" if book["isbn10"] else "")]
    if book["linked"]:
        lines.append(f"  linked to {', '.join(book['linked'])}; its item is {book['item']}")
    lines += [
        f"  original{' (best)' if best == 0 else ''}: {each['width']}x{each['height']} px {each['type']},"
        f" {each['bytes']} bytes, {each['date']}, source {each['source'] or '-'}"
        + (f", FAULT {each['fault']}" if each["fault"] else "")
        + ("" if each["present"] else ", FILE IS MISSING")
        + f"\n    {score_text(each['score'])}\n    {each['file']}"
        for best, each in enumerate(book["originals"])
    ]
    if not book["originals"]:
        lines.append("  no original, so no cover")
    lines += [
        f"  derivative{'' if each['live'] else ' (old settings)'}: {each['bytes']} bytes, {each['path']}"
        for each in book["derivatives"]
    ]
    return "\n".join(lines)


@click.command()
@options
@click.argument("texts", metavar="ISBN...", nargs=-1, required=True)
@needs_data
def purge(config: Config, as_json: bool, texts: tuple[str, ...]) -> None:
    """Remove the derivatives of each ISBN or scheme:value, in every size and format, under all its names.

    They are made again on request.

    Originals stay. The memory that no source has a cover is cleared: sources are asked again within ten
    minutes.
    """
    from coverproxy.service.bring import purge_second
    from coverproxy.wiring.data_folder import open_shelf

    readings = [_parse(text) for text in texts]
    removed: dict[str, int] = {}
    with faults_told(), open_shelf(config) as shelf:
        for each in dict.fromkeys(each for reading in readings for each in reading.identifiers):
            names = shelf.catalogue.aliases.names(each)
            now = int(time.time())
            purge_second(shelf.objects, shelf.catalogue, [each], now)
            found = shelf.invalidator.purge_by_hand(each, now)
            removed[each.value if each.scheme == ISBN else str(each)] = found
            for name in names:
                shelf.recall.forget(name)
    lines = [f"{value}: {counted(count, 'file')} removed" for value, count in removed.items()]
    tell(as_json, {"removed": removed}, "\n".join(lines))
