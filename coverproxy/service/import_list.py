"""Lists for imports: a table of ISBNs and files, as spreadsheets and other systems write them."""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

from coverproxy.domain import list_text, schemes
from coverproxy.domain.isbn_list import first_isbn, is_isbn, isbn_columns, other_columns, simplified
from coverproxy.domain.item_title import item_title
from coverproxy.domain.original import LATEST_DATE, Terms
from coverproxy.domain.table_rows import table_rows
from coverproxy.domain.titled_list import AUTHOR_COLUMN, TITLE_COLUMN
from coverproxy.originals.examine import Candidate, Refusal
from coverproxy.service.import_editions import edition_columns, linked_row
from coverproxy.service.import_records import fetched
from coverproxy.service.import_steps import Passed, Sender, Step, TitledItems
from coverproxy.storage import packed_text

_FILE_WORDS = [
    "file", "filename", "filepath", "path", "image", "imagefile", "imagename", "imagepath", "img", "picture",
    "photo", "cover", "coverfile", "coverimage", "coverpath", "datei", "dateiname", "pfad", "bild",
    "bilddatei",
    "umschlag", "titelbild", "fichier", "couverture", "archivo", "imagen", "portada", "immagine", "copertina",
    "bestand", "afbeelding", "omslag",
]  # fmt: skip
_URL_WORDS = ("url", "link", "imageurl", "imagelink", "coverurl", "coverlink", "uri")
_ID_WORDS = ("identifier", "id")
_SOURCE_WORDS = ("source", "quelle", "origin")
_DATE_WORDS = ("date", "datum", "modified")
_LICENCE_WORDS = ("licence", "license", "lizenz", "licencia", "licenza", "rights")
_UNTIL_WORDS = ("until", "validuntil", "allowedtill", "expires", "bis", "gueltigbis", "gültigbis")
_NO_CROP_WORDS = ("nocrop", "donotcrop", "nichtbeschneiden")
_DAY_DIGITS = 8
_LEAST_YEAR, _LEAST_SECONDS = 1000, 10**8
_YES = ("1", "true", "yes", "y", "x", "ja", "oui", "si", "sì", "sí")
_NO = ("", "0", "false", "no", "n", "nein", "non", "nee")


@dataclass(frozen=True, slots=True)
class ImportColumns:
    """The positions of the columns; without a header `isbn,file[,source,date]`.

    `others`: columns with identifiers of other schemes, in the order to try them. `id`: with any, as
    scheme:value.
    """

    isbns: tuple[int, ...] = (0,)
    others: tuple[tuple[str, int], ...] = ()
    file: int | None = 1
    source: int | None = 2
    date: int | None = 3
    url: int | None = None
    licence: int | None = None
    until: int | None = None
    no_crop: int | None = None
    title: int | None = None
    author: int | None = None
    id: int | None = None


def open_list(path: Path) -> Iterable[str]:
    """Yield a list's lines with their line ends, unpacked if it is compressed with gzip.

    Blocks on the disk. Raises OSError, NotAList.
    """
    with packed_text.opened(path) as file:
        name = list_text.encoding(file.read(list_text.HEAD_BYTES))
    return _lines(path, name)


def _lines(path: Path, name: str) -> Iterator[str]:
    with (
        packed_text.opened(path) as packed,
        io.TextIOWrapper(packed, name, list_text.errors(name), newline="") as file,
    ):
        for number, line in enumerate(file):
            yield line if number else line.removeprefix("\ufeff")


def listed(path: Path, sender: Sender) -> Iterator[Step]:
    """Yield the rows of a list `isbn,file[,source,date]`; paths are relative to the list's folder.

    A header may name its columns in any order (isbn, isbn13, ISBN-13; file, image, cover, Bild …), also issn,
    oclc, lccn, ean, upc and the other schemes: these are linked to the row's item, and name it if there is no
    valid ISBN. Of several ISBN columns, the first with an ISBN in that row counts. A header that lacks either
    is one refusal. Dates are ISO 8601, or seconds since 1970. `url` counts if a row has no file; `licence`,
    `until` and `no_crop` are the picture's terms; `title` and `author` what the item is
    called. `work` or `relation` makes it a list of editions. Raises OSError, NotAList.
    """
    rows = table_rows(open_list(path))
    first = next(rows, None)
    if first is None:
        return
    if linking := edition_columns(first[1]):
        yield from (linked_row(cells, linking, f"{path}:{number}") for number, cells in rows)
        return
    columns = columns_of(first[1])
    if isinstance(columns, str):
        yield Refusal(f"{path}:{first[0]}", "", "header", columns, f"{path}:{first[0]}")
        first = next(rows, None)
        if first is None or not _fits(first[1]):
            return
        columns = None  # unknown names over the usual columns
    rows = rows if columns else chain([first], rows)
    for number, cells in rows:
        where = f"{path}:{number}"
        if isinstance(cells, str):
            yield Refusal(where, "", "row", cells, where)
        else:
            yield from _titled(cells, columns or ImportColumns())
            yield from _remarks(cells, columns or ImportColumns(), where)
            yield _row(cells, columns or ImportColumns(), path, where, sender)


def columns_of(header: list[str] | str) -> ImportColumns | str | None:
    """Find the columns in a header; None if the first row is not a header.

    A text says what the header lacks. A first row with neither a digit nor a known name counts as a header.
    """
    if isinstance(header, str) or any(map(is_isbn, header)):
        return None
    words = [simplified(cell) for cell in header]
    isbns, file = tuple(isbn_columns(header)), _first(words, _FILE_WORDS)
    url = _first(words, _URL_WORDS)
    others = tuple(other_columns(header))
    own = _first(words, _ID_WORDS)
    if (isbns or others or own is not None) and (file is not None or url is not None):
        return ImportColumns(
            isbns, others, file, _first(words, _SOURCE_WORDS), _first(words, _DATE_WORDS), url,
            _first(words, _LICENCE_WORDS), _first(words, _UNTIL_WORDS), _first(words, _NO_CROP_WORDS),
            _matching(words, TITLE_COLUMN), _matching(words, AUTHOR_COLUMN), own,
        )  # fmt: skip
    has = ", ".join(cell.strip()[:40] for cell in header[:12])
    if isbns or others:
        return f"no column is called file (or image, filename, path, cover, …): the list has {has}"
    is_header = file is not None or not any(char.isdigit() for cell in header for char in cell)
    if is_header and words[0] and sum(map(bool, words)) > 1:
        return f"no column is called isbn (or isbn13, ISBN-13, …): the list has {has}"
    return None


def _first(words: list[str], known: Iterable[str]) -> int | None:
    return next((words.index(word) for word in known if word in words), None)


def _matching(words: list[str], column: re.Pattern[str]) -> int | None:
    return next((at for at, word in enumerate(words) if column.fullmatch(word)), None)


def _remarks(cells: list[str], columns: ImportColumns, where: str) -> Iterator[Passed]:
    """Yield an invalid identifier beside one that names the row's item: that costs no picture."""
    named = _named(cells, columns)
    for text in _others(cells, columns):
        if text != named and not schemes.is_valid(text):
            shown = text.partition(":")[2]
            yield Passed(
                Refusal(where, shown, "identifier", f"{text[:60]!r} is not a valid identifier", where)
            )


def _others(cells: list[str], columns: ImportColumns) -> Iterator[str]:
    """Yield a row's identifiers beside its ISBN, as scheme:value; such are in a column `id` as they stand."""
    for scheme, at in columns.others:
        if text := _cell(cells, at):
            yield f"{scheme}:{text}"
    if ":" in (text := _cell(cells, columns.id)):  # other numbers there are the rows' own
        yield text


def _titled(cells: list[str], columns: ImportColumns) -> Iterator[TitledItems]:
    """Yield what a row calls its item: also where its picture is refused, or is missing."""
    title = item_title(_cell(cells, columns.title), _cell(cells, columns.author))
    if title is None:
        return
    if item := schemes.sure(_named(cells, columns)):
        yield TitledItems((item,), title)


def _fits(cells: list[str] | str) -> bool:
    """Return whether a row has an ISBN and a file where a table without a header has them."""
    return isinstance(cells, list) and len(cells) > 1 and is_isbn(cells[0]) and bool(cells[1].strip())


class _BadCell(ValueError):
    """A cell that does not hold what its column is for: a word for programs, a detail for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _row(
    cells: list[str], columns: ImportColumns, path: Path, where: str, sender: Sender
) -> Candidate | Refusal:
    isbn = _named(cells, columns)
    file, url = _cell(cells, columns.file), _cell(cells, columns.url)
    if not isbn.strip('="') or not (file or url):
        lacks = "file" if isbn.strip('="') else "ISBN"
        detail = f"it has no {lacks}; expected isbn,file[,source,date]"
        return Refusal(where, isbn, "row", detail, where)
    try:
        seconds = _date(_cell(cells, columns.date), "date")
        terms = _terms(cells, columns, sender.terms)
    except _BadCell as exc:
        return Refusal(where, isbn, exc.reason, exc.detail, where)
    source = _cell(cells, columns.source) or sender.source
    others = tuple(filter(None, map(schemes.sure, _others(cells, columns))))
    found = Candidate(isbn, path.parent / file, source, seconds, terms=terms, place=where, others=others)
    if file:
        return found
    return replace(found, path=path, address=url, read=partial(fetched, url, sender))


def _terms(cells: list[str], columns: ImportColumns, usual: Terms) -> Terms:
    """Read under which terms a picture comes; what a row leaves open is as usual for its sender."""
    licence = _cell(cells, columns.licence) or usual.licence
    until = _date(_cell(cells, columns.until), "until")
    word = _cell(cells, columns.no_crop).casefold()
    if word not in _YES + _NO:
        raise _BadCell("no_crop", f"{word[:40]!r} is not yes or no; expected 1, yes, true, 0, no or false")
    if until is not None and "T" not in _cell(cells, columns.until).upper():
        until += 86_400 * (not _cell(cells, columns.until).isdigit())  # a day is allowed to its end
    return Terms(licence, usual.until if until is None else until, word in _YES or usual.no_crop)


def _date(text: str, column: str) -> int | None:
    try:
        return _seconds(text) if text else None
    except (ValueError, OverflowError, OSError):
        detail = f"{text[:40]!r} is not a date; expected 2008-08-04 or seconds since 1970, before 2400"
        raise _BadCell(column, detail) from None


def _named(cells: list[str], columns: ImportColumns) -> str:
    """Return the name of a row's item: its first valid ISBN, else its first valid other identifier.

    Without a valid one, the first of any kind, so that the refusal can say what is wrong.
    """
    isbn = first_isbn([_cell(cells, at) for at in columns.isbns]) if columns.isbns else ""
    others = list(_others(cells, columns))
    if is_isbn(isbn) or not others:
        return isbn
    return next(filter(schemes.is_valid, others), isbn or others[0])


def _cell(cells: list[str], at: int | None) -> str:
    return cells[at].strip() if at is not None and at < len(cells) else ""


def _seconds(text: str) -> int:
    """Return seconds since 1970. Eight digits are a day, as 20080804 is in August 1970 for nobody."""
    if text.isascii() and text.isdigit() and len(text) != _DAY_DIGITS:
        seconds = int(text)
        if _LEAST_YEAR <= seconds < _LEAST_SECONDS:  # a year, or a day as spreadsheets count
            raise ValueError("not a plausible time of a file")
    else:
        moment = datetime.fromisoformat(text)
        seconds = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    if not 0 <= seconds < LATEST_DATE:
        raise ValueError("not a plausible time of a file")
    return seconds
