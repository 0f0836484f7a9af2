"""Commands about links between identifiers: alias add, list, remove, import."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from coverproxy.cli.common import faults_told, needs_data, options, tell
from coverproxy.cli.lists import exit_code, one, readable
from coverproxy.config import Config
from coverproxy.domain.counted import counted
from coverproxy.domain.errors import TooMany
from coverproxy.domain.spec import Identifier

if TYPE_CHECKING:
    from coverproxy.service.link_list import LinkRow
    from coverproxy.service.links import Linker

_MOST_PRINTED = 20
"""Faults of a list that are printed; the report has all."""


@click.group()
def alias() -> None:
    """Link identifiers of the same item: its ISBN, OCLC number, LCCN, record number.

    \b
    coverproxy alias add 9780141439556 oclc:52517734
    coverproxy alias import ids.csv             each row names one item: isbn,oclc,lccn,…
    coverproxy alias list oclc:52517734
    coverproxy alias remove oclc:52517734

    All names of an item show its best cover, whichever name it came under, and count as one. A bare number is
    an ISBN; write all others as scheme:value.
    """


@contextmanager
def _linker(config: Config) -> "Iterator[Linker]":
    from coverproxy.service.links import Linker
    from coverproxy.wiring.data_folder import open_shelf

    with faults_told(), open_shelf(config) as shelf:
        yield Linker(shelf.catalogue, shelf.invalidator)


@alias.command()
@options
@click.argument("texts", metavar="ID ID...", nargs=-1, required=True)
@needs_data
def add(config: Config, as_json: bool, texts: tuple[str, ...]) -> None:
    """Link two or more identifiers, and everything that they are linked to."""
    identifiers = list(dict.fromkeys(map(one, texts)))
    if len(identifiers) < 2:
        raise click.UsageError("expected two or more different identifiers")
    with _linker(config) as linker:
        try:
            item = linker.link(identifiers)
        except TooMany as exc:
            raise click.ClickException(str(exc)) from None
        names = linker.names(item)
    tell(as_json, {"item": str(item), "names": list(map(str, names))}, _names(names))


def _names(names: tuple[Identifier, ...]) -> str:
    return f"{names[0]}: " + (", ".join(map(str, names[1:])) or "not linked")


@alias.command()
@options
@click.argument("texts", metavar="ID...", nargs=-1, required=True)
@needs_data
def remove(config: Config, as_json: bool, texts: tuple[str, ...]) -> None:
    """Unlink identifiers: each names only itself again, with the covers that came under it.

    The exit code is 1 if one of them was not linked.
    """
    told: dict[str, list[str]] = {}
    with _linker(config) as linker:
        for each in dict.fromkeys(map(one, texts)):
            told[str(each)] = list(map(str, linker.unlink(each)))
    lines = [
        f"{name}: no longer linked to {', '.join(others)}" if others else f"{name}: not linked"
        for name, others in told.items()
    ]
    tell(as_json, {"removed": told}, "\n".join(lines))
    if not all(told.values()):
        raise click.exceptions.Exit(1)


@alias.command("list")
@options
@click.argument("texts", metavar="[ID]...", nargs=-1)
@needs_data
def list_(config: Config, as_json: bool, texts: tuple[str, ...]) -> None:
    """List what identifiers are linked to; without arguments, list every link as `name -> item`, one per
    line.
    """
    asked = [one(text) for text in texts]
    with _linker(config) as linker:
        if not asked:
            for name, item in linker.links():
                line = orjson.dumps({"name": str(name), "item": str(item)}).decode()
                click.echo(line if as_json else f"{name} -> {item}")
            return
        found = [linker.names(each) for each in asked]
    told = {"items": [list(map(str, names)) for names in found]}
    tell(as_json, told, "\n".join(map(_names, found)))


@alias.command("import")
@options
@click.argument("listed", metavar="LIST", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--report", "report_file", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the list's invalid lines to a file, as JSON lines.",
)  # fmt: skip
@needs_data
def import_(config: Config, as_json: bool, listed: Path, report_file: Path | None) -> None:
    """Link the identifiers in each row of LIST: a CSV or TSV table whose first line names its columns.

    Columns: isbn, ean, upc, issn, ismn, oclc, lccn, olid, asin, ppn, doi, local:AGENCY, in any order. A name
    may occur several times; other columns are ignored. An invalid cell loses only itself.

    \b
    Exit code: 0 all rows linked, 3 some not linked or with an invalid cell, 1 none linked.
    """
    from coverproxy.domain.list_text import NotAList
    from coverproxy.service.link_list import link_rows
    from coverproxy.storage.packed_text import Damaged

    report = _Report()
    with _linker(config) as linker, _written(report_file) as report.write:
        try:
            _link(linker, link_rows(listed), report)
        except (NotAList, Damaged) as exc:
            raise click.ClickException(f"{listed}: {exc}") from None
    text = f"{counted(report.linked, 'row')} linked, {counted(report.faults, 'fault')}"
    told = {"linked": report.linked, "faults": report.faults}
    tell(as_json, told, "\n".join([text, *report.first]))
    if code := exit_code(report.linked, report.faulty):
        raise click.exceptions.Exit(code)


@dataclass
class _Report:
    """The result for a list: rows linked, rows with faults, and the faults, of which the first are kept."""

    linked: int = 0
    faulty: int = 0
    faults: int = 0
    first: list[str] = field(default_factory=list)
    write: Callable[[bytes], object] = len

    def note(self, row: "LinkRow", *, is_linked: bool, faults: tuple[str, ...]) -> None:
        """Count a row."""
        self.linked += is_linked
        self.faulty += bool(faults)
        self.faults += len(faults)
        for why in map(readable, faults):
            self.write(orjson.dumps({"line": row.number, "detail": why}, option=orjson.OPT_APPEND_NEWLINE))
            if len(self.first) < _MOST_PRINTED:
                self.first.append(f"line {row.number}: {why}")


def _link(linker: "Linker", rows: "Iterator[LinkRow]", report: _Report) -> None:
    """Link a list's rows, and count the results."""
    from coverproxy.service.link_list import LEAST

    rows, twin = itertools.tee(rows)
    outcomes = linker.link_all(row.identifiers for row in twin if len(row.identifiers) >= LEAST)
    for row in rows:
        is_whole = len(row.identifiers) >= LEAST
        why = next(outcomes) if is_whole else ""
        report.note(row, is_linked=is_whole and not why, faults=(*row.faults, *filter(None, [why])))


@contextmanager
def _written(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Yield a function that writes a line of the report; without a report it does nothing."""
    if path is None:
        yield len
        return
    with path.open("wb") as file:
        yield file.write
