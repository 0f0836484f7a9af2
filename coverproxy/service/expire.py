"""Expiry: terms end, and uploads without a review are removed."""

from coverproxy.domain.decisions import Act, Deed
from coverproxy.domain.original import Original, OriginalState
from coverproxy.originals.base import Catalogue
from coverproxy.originals.changes import Changes, changing
from coverproxy.originals.files import OriginalFiles
from coverproxy.service.invalidate import Invalidator

_WHO = "the service"


def expire(
    catalogue: Catalogue,
    files: OriginalFiles,
    invalidator: Invalidator,
    now: int,
    pending_seconds: int,
    most: int = 100,
) -> int:
    """Hide originals whose terms have ended, and remove uploads that waited for a review for too long.

    Returns how many. Blocks. Safe in several processes at once: what one has done, another no longer finds.
    """
    ended = catalogue.outdated(now, most)
    oldest = (now - pending_seconds) * 1000
    unseen = [each for each in catalogue.pending(most) if each.added < oldest]
    if not ended and not unseen:
        return 0
    with changing(catalogue, now) as changes:
        for each in ended:
            changes.watch(each.identifier)
            changes.tables.decide(each, OriginalState.EXPIRED, is_pinned=False)
            _log(changes, each, "its terms ended")
        for each in unseen:
            changes.watch(each.identifier)
            changes.tables.remove(each)
            _log(changes, each, "nobody reviewed it")
    for each in unseen:
        files.discard(each)
    invalidator.drop_stale()
    return len(ended) + len(unseen)


def _log(changes: Changes, original: Original, note: str) -> None:
    deed = Deed(
        changes.at, _WHO, Act.EXPIRE, original.identifier, original.digest, original.source, original.origin,
        note,
    )  # fmt: skip
    changes.tables.decisions.log(deed)
