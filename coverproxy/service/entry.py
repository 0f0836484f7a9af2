"""The last step for every original: writes its row, and removes what it replaces."""

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
class EntryResult:
    """The result of entering an original.

    `refused`: why it was not entered, or not kept. `replaced`: what it replaced. `withdrawn`: all originals
    with the same bytes, including this one, if they proved to be "no image" art. `discarded`: originals whose
    files must be removed once the rows are committed.
    """

    refused: OriginalRefused | None = None
    replaced: list[Original] = field(default_factory=list)
    withdrawn: list[Original] = field(default_factory=list)
    discarded: list[Original] = field(default_factory=list)


def enter(
    changes: Changes, original: Original, rules: Import, replaces: Callable[[Original], bool]
) -> EntryResult:
    """Write an original's row, replacing those of its book that it *replaces*.

    Its file MUST be in place. The caller removes the files of discarded originals after the commit.
    """
    tables = changes.tables
    if refused := known_refusal(tables, original, rules):
        return EntryResult(refused, discarded=without_row(changes, original))
    others = changes.watch(original.identifier)
    replaced = [each for each in others if each.digest != original.digest and replaces(each)]
    for each in replaced:
        tables.remove(each)
    same = next((each for each in others if each.digest == original.digest), None)
    tables.add(renewed(original, same) if same else original)
    _note_unmeasured(tables, original)
    withdrawn, refused = _withdraw_art(changes, original.digest, rules)
    return EntryResult(refused, replaced, withdrawn, [*replaced, *withdrawn])


def _note_unmeasured(tables: CatalogueTables, original: Original) -> None:
    """Have those measured that are to be compared: a single original is the best, however blurred it is."""
    found = tables.of_item(original.identifier)
    if len(found) > 1 and any(each.detail is None and each.fault is None for each in found):
        tables.mark_unmeasured(original.identifier)


def without_row(changes: Changes, original: Original) -> list[Original]:
    """Return the original if no row uses its file; a hidden one's row may need the file again."""
    others = changes.watch(original.identifier)
    return [] if any(each.digest == original.digest for each in others) else [original]


def known_refusal(tables: CatalogueTables, original: Original, rules: Import) -> OriginalRefused | None:
    """Return why an earlier rule or decision refuses these bytes as this book's cover; or None."""
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
    """Withdraw bytes that prove to be "no image" art from every book that has them."""
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
