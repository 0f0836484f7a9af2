"""The part of the catalogue that needs no SQL: the order of originals, and the names of one item."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from coverproxy.domain.original import Original, best_first
from coverproxy.domain.spec import Identifier
from coverproxy.originals.aliases import AliasStore
from coverproxy.originals.base import ProvenanceStore
from coverproxy.originals.change_feed import ChangeFeed
from coverproxy.originals.decision_store import DecisionStore
from coverproxy.originals.edition_store import EditionStore
from coverproxy.originals.feed_store import FeedStore
from coverproxy.originals.notice_store import NoticeStore
from coverproxy.originals.purge_store import PurgeStore
from coverproxy.originals.report_store import ReportStore
from coverproxy.originals.title_store import TitleStore
from coverproxy.originals.turn_store import TurnStore


@dataclass(frozen=True, slots=True)
class LinkedStores:
    """The stores that share the catalogue's database, and its transactions."""

    provenance: ProvenanceStore
    decisions: DecisionStore
    feeds: FeedStore
    editions: EditionStore
    aliases: AliasStore
    reports: ReportStore
    changed: ChangeFeed
    purged: PurgeStore
    notices: NoticeStore
    turns: TurnStore
    titles: TitleStore


def sample_points(most: int, turn: int) -> list[bytes]:
    """Return *most* beginnings of digests, evenly apart; each *turn* moves all of them by another part of
    their distance.
    """
    step = max((1 << 16) // most, 1)
    moved = turn * 40_503 % step  # odd and large: turns that follow each other lie far apart
    return [(((1 << 16) * number // most + moved) % (1 << 16)).to_bytes(2) for number in range(most)]


class LinkedTables(ABC):
    """The part of CatalogueTables that needs no SQL. *priority*: by source, as in the config."""

    def __init__(self, stores: LinkedStores, priority: Mapping[str, int]) -> None:
        self._stores = stores
        self._priority = priority

    @property
    def provenance(self) -> ProvenanceStore:
        """See CatalogueTables."""
        return self._stores.provenance

    @property
    def decisions(self) -> DecisionStore:
        """See CatalogueTables."""
        return self._stores.decisions

    @property
    def feeds(self) -> FeedStore:
        """See CatalogueTables."""
        return self._stores.feeds

    @property
    def editions(self) -> EditionStore:
        """See CatalogueTables."""
        return self._stores.editions

    @property
    def aliases(self) -> AliasStore:
        """See CatalogueTables."""
        return self._stores.aliases

    @property
    def reports(self) -> ReportStore:
        """See CatalogueTables."""
        return self._stores.reports

    @property
    def changed(self) -> ChangeFeed:
        """See CatalogueTables."""
        return self._stores.changed

    @property
    def purged(self) -> PurgeStore:
        """See CatalogueTables."""
        return self._stores.purged

    @property
    def notices(self) -> NoticeStore:
        """See CatalogueTables."""
        return self._stores.notices

    @property
    def titles(self) -> TitleStore:
        """See CatalogueTables."""
        return self._stores.titles

    @property
    def turns(self) -> TurnStore:
        """See CatalogueTables."""
        return self._stores.turns

    def find(self, identifier: Identifier) -> list[Original]:
        """See CatalogueTables."""
        found = self._of_name(identifier)
        return best_first(found, self._priority) if len(found) > 1 else found

    def of_item(self, identifier: Identifier) -> list[Original]:
        """See CatalogueTables."""
        found = [each for name in self.aliases.names(identifier) for each in self.find(name)]
        return best_first(found, self._priority) if len(found) > 1 else found

    def covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """See CatalogueTables."""
        asked = set(identifiers)
        names = self.aliases.linked(asked)
        found = self._covered(asked.union(*names.values()))
        return {each for each in asked if not found.isdisjoint(names.get(each, (each,)))}

    @abstractmethod
    def _of_name(self, identifier: Identifier) -> list[Original]:
        """Return the originals that came under this very name, in any order."""

    @abstractmethod
    def _covered(self, identifiers: Iterable[Identifier]) -> set[Identifier]:
        """Return those names under which an original came that can be shown."""
