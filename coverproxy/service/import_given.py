"""What a sender gave before, and what becomes of it: replaced, taken back, or known to be the same."""

from collections.abc import Iterable
from dataclasses import replace

from coverproxy.domain.decisions import Act, Deed
from coverproxy.domain.identifier import Identifier
from coverproxy.domain.original import Original, OriginalState
from coverproxy.originals.base import CatalogueTables
from coverproxy.originals.changes import Changes
from coverproxy.originals.examine import Candidate
from coverproxy.originals.feed_store import FeedRecord
from coverproxy.service.import_results import Result
from coverproxy.service.import_steps import TitledItems, Withdrawal


def fetched_before(tables: CatalogueTables, candidate: Candidate) -> Original | None:
    """Return what a link gave, while the sender says the same of it as then; it is not fetched again."""
    if not (candidate.is_fetched and candidate.record):
        return None
    before = tables.feeds.of(candidate.source, candidate.record)
    if before is None or before.stamp != candidate.stamp or str(before.identifier) != candidate.isbn:
        return None
    found = tables.find(before.identifier)
    return next((each for each in found if each.digest == before.digest), None)


def note_record(changes: Changes, candidate: Candidate, original: Original, seen: int) -> list[Original]:
    """Remember what a record gave; remove and return what it gave before of another item.

    What it gave before of the same item has made way when the new picture was entered.
    """
    if not candidate.record:
        return []
    feeds = changes.tables.feeds
    before = feeds.of(candidate.source, candidate.record)
    record = FeedRecord(
        candidate.source, candidate.record, original.identifier, original.digest, candidate.stamp, seen
    )
    if record != before:
        feeds.put(record)
    if before is None or before.identifier == original.identifier:
        return []
    gone = _own(changes, [before.identifier], candidate.source, before.digest)
    _remove(changes, gone, f"{candidate.record} is of {original.identifier} now")
    return gone


def withdraw(changes: Changes, step: Withdrawal) -> list[Original]:
    """Remove and return the sender's own pictures of a record; note it in the items' histories.

    A sender without a name has only what its records are known to have given.
    """
    feeds = changes.tables.feeds
    before = feeds.of(step.source, step.record) if step.record else None
    gone = _own(changes, [before.identifier], step.source, before.digest) if before else []
    if step.source:
        once = {(each.identifier, each.digest) for each in gone}
        more = _own(changes, step.identifiers, step.source)
        gone += [each for each in more if (each.identifier, each.digest) not in once]
    if before:
        feeds.remove(step.source, step.record)
    _remove(changes, gone, step.why)
    return gone


def renew_seen(tables: CatalogueTables, candidate: Candidate, seen: int) -> None:
    """Note that a file named a record again, whose picture is the same."""
    before = tables.feeds.of(candidate.source, candidate.record) if candidate.record else None
    if before and before.seen < seen:
        tables.feeds.put(replace(before, seen=seen))


def keep_titles(tables: CatalogueTables, results: Iterable[Result]) -> None:
    """Keep what a batch's records call their items; of two for one item, the later."""
    titled = (each for each in results if isinstance(each, TitledItems))
    if titles := {item: each.title for each in titled for item in each.identifiers}:
        tables.titles.keep(titles)


def _own(
    changes: Changes, identifiers: Iterable[Identifier], source: str, digest: bytes | None = None
) -> list[Original]:
    """Return a sender's originals of some items, but for those that a person chose or hid."""
    return [
        each
        for identifier in identifiers
        for each in changes.watch(identifier)
        if each.source == source
        and (digest is None or each.digest == digest)
        and not each.is_pinned
        and each.state is not OriginalState.HIDDEN
    ]


def _remove(changes: Changes, originals: Iterable[Original], why: str) -> None:
    for each in originals:
        changes.tables.remove(each)
        who = f"feed {each.source}" if each.source else "import"
        deed = Deed(changes.at, who, Act.REMOVE, each.identifier, each.digest, each.source, each.origin, why)
        changes.tables.decisions.log(deed)
