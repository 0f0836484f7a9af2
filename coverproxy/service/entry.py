"""The last step of every original's way in: its row is written, and what it replaces goes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from coverproxy.config import Import
from coverproxy.domain.original import Original, renewed
from coverproxy.originals.base import CatalogueTables
from coverproxy.originals.changes import MOST_BOOKS, Changes
from coverproxy.originals.examine import OriginalRefused, same_bytes, still_refused
from coverproxy.originals.item_decisions import ItemDecisions

SAME_BYTES = "same-bytes"
HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Entry:
    """What entering an original did.

    `refused`: why it was not entered, or not kept. `replaced`: what it took the place of. `withdrawn`: all
    originals of the same bytes, itself among them, where they proved to stand for "no image". `discarded`:
    whose files go once the rows are committed.
    """

    refused: OriginalRefused | None = None
    replaced: list[Original] = field(default_factory=list)
    withdrawn: list[Original] = field(default_factory=list)
    discarded: list[Original] = field(default_factory=list)


def enter(changes: Changes, original: Original, rules: Import, replaces: Callable[[Original], bool]) -> Entry:
    """Write an original's row, in place of those of its book that it *replaces*.

    Its file MUST lie in its place. Files of what goes are the caller's to remove, after the commit.
    """
    tables = changes.tables
    if refused := known_refusal(tables, original, rules):
        return Entry(refused, discarded=without_row(changes, original))
    others = changes.watch(original.identifier)
    replaced = [each for each in others if each.digest != original.digest and replaces(each)]
    for each in replaced:
        tables.remove(each)
    same = next((each for each in others if each.digest == original.digest), None)
    tables.add(renewed(original, same) if same else original)
    withdrawn, refused = _withdraw_art(changes, original.digest, rules)
    return Entry(refused, replaced, withdrawn, [*replaced, *withdrawn])


def without_row(changes: Changes, original: Original) -> list[Original]:
    """Return the original if its file is nobody's: a hidden one's row needs the same file again one day."""
    others = changes.watch(original.identifier)
    return [] if any(each.digest == original.digest for each in others) else [original]


def known_refusal(tables: CatalogueTables, original: Original, rules: Import) -> OriginalRefused | None:
    """Return why these bytes are no cover of this book, as was found out or decided before; or None."""
    if reason := still_refused(tables.refusal(original.digest), rules):
        return OriginalRefused(SAME_BYTES, reason)
    if hidden := ItemDecisions(tables, original.identifier).hidden(original.digest):
        day = datetime.fromtimestamp(hidden.at, UTC).date()
        note = f": {hidden.note}" if hidden.note else ""
        return OriginalRefused(HIDDEN, f"{hidden.who} hid it on {day}{note}")
    return None


def _withdraw_art(
    changes: Changes, digest: bytes, rules: Import
) -> tuple[list[Original], OriginalRefused | None]:
    """Take back bytes that prove to be "no image" art, from every book that has them."""
    tables = changes.tables
    same = tables.with_digest(digest, most=max(MOST_BOOKS, rules.same_bytes_isbns))
    if len(same) < 2 or tables.decisions.is_admitted(digest):
        return [], None
    refused = same_bytes((each.identifier for each in same), rules)
    if refused is None:
        return [], None
    tables.refuse(digest, refused)
    for each in same:
        changes.watch(each.identifier)
        tables.remove(each)
    return same, OriginalRefused(SAME_BYTES, refused.reason)
