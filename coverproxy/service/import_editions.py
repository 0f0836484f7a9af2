"""Lists of editions: `isbn,work`, or two ISBNs and how their books are related."""

from dataclasses import dataclass

from coverproxy.domain import schemes
from coverproxy.domain.editions import EditionLink, Relation
from coverproxy.domain.errors import NotAnIdentifier
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.isbn_list import simplified
from coverproxy.originals.examine import Refusal
from coverproxy.service.import_steps import LinkedItems

LINKED_BY = "csv"
_WORDS = {
    Relation.FORMAT: ("format", "form", "medium"),
    Relation.EDITION: ("edition", "ausgabe", "work", ""),
    Relation.TRANSLATION: ("translation", "original", "übersetzung"),
}
_RELATIONS = {word: relation for relation, words in _WORDS.items() for word in words}


@dataclass(frozen=True, slots=True)
class EditionColumns:
    """Where a list of editions has what: the item, then its work or the other item and the relation."""

    item: int
    other: int | None
    relation: int | None
    work: int | None


def edition_columns(header: list[str] | str) -> EditionColumns | None:
    """Find the columns of a list of editions; None if the first row is not such a header."""
    if isinstance(header, str):
        return None
    words = [simplified(cell) for cell in header]
    if "work" in words and len(words) > 1:
        at = words.index("work")
        return EditionColumns(0 if at else 1, None, None, at)
    if "relation" in words and len(words) > 2:
        item, other = [at for at, word in enumerate(words) if word != "relation"][:2]
        return EditionColumns(item, other, words.index("relation"), None)
    return None


def linked_row(cells: list[str] | str, columns: EditionColumns, where: str) -> LinkedItems | Refusal:
    """Read a row of a list of editions."""
    if isinstance(cells, str):
        return Refusal(where, "", "row", cells, where)
    try:
        item = _item(cells, columns.item)
        if columns.work is not None:
            return _of_work(item, _cell(cells, columns.work), where)
        other = _item(cells, columns.other or 0)
    except NotAnIdentifier as exc:
        return Refusal(where, exc.text, "isbn", str(exc), where)
    word = _cell(cells, columns.relation or 0).casefold()
    if word not in _RELATIONS:
        expected = "format, edition or translation"
        return Refusal(where, item.value, "relation", f"{word[:40]!r} is not {expected}", where)
    return LinkedItems((EditionLink(item, other, _RELATIONS[word], LINKED_BY),))


def _of_work(item: Identifier, work: str, where: str) -> LinkedItems | Refusal:
    if not work:
        return Refusal(where, item.value, "row", "it has no work", where)
    return LinkedItems(work=f"{LINKED_BY}:{work[:200]}", of_work=(item,))


def _item(cells: list[str], at: int) -> Identifier:
    """Read an item. Raises NotAnIdentifier."""
    text = _cell(cells, at)
    reading = schemes.read(text)
    if reading.sure is None:
        raise NotAnIdentifier(text, "it can mean several items", "identifier")
    return reading.sure


def _cell(cells: list[str], at: int) -> str:
    return cells[at].strip() if at < len(cells) else ""
