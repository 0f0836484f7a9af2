"""Enters at once what concerns nothing that is known: most of a first import, or of a large list."""

from collections import Counter
from collections.abc import Sequence

from coverproxy.domain.identifier import Identifier
from coverproxy.originals.base import CatalogueTables
from coverproxy.service.import_results import Entered, ImportReport, Result
from coverproxy.service.import_steps import Withdrawal


def enter_new(tables: CatalogueTables, results: Sequence[Result], report: ImportReport) -> list[Result]:
    """Enter those originals of a batch that need no decision; return the other results, in their order.

    Entered one by one, each would find nothing to replace, to renew, to refuse or to compare with, and its
    item would show what it never showed before: so nothing follows but its row.
    """
    alone = apart(results)
    new = {id(each) for each in tables.unknown([each.original for each in alone])} if alone else set()
    entered = [each for each in alone if id(each.original) in new]
    if not entered:
        return list(results)
    tables.add_new(each.original for each in entered)
    report.seen += len(entered)
    report.added += len(entered)
    report.bytes += sum(each.original.bytes for each in entered)
    done = set(map(id, entered))
    return [each for each in results if id(each) not in done]


def apart(results: Sequence[Result]) -> list[Entered]:
    """Return those with which no other result of the batch has to do, so that their order is all the same.

    Not those of a sender's own records, or that link several names: these write further rows. A withdrawal
    takes back what it does not name here, so beside one nothing is apart.
    """
    if any(isinstance(each, Withdrawal) for each in results):
        return []
    found = [each for each in results if isinstance(each, Entered)]
    items = Counter(name for each in found for name in _names(each))
    bodies = Counter(each.original.digest for each in found)
    return [
        each
        for each in found
        if _is_plain(each) and items[each.original.identifier] == bodies[each.original.digest] == 1
    ]


def _is_plain(entered: Entered) -> bool:
    candidate = entered.candidate
    return not (entered.is_known or entered.original.fault or candidate.record or candidate.others)


def _names(entered: Entered) -> set[Identifier]:
    return {entered.original.identifier, *entered.candidate.others}
